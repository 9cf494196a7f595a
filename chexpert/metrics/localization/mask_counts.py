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
from chexpert.metrics.localization.overlap import Threshold, ious, segment, upsample_array
from chexpert.metrics.localization.segmentations import Segmentations
from chexpert.observations import LOCALIZED

COPY = "give the masks of this copy: those of v1.0 do not fit v1.0-small"

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

    Raises:
        UserError: a view's masks differ in size, or the files have no view in common.
    """
    _check_views(truth, predicted, predicted.where)
    for view in predicted:
        if predicted.size(view):
            _check_size(truth, view, predicted.size(view), predicted.where, COPY)
    return {
        name: MaskCounts(truth, name, {view: _count_shared(truth, predicted, view, name) for view in predicted}, [None])
        for name in _localized(truth.observations() | predicted.observations())
    }


def _count_shared(truth: Segmentations, predicted: Segmentations, view: str, observation: str) -> Counted:
    shared = truth.intersection(predicted, view, observation)
    return Counted([predicted.area(view, observation)], [shared])


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
        UserError: a map is damaged or made for an image of another size, or no map's view has masks.
    """
    _check_views(truth, {file.view for file in files}, str(files[0].path.parent))
    names = _localized(truth.observations() | {file.observation for file in files})
    counted: dict[str, dict[str, Counted]] = {name: {} for name in names}
    for file in watch(files):
        local = read_fitting(truth, file)
        mask = truth.mask(file.view, file.observation)
        counted[file.observation][file.view] = count_map(local, mask, thresholds(file.observation))
    return {name: MaskCounts(truth, name, maps, thresholds(name) if maps else [None]) for name, maps in counted.items()}


def read_fitting(truth: Segmentations, file: MapFile) -> LocalMap:
    """Read the map in a file, if it was made for an image of the size that the view's masks have.

    Raises:
        UserError: it was not, or it is damaged.
    """
    local = file.read()
    _check_size(
        truth, file.view, (local.height, local.width), str(file.path), f"{COPY}; or this is the map of another view"
    )
    return local


def count_map(local: LocalMap, mask: np.ndarray | None, thresholds: Sequence[Threshold]) -> Counted:
    """Bring a map to the size of the image and count its segmentations; ``mask`` is None where it is empty."""
    large = upsample_array(local.map, local.height, local.width)
    predicted, shared = [], []
    for segmentation in segment(large, thresholds):
        predicted.append(int(np.count_nonzero(segmentation)))
        shared.append(0 if mask is None else int(np.count_nonzero(segmentation & mask)))
    if mask is None:
        return Counted(predicted, shared, local.probability)
    reachable = contains_cell(mask, local.grid, local.matrix, local.shape) if local.grid else math.nan
    return Counted(predicted, shared, local.probability, hit(large, mask), reachable)


def _localized(found: Collection[str]) -> list[str]:
    return [name for name in LOCALIZED if name in found]


def _check_views(truth: Segmentations, views: Iterable[str], where: str) -> None:
    if not any(view in truth for view in views):
        first = next(iter(truth), None)
        hint = f"name views as the ground truth does: {first}" if first else "the ground truth lists no view"
        raise UserError(f"none of the views is in {truth.where}", code="no-overlap", where=where, hint=hint)


def _check_size(truth: Segmentations, view: str, size: tuple[int, int] | None, where: str, hint: str) -> None:
    known = truth.size(view)
    if known and size and known != size:
        sizes = f"{size[0]} x {size[1]} pixels here, {known[0]} x {known[1]} in {truth.where}"
        raise UserError(
            f"masks of another size than the image: {view} has {sizes}", code="mask-size", where=where, hint=hint
        )
