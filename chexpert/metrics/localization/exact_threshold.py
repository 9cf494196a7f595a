"""The threshold with the highest mean IoU of all that exist: every value of every map is a candidate.

This is not CheXlocalize's procedure, which tries seven.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from chexpert.metrics.localization.map_files import MapFile
from chexpert.metrics.localization.mask_counts import Watch, read_fitting
from chexpert.metrics.localization.overlap import stretch, upsample_array
from chexpert.metrics.localization.segmentations import Segmentations

BINS = 1 << 16
"""Of [0, 1]; a power of two, so that float32 values fall into them exactly."""

ROUNDING = 1e-9
"""Sums of IoU that differ by less are equal: the first threshold of several is chosen."""

Images = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]
"""Gives the images anew: a map, float32, with minimum 0 and maximum 1, and a mask of its shape with a pixel."""


def search_thresholds(truth: Segmentations, files: Sequence[MapFile], watch: Watch = iter) -> dict[str, float]:
    """Search the threshold of each observation that has a map of a view with a mask; maps are read twice.

    Args:
        truth: the masks.
        files: the maps.
        watch: shows the progress.

    Returns:
        Thresholds of maps in [0, 1] by observation: the highest mean IoU over images where both masks have a pixel.
    """
    found = {}
    for name in sorted({file.observation for file in files}):
        own = [file for file in files if file.observation == name and truth.area(file.view, name)]
        if own and (threshold := search_threshold(partial(_read, truth, own, watch))) is not None:
            found[name] = threshold
    return found


def search_threshold(images: Images) -> float | None:
    """Return the threshold above which pixels have the highest mean IoU with the masks, the lowest of several.

    Between two neighboring values of the maps nothing changes, so their values are all candidates. The first reading
    counts pixels in bins. In a bin the IoU of an image is at most that of the mask's pixels at its lower end without
    the others' at its upper end, and at its lower end a mean is reached. The second reading looks at the values in
    those bins alone that may hold a higher mean than any that is reached.

    Returns:
        The threshold in [0, 1); None without an image.
    """
    reached, bound, count = np.zeros(BINS), np.zeros(BINS), 0
    for map, mask in images():
        inside, outside = _count_from(*_divide(map, mask))
        reached += inside[:-1] / (inside[0] + outside[:-1])
        bound += inside[:-1] / (inside[0] + outside[1:])
        count += 1
    if not count:
        return None
    chosen = bound >= reached[1:].max() - ROUNDING  # below the lowest value is no threshold
    steps = [np.concatenate(parts) for parts in zip(*(_list_steps(*each, chosen) for each in images()), strict=True)]
    order = np.argsort(steps[0], kind="stable")
    values, changes = (part[order] for part in steps)
    bins = _find_bins(values)
    sums = np.cumsum(changes)
    first = np.searchsorted(bins, bins)  # of the bin
    sums += reached[bins] - (sums[first] - changes[first])
    last = np.append(values[1:] != values[:-1], True)  # of equal values
    return float(values[last][np.flatnonzero(sums[last] >= sums[last].max() - ROUNDING)[0]])


def _read(truth: Segmentations, files: Sequence[MapFile], watch: Watch) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for file in watch(files):
        local, _ = read_fitting(truth, file)
        map, mask = stretch(upsample_array(local.map, local.height, local.width)), truth.mask(*file[1:])
        if mask is not None and map.max() > 0:
            yield map, mask


def _find_bins(values: np.ndarray) -> np.ndarray:
    return (values * np.float32(BINS)).astype(np.int64)


def _divide(map: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bins of the pixels inside the mask, and of those outside."""
    bins = _find_bins(map)
    return bins[mask], bins[~mask]


def _count_from(*parts: np.ndarray) -> list[np.ndarray]:
    """For each part its pixels in a bin or any above it, (BINS + 1,)."""
    return [np.bincount(bins, minlength=BINS + 1)[::-1].cumsum()[::-1] for bins in parts]


def _list_steps(map: np.ndarray, mask: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of an image's pixels in the chosen bins, ascending, and by how much the IoU changes with each."""
    inside, outside = _count_from(*_divide(map, mask))
    among = np.append(chosen, False)[_find_bins(map)]
    values, in_mask = map[among], mask[among]
    order = np.argsort(values, kind="stable")
    values, in_mask = values[order], in_mask[order]
    bins = _find_bins(values)
    place = np.arange(len(values)) - np.searchsorted(bins, bins)  # in the bin
    before = np.cumsum(in_mask) - in_mask
    left = inside[bins] - (before - before[np.arange(len(values)) - place])  # of the mask, before this pixel goes
    others = outside[bins] - (place - (inside[bins] - left))
    one = left / (inside[0] + others)
    other = (left - in_mask) / (inside[0] + others - ~in_mask)
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    return values[starts], np.add.reduceat(other - one, starts) if len(starts) else other - one
