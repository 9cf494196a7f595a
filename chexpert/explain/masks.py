"""Which masks a run's views have."""

from pathlib import Path

from chexpert.metrics import Segmentations

NAMES = ("gt_segmentations_valid.json", "gt_segmentations_val.json")  # the second as CheXlocalize distributes it


def find_masks(chosen: str | bool | None, copy: Path) -> Segmentations | None:
    """The masks of the validation views of a copy of CheXpert.

    Args:
        chosen: a file; None for the one that lies in the folder of the copy or above it, if there is one; False for
            none.
        copy: the folder that its images lie below.

    Raises:
        ProblemError: no such file, or not of CheXlocalize's format.
    """
    if chosen is None:
        places = [folder / name for folder in (copy, copy.parent) for name in NAMES]
        chosen = next((str(place) for place in places if place.is_file()), False)
    return Segmentations.read(chosen) if isinstance(chosen, str) else None
