"""The local linear model that LIME fits: ridge regression, weighted by nearness to the film itself."""

import numpy as np

RIDGE = 1.0  # penalty on the squared weights, as in the lime package


def draw(samples: int, superpixels: int, seed: int) -> np.ndarray:
    """(samples, S) bool: which of S superpixels a perturbed film shows, each with probability 1/2.

    The first shows all. The two halves of the samples are drawn by two seeds, so that what is fitted to the one can
    be compared with what is fitted to the other.
    """
    first, second = (np.random.default_rng([seed, half]) for half in (0, 1))
    middle = samples - samples // 2
    shown = [rng.random((n, superpixels)) < 0.5 for rng, n in ((first, middle), (second, samples - middle))]
    shown[0][0] = True
    return np.concatenate(shown)


def weigh(shown: np.ndarray, kernel_width: float) -> np.ndarray:
    """(samples,) weight of each sample: the package's exponential kernel on the cosine distance to showing all."""
    distance = 1 - np.sqrt(shown.mean(1, dtype="float64"))
    return np.sqrt(np.exp(-(distance**2) / kernel_width**2))


def fit(shown: np.ndarray, values: np.ndarray, kernel_width: float) -> tuple[np.ndarray, np.ndarray]:
    """Weight of each superpixel for each observation, and R2 of each local model; the lime package's, solved once.

    Args:
        shown: (samples, S) of 0 and 1.
        values: (samples, C), what the model says of each sample.
        kernel_width: see :func:`weigh`.

    Returns:
        (S, C) weights and (C,) R2 over the weighted samples; NaN for an observation that never changed.
    """
    near = weigh(shown, kernel_width)[:, None]
    x, y = shown.astype("float64"), values.astype("float64")
    x, y = x - (near * x).sum(0) / near.sum(), y - (near * y).sum(0) / near.sum()
    weights = np.linalg.solve(x.T @ (near * x) + RIDGE * np.eye(x.shape[1]), x.T @ (near * y))
    total, left = (near * y**2).sum(0), (near * (y - x @ weights) ** 2).sum(0)
    return weights, 1 - np.divide(left, total, out=np.full_like(total, np.nan), where=total > 0)
