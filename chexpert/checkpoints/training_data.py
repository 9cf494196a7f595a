"""Which data weights were trained on, as best.json says it: a name, counts and a digest, and no place."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping_or_empty

KEYS = ("layout", "images", "studies", "patients", "fingerprint")


def describe_training_data(run: Path, observations: Sequence[str]) -> dict[str, Any]:
    """Return ``training_data`` and, where there are some, ``not_labeled``; empty where the run does not record them.

    Args:
        run: run folder.
        observations: the model's outputs; those that the training data do not label are ``not_labeled``.
    """
    splits = read_mapping_or_empty(run / run_files.DATA).get("splits")
    own = splits.get("train") if isinstance(splits, dict) else None
    if not isinstance(own, dict):
        return {}
    absent = [name for name in observations if name in (own.get("not_labeled") or ())]
    return {"training_data": {key: own.get(key) for key in KEYS}} | ({"not_labeled": absent} if absent else {})
