"""A view as the model sees it, with the regions that were outlined on it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chexpert.data import Preprocessing, ViewDataset
from chexpert.errors import UserError
from chexpert.explain.methods.superpixels import find_body
from chexpert.explain.view import View, find_view
from chexpert.metrics import Segmentations
from chexpert.metrics.localization.mask_sizes import Size, check_size, log_sizes
from chexpert.metrics.localization.segmentations import ViewMasks
from chexpert.observations import OBSERVATIONS

FINDINGS = frozenset(OBSERVATIONS) - {"Support Devices"}
"""They come together and look alike in any patient, so a logit that follows another of them is no shortcut."""

OTHERS = "outline these images, at any resolution; a size is [height, width]"


@dataclass(frozen=True)
class Case:
    """One view in the model's coordinates: an image of v1.0 has a hundred times as many pixels, and most are not seen.

    Attributes:
        name: of the view, as CheXlocalize spells it.
        image: (H, W) uint8.
        labels: 1 or 0 by observation; one that is blank or uncertain is not in it.
        regions: (H, W) bool by name, those with a pixel in them.
        body: (H, W) bool.
    """

    name: str
    image: np.ndarray
    labels: Mapping[str, int]
    regions: Mapping[str, np.ndarray]
    body: np.ndarray


def read_cases(
    dataset: ViewDataset, observations: Sequence[str], outlined: Sequence[Segmentations] = ()
) -> Iterator[Case]:
    """Read the views of a split with their regions; views that cannot be read, and may be skipped, are left out.

    Args:
        dataset: views of the split.
        observations: names of the C labels of the dataset.
        outlined: files of regions; the region of a later file replaces one of the same name.

    Yields:
        The views in the order of the dataset, in the model's coordinates.

    Raises:
        UserError: a mask has other proportions than its image, or a file knows none of the views.
    """
    seen: dict[str, Size] = {}
    for row in range(len(dataset)):
        view = find_view(dataset, row, observations)
        if view is not None:
            seen[view.name] = view.original.shape
            for file in outlined:
                check_size(file, view.name, view.original.shape, f"{file.where}, {view.name}", OTHERS)
            items = {name: item for file in outlined for name, item in file.listed.get(view.name, {}).items()}
            yield to_case(replace(view, masks=ViewMasks(items)), dataset.preprocessing)
    for file in outlined:
        log_sizes(file, seen)
        if not seen.keys() & set(file):
            message = f"regions of {len(file)} views, but of none of these {len(seen)}"
            hint = f"names as {min(seen, default='patient64541_study1_view1_frontal')}"
            raise UserError(message, code="no-overlap", where=file.where, hint=hint)


def to_case(view: View, preprocessing: Preprocessing) -> Case:
    """Carry a view to the model's coordinates; a region has each cell that it touches, or thin lines would be lost."""
    image = view.image[0].numpy()
    regions = {name: preprocessing.apply(mask.astype(np.uint8) * 255) > 0 for name, mask in view.masks.items()}
    shown = {name: region for name, region in regions.items() if region.any()}
    return Case(view.name, image, view.truth, shown, find_body(image))


def find_suspects(cases: Sequence[Case], named: Collection[str] = ()) -> list[str]:
    """Return the names of the regions that may be shortcuts.

    Args:
        cases: views with their regions.
        named: regions that are suspects even if they are findings.

    Returns:
        Sorted names of the regions that a case shows: the ``named`` ones, and all others but findings.
    """
    shown = {name for case in cases for name in case.regions}
    return sorted(name for name in shown if name in named or name not in FINDINGS)
