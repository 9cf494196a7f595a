"""Does a map point at the finding? Scores of one attribution map against one mask, both (H, W) on the image."""

import math
from collections.abc import Sequence

import numpy as np

Grid = Sequence[int] | None
"""Cells (rows, columns) of the feature map that an attribution map was upsampled from; None where there was none."""


def hit(map: np.ndarray, mask: np.ndarray) -> float:
    """Compute the pointing game: whether the map's peak lies in the mask.

    Source: Zhang et al. 2018, arxiv.org/abs/1608.00507. Among equal peaks the first in row-major order counts, as in
    CheXlocalize.

    Args:
        map: (H, W) float, of any scale.
        mask: (H, W) bool.

    Returns:
        1.0 if the peak lies in the mask, or 0.0. NaN for an empty mask and for a constant map, which points nowhere:
        its first pixel would be a miss, or a hit by luck.

    Raises:
        ValueError: the map and the mask differ in size, or the map is not finite.

    >>> hit(np.array([[0.1, 0.9]]), np.array([[False, True]]))
    1.0
    """
    low, high = _range(map, mask)
    return float(mask.flat[map.argmax()]) if high > low and mask.any() else math.nan


def expected_hit(map: np.ndarray, mask: np.ndarray) -> float:
    """Compute :func:`hit` where a peak may be flat: the share of the map's highest pixels that lies in the mask.

    This is the mean hit of a random choice among equal peaks. A superpixel is flat, and so is an upsampled map at its
    border. The first of their pixels is an edge, and has nothing to do with the explainer.

    Args:
        map: (H, W) float, of any scale.
        mask: (H, W) bool.

    Returns:
        The share in [0, 1]; NaN for an empty mask and for a constant map.

    Raises:
        ValueError: the map and the mask differ in size, or the map is not finite.

    >>> expected_hit(np.array([[0.1, 0.9, 0.9]]), np.array([[True, True, False]]))
    0.5
    """
    low, high = _range(map, mask)
    return float(mask[map == high].mean()) if high > low and mask.any() else math.nan


def chance(mask: np.ndarray) -> float:
    """Compute the hit rate of a peak at a random pixel: the mask's share of the image.

    Args:
        mask: (H, W) bool.

    Returns:
        The share in [0, 1].
    """
    return float(mask.mean())


def contains_cell(
    mask: np.ndarray, grid: Grid, matrix: np.ndarray | None = None, shape: Sequence[int] | None = None
) -> float:
    """Return 1.0 if the mask contains the center of a cell, otherwise 0.0; NaN if the mask is empty.

    Only then can a map of this grid hit the mask.

    Args:
        mask: (H, W) bool on the image.
        grid: cells (rows, columns) over the whole map; None, no grid: 1.0.
        matrix: (3, 3) affine from image to map coordinates, (x, y) at pixel centers, of a map that was carried back
            from a crop; by default the map was stretched over the image.
        shape: (h, w) of the map that ``matrix`` leads to.
    """
    if not mask.any():
        return math.nan
    if grid is None:
        return 1.0
    height, width = mask.shape if shape is None else shape
    y, x = ((np.arange(cells) + 0.5) * side / cells - 0.5 for cells, side in zip(grid, (height, width), strict=True))
    centers = np.stack([*(axis.ravel() for axis in np.meshgrid(x, y)), np.ones(len(x) * len(y))])
    if matrix is not None:
        centers = np.linalg.inv(matrix) @ centers
    columns, rows = np.floor(centers[:2] + 0.5).astype(int)  # the pixel that the point lies in
    on_image = (columns >= 0) & (columns < mask.shape[1]) & (rows >= 0) & (rows < mask.shape[0])
    return float(mask[rows[on_image], columns[on_image]].any())


