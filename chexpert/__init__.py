"""chexpert: CheXpert experiments from a config, evaluated by AUROC and explained. Not a medical device."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chexpert.checkpoints import Loaded


def load(path: str | Path) -> "Loaded":
    """A trained model from a run folder or checkpoint: ``chexpert.load("outputs/...")``."""
    from chexpert import checkpoints  # torch takes seconds to import: not for those who only want a name

    return checkpoints.load(path)
