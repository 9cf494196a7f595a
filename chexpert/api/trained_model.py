"""The model of a run and its validation data, each read once, when it is needed first."""

from functools import cached_property
from pathlib import Path

from chexpert.checkpoints import Loaded, load
from chexpert.data import CheXpertDataModule
from chexpert.inference.opened_run import open_data


class TrainedModel:
    """The best weights of a run, and the data that it was evaluated on.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def loaded(self) -> Loaded:
        """The model with its preprocessing and settings."""
        return load(self.folder)

    @cached_property
    def data(self) -> CheXpertDataModule:
        """The validation views of the run's own data."""
        return open_data(self.loaded, hint="restore them, or give an image file")