def grid_ceiling(
    masks: Sequence[np.ndarray],
    grids: Sequence[Grid],
    matrices: Sequence[np.ndarray] | None = None,
    shape: Sequence[int] | None = None,
) -> float:
    """Compute the largest hit rate that maps of these grids can reach with one peak a cell.

    This is the share of the non-empty masks that contain a cell's center, see :func:`contains_cell`. A thin finding
    lies between the centers of a coarse grid: a model may see it, and its map still cannot peak in it.

    Args:
        masks: M masks, (H, W) bool each, of any size.
        grids: M grids: cells (rows, columns) of the feature map, or None where there was none, which can hit any mask.
        matrices: M matrices, (3, 3) affine from image to map coordinates, for maps that were carried back from crops.
        shape: (h, w) of the maps in the model's coordinates, with ``matrices``.

    Returns:
        The hit rate in [0, 1]; NaN where all masks are empty.
    """
    each = [None] * len(masks) if matrices is None else matrices
    reached = [contains_cell(*one, shape) for one in zip(masks, grids, each, strict=True)]
    defined = [value for value in reached if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def normalize_hit(rate: float, chance: float, ceiling: float) -> float:
    """Scale a hit rate so that chance becomes 0 and the grid ceiling 1.

    Args:
        rate: hit rate in [0, 1].
        chance: hit rate by chance, see :func:`chance`.
        ceiling: largest hit rate that can be reached, see :func:`grid_ceiling`.

    Returns:
        The scaled rate, negative below chance; NaN where an argument is undefined, or the ceiling is not above chance.

    >>> normalize_hit(0.5, 0.25, 0.75)
    0.5
    """
    return (rate - chance) / (ceiling - chance) if ceiling > chance else math.nan


def normalize_hits(means: np.ndarray) -> np.ndarray:
    """Apply :func:`normalize_hit` to mean hits, chances and ceilings (R, 3)."""
    return np.array([normalize_hit(*own) for own in means.tolist()])


def divide_by_area(means: np.ndarray) -> np.ndarray:
    """Divide mean relevance mass by mean area, of (R, 2)."""
    mass, area = means.T
    return np.divide(mass, area, out=np.full(len(means), math.nan), where=area > 0)


def relevance_mass(map: np.ndarray, mask: np.ndarray) -> float:
    """Compute the share of the positive evidence that lies in the mask (CLEVR-XAI, arxiv.org/abs/2003.07258).

    An even map has the mask's area.

    Args:
        map: (H, W) float; values above 0 are evidence for the observation.
        mask: (H, W) bool.

    Returns:
        The share in [0, 1]; NaN for an empty mask, and where no pixel is above 0.

    Raises:
        ValueError: the map and the mask differ in size, or the map is not finite.
    """
    _range(map, mask)
    positive = np.maximum(map, 0)
    total = positive.sum(dtype="float64")
    return float(positive[mask].sum(dtype="float64") / total) if total > 0 and mask.any() else math.nan


def rank_accuracy(map: np.ndarray, mask: np.ndarray) -> float:
    """Compute the share of the map's K highest pixels that lie in the mask of K pixels (CLEVR-XAI).

    Of pixels that are equal at the K-th place the expected share counts, so that a constant map has the mask's area.

    Args:
        map: (H, W) float, of any scale.
        mask: (H, W) bool.

    Returns:
        The share in [0, 1]; NaN for an empty mask.

    Raises:
        ValueError: the map and the mask differ in size, or the map is not finite.
    """
    _range(map, mask)
    size = int(mask.sum())
    if not size:
        return math.nan
    last = np.partition(map, map.size - size, axis=None)[map.size - size]
    above, level = map > last, map == last
    share = (size - above.sum()) / level.sum()
    return float((above[mask].sum() + share * level[mask].sum()) / size)


def _range(map: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    """Smallest and largest value of a map that can be scored against the mask."""
    if map.shape != mask.shape:
        raise ValueError(f"a map of {map.shape} cannot be scored against a mask of {mask.shape}")
    low, high = float(map.min()), float(map.max())
    if not math.isfinite(high - low):
        raise ValueError("the map is not finite")
    return low, high
