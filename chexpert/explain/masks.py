"""Which masks a run's views have."""

from collections.abc import Iterable
from pathlib import Path

from chexpert.data import ViewDataset, get_size
from chexpert.errors import UserError
from chexpert.metrics import Segmentations
from chexpert.runs import files as run_files

OTHER_SIZE = "give the masks of this copy (those of v1.0 do not fit v1.0-small), or none: explain.masks=false"
NAMES = ("gt_segmentations_valid.json", "gt_segmentations_val.json")  # the second as CheXlocalize distributes it


def find_masks(chosen: str | bool | None, copy: Path) -> Segmentations | None:
    """Read the masks of the validation views of CheXpert.

    Args:
        chosen: path of a mask file; None for the file in the dataset folder or above it, if any; False for none.
        copy: dataset folder, which has the images.

    Returns:
        The masks; None where there is no file, or none is wanted.

    Raises:
        UserError: no such file, or not of CheXlocalize's format.
    """
    if chosen is None:
        places = [folder / name for folder in (copy, copy.parent) for name in NAMES]
        chosen = next((str(place) for place in places if place.is_file()), False)
    return Segmentations.read(chosen) if isinstance(chosen, str) else None


def check_masks(dataset: ViewDataset, rows: Iterable[int], masks: Segmentations) -> None:
    """Check that the masks of these rows have the size of their images, of which only the headers are read.

    Raises:
        UserError: a mask is of another size than its image.
    """
    sizes = {row: masks.size(run_files.view_name(dataset.paths[row])) for row in set(rows)}
    outlined = {row: size for row, size in sizes.items() if size}
    found = {row: get_size(dataset.files[row]) for row in outlined}
    wrong = sorted(row for row, size in found.items() if size and size != outlined[row])
    if wrong:
        (height, width), (rows_, columns) = outlined[wrong[0]], found[wrong[0]] or (0, 0)
        message = f"the mask of {dataset.paths[wrong[0]]} has {height} x {width} pixels, its image {rows_} x {columns}"
        more = f"; so it is with {len(wrong)} of the {len(outlined)} views that are explained and have masks"
        raise UserError(message + more, code="mask-size", where=masks.where, hint=OTHER_SIZE)
