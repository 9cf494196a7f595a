"""Which masks a run's views have, and whether they are of these images."""

from collections.abc import Iterable
from pathlib import Path

from chexpert.data import ViewDataset, get_size
from chexpert.metrics import Segmentations
from chexpert.metrics.localization.mask_sizes import check_size, log_sizes
from chexpert.runs import files as run_files

OTHERS = "give the masks of these images, at any resolution (a size is [height, width]), or none: explain.masks=false"
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
    """Check that the masks of these rows have the proportions of their images, of which only the headers are read.

    Masks of another resolution are reported in one note.

    Raises:
        UserError: a mask has other proportions than its image.
    """
    images = {}
    for row in sorted(set(rows)):
        view = run_files.view_name(dataset.paths[row])
        if masks.size(view) and (size := get_size(dataset.files[row])):
            check_size(masks, view, size, masks.where, OTHERS)
            images[view] = size
    log_sizes(masks, images)
