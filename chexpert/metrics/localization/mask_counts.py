"""Areas of masks and of what they share, view by view: all that the overlap scores of an observation need.

A set of maps is read once, one image in memory at a time; thresholds and cut-offs are then chosen from these counts.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chexpert.errors import UserError
from chexpert.metrics.localization.map_files import LocalMap, MapFile
from chexpert.metrics.localization.map_scores import contains_cell, hit
from chexpert.metrics.localization.mask_sizes import Size, check_size, log_sizes, resize_mask, resize_matrix
from chexpert.metrics.localization.overlap import Threshold, ious, segment, upsample_array
from chexpert.metrics.localization.segmentations import Segmentations
from chexpert.observations import LOCALIZED, OUTSIDE

OTHERS = "give the masks of these images, at any resolution; a size is [height, width]"

Watch = Callable[[Sequence[MapFile]], Iterable[MapFile]]
"""Gives the files on, one by one; a progress bar, for example."""


class Counted(NamedTuple):
    """A prediction for one view: its pixels at each threshold, and those of them that lie in the true mask.

    ``reachable`` says whether a map of this grid can hit the mask; NaN where no grid is known.
    """

    predicted: Sequence[int]
    shared: Sequence[int]
    probability: float = math.nan
    hit: float = math.nan
    reachable: float = math.nan


class MaskCounts:
    """One observation over N views: those of the ground truth, and those that only the prediction knows.

    ``given`` are the views that have a prediction, ``listed`` those of the ground truth.

    Args:
        truth: the masks; a view without one does not have the finding.
        observation: in CheXpert's spelling.
        counted: by view; a view of the ground truth that is not in it has an empty prediction.
        thresholds: T, at which predictions were counted; None for given segmentations.
    """

    def __init__(
        self,
        truth: Segmentations,
        observation: str,
        counted: Mapping[str, Counted],
        thresholds: Sequence[Threshold | None],
    ) -> None:
        none = [0] * len(thresholds)
        empty = Counted(none, none)
        self.thresholds = list(thresholds)
        self.views = sorted({*truth, *counted})
        rows = [counted.get(view, empty) for view in self.views]
        self.listed = np.array([view in truth for view in self.views])
        self.given = np.array([view in counted for view in self.views])
        self.truth = np.array([truth.area(view, observation) for view in self.views])
        self.pixels = np.array([math.prod(truth.size(view) or (1,)) for view in self.views])
        self.predicted, self.shared, self.probability, self.hit, self.reachable = map(np.array, zip(*rows, strict=True))

    def ious(self, threshold: Threshold | None, cutoff: float, *, true_positives_only: bool) -> np.ndarray:
        """Return the IoU of each view (N,); where the probability is below the cut-off the predicted mask is empty."""
        place = self.thresholds.index(threshold)
        kept = ~(self.probability < cutoff)  # NaN, where segmentations were given: kept
        areas = (self.shared[:, place] * kept, self.predicted[:, place] * kept, self.truth)
        return ious(*areas, true_positives_only=true_positives_only)


def count_segmentations(truth: Segmentations, predicted: Segmentations) -> dict[str, MaskCounts]:
    """Count the masks of each localized observation that occurs in one of the files.

    Predicted masks of another size are brought to the size of the true ones.

    Raises:
        UserError: a view's masks differ in proportions, or the files have no view in common.
    """
    _check_views(truth, predicted, predicted.where)
    sizes = {view: size for view in predicted if (size := predicted.size(view))}
    for view, size in sizes.items():
        check_size(truth, view, size, predicted.where, OTHERS)
    log_sizes(truth, sizes, "predictions")
    return {
        name: MaskCounts(truth, name, {view: _count_shared(truth, predicted, view, name) for view in predicted}, [None])
        for name in list_scored(truth.observations(), predicted.observations())
    }


def _count_shared(truth: Segmentations, predicted: Segmentations, view: str, observation: str) -> Counted:
    size, mask = truth.size(view), predicted.mask(view, observation)
    if mask is None or size in (None, mask.shape):
        return Counted([predicted.area(view, observation)], [truth.intersection(predicted, view, observation)])
    mask, true = resize_mask(mask, *size), truth.mask(view, observation)
    shared = 0 if true is None else int(np.count_nonzero(mask & true))
    return Counted([int(np.count_nonzero(mask))], [shared])


def count_maps(
    truth: Segmentations,
    files: Sequence[MapFile],
    thresholds: Callable[[str], Sequence[Threshold]],
    watch: Watch = iter,
) -> dict[str, MaskCounts]:
    """Count the masks of each localized observation that has a mask or a map; without maps its threshold is None.

    Args:
        truth: the masks.
        files: maps, at most one a view and observation.
        thresholds: of an observation, at which its maps are counted.
        watch: shows the progress.

    Raises:
        UserError: a map is damaged or made for an image of other proportions, or no map's view has masks.
    """
    _check_views(truth, {file.view for file in files}, str(files[0].path.parent))
    names = list_scored(truth.observations(), {file.observation for file in files})
    files = [file for file in files if file.observation in names]
    counted: dict[str, dict[str, Counted]] = {name: {} for name in names}
    sizes: dict[str, Size] = {}
    for file in watch(files):
        local, sizes[file.view] = read_fitting(truth, file)
        mask = truth.mask(file.view, file.observation)
        counted[file.observation][file.view] = count_map(local, mask, thresholds(file.observation))
    log_sizes(truth, sizes)
    return {name: MaskCounts(truth, name, maps, thresholds(name) if maps else [None]) for name, maps in counted.items()}


def read_fitting(truth: Segmentations, file: MapFile) -> tuple[LocalMap, Size]:
    """Read the map in a file, as one of an image as large as the view's masks; and the size of its own image.

    Raises:
        UserError: the image has other proportions than the masks, or the file is damaged.
    """
    local = file.read()
    image = local.height, local.width
    check_size(truth, file.view, image, str(file.path), f"{OTHERS}; or this is the map of another view")
    height, width = truth.size(file.view) or image
    onto = None if local.matrix is None else local.matrix @ resize_matrix(height, width, *image)
    return local._replace(height=height, width=width, matrix=onto), image


def count_map(local: LocalMap, mask: np.ndarray | None, thresholds: Sequence[Threshold]) -> Counted:
    """Bring a map to the size of its image and count its segmentations; ``mask`` is None where it is empty."""
    large = upsample_array(local.map, local.height, local.width)
    predicted, shared = [], []
    for segmentation in segment(large, thresholds):
        predicted.append(int(np.count_nonzero(segmentation)))
        shared.append(0 if mask is None else int(np.count_nonzero(segmentation & mask)))
    if mask is None:
        return Counted(predicted, shared, local.probability)
    reachable = contains_cell(mask, local.grid, local.matrix, local.shape) if local.grid else math.nan
    return Counted(predicted, shared, local.probability, hit(large, mask), reachable)


def list_scored(masked: Collection[str], predicted: Collection[str]) -> list[str]:
    """Return the observations that are scored: of CheXlocalize's ten those of either side, of others those of both.

    >>> list_scored({"Edema", "Fracture", "Pneumonia"}, {"Pneumonia", "Cardiomegaly", "Pleural Other"})
    ['Cardiomegaly', 'Edema', 'Pneumonia']
    """
    ten = [name for name in LOCALIZED if name in masked or name in predicted]
    return ten + [name for name in OUTSIDE if name in masked and name in predicted]


def _check_views(truth: Segmentations, views: Iterable[str], where: str) -> None:
    if not any(view in truth for view in views):
        first = next(iter(truth), None)
        hint = f"name views as the ground truth does: {first}" if first else "the ground truth lists no view"
        raise UserError(f"none of the views is in {truth.where}", code="no-overlap", where=where, hint=hint)
