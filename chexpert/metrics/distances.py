"""Distances of vectors from a sample: Mahalanobis with a shrunk covariance, and the nearest neighbors."""

from dataclasses import dataclass

import numpy as np

LEAST_DEVIATION = 1e-6
"""Of a feature, relative to the largest one: below it the feature is constant, and is left out."""


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution whose covariance has K directions of their own, and one variance for all others.

    Attributes:
        mean: (D,) of the features.
        scale: (D,) by which each feature is divided; infinite where the feature is constant.
        directions: (K, D), orthonormal, in scaled features.
        variances: (K,) along them.
        rest: the variance along every other direction.
    """

    mean: np.ndarray
    scale: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    rest: float

    def measure(self, features: np.ndarray) -> np.ndarray:
        """Return the Mahalanobis distance (N,) of features (N, D), divided by the square root of D."""
        scaled = (features - self.mean) / self.scale
        along = scaled @ self.directions.T
        squares = (along**2 / self.variances).sum(1)
        outside = np.maximum((scaled**2).sum(1) - (along**2).sum(1), 0)
        return np.sqrt((squares + outside / self.rest) / len(self.mean))


def fit_gaussian(features: np.ndarray, directions: int = 64) -> Gaussian:
    """Fit a normal distribution to features (N, D), each divided by its standard deviation.

    The covariance is shrunk to a multiple of the identity, so that it can be inverted with fewer rows than features:
    Ledoit and Wolf 2004, doi.org/10.1016/S0047-259X(03)00096-4. Of the shrunk one, the ``directions`` of largest
    variance stay, and the mean variance of the others stands for all of them: with all directions, nothing is lost.

    Args:
        features: (N, D), N at least 2.
        directions: K, at most; fewer where the features vary in fewer.

    Raises:
        ValueError: fewer than 2 rows, or all features are constant.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage  # takes a second, and predictions need none

    features = np.asarray(features, np.float64)
    if len(features) < 2:
        raise ValueError(f"{len(features)} rows, at least 2 are needed")
    mean, deviation = features.mean(0), features.std(0)
    constant = deviation <= LEAST_DEVIATION * deviation.max()
    if constant.all():
        raise ValueError("all features are constant")
    scale = np.where(constant, np.inf, deviation)
    scaled = (features - mean) / scale
    total, width = scaled.var(0).sum(), len(mean)
    shrinkage = ledoit_wolf_shrinkage(scaled, assume_centered=True)
    _, values, vectors = np.linalg.svd(scaled, full_matrices=False)
    kept = min(directions, int((values > 1e-9 * values[0]).sum()), width)
    variances = (1 - shrinkage) * values[:kept] ** 2 / len(features) + shrinkage * total / width
    rest = (total - variances.sum()) / (width - kept) if kept < width else 1.0
    return Gaussian(mean, scale, vectors[:kept], variances, float(max(rest, np.finfo(np.float32).tiny)))


def measure_neighbors(reference: np.ndarray, features: np.ndarray, neighbors: int) -> np.ndarray:
    """Return the Euclidean distance (N,) of features (N, D) from their k-th nearest row of ``reference`` (M, D).

    Source: Sun et al. 2022, arxiv.org/abs/2204.06507, which normalizes the length of a vector before.

    Args:
        reference: (M, D).
        features: (N, D).
        neighbors: k, from 1 to M.

    Raises:
        ValueError: there are fewer reference rows than neighbors.
    """
    if not 1 <= neighbors <= len(reference):
        raise ValueError(f"{neighbors} neighbors of {len(reference)} rows")
    squares = (features**2).sum(1)[:, None] + (reference**2).sum(1) - 2 * features @ reference.T
    nearest = np.partition(squares, neighbors - 1, axis=1)[:, neighbors - 1]
    return np.sqrt(np.maximum(nearest, 0))


def normalize_length(features: np.ndarray) -> np.ndarray:
    """Return features (N, D) of length 1; a vector of zeros stays as it is."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(length > 0, length, 1)
