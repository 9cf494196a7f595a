"""LIME's local linear model: which superpixels a perturbed image shows, and the weights that fit the outputs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chexpert.metrics import spearman

RIDGE = 1.0  # penalty on the squared weights, as in the lime package

LEAST = 320  # samples before the first check: of fewer, two halves can agree by chance
STEP = 160  # samples between two checks: ten passes of 16 images, and whole pairs in both halves


@dataclass(frozen=True)
class LocalModel:
    """The local linear model of one output.

    Attributes:
        weights: (S,) of the superpixels.
        r2: over the weighted samples; NaN for an output that never changed.
        stability: Spearman correlation of the weights of the two halves; NaN if those of a half are equal.
        samples: number of samples in the fit.
    """

    weights: np.ndarray
    r2: float
    stability: float
    samples: int


class LocalFit:
    """Fits a local model to each output while the samples come in, and stops where the weights have converged.

    Each output has the samples that it needs by itself, so that its weights do not depend on the outputs beside it,
    and not on the number of images in a forward pass.

    Args:
        shown: (samples, S) bool; the first half of the rows has one seed, the second another one.
        kernel_width: see :func:`weigh`.
        converged: stability at which an output needs no further samples; None: all samples are used.
    """

    def __init__(self, shown: np.ndarray, kernel_width: float, converged: float | None = None) -> None:
        self.shown, self.kernel_width, self.converged = shown, kernel_width, converged
        samples = len(shown)
        self.order = np.arange(samples) if converged is None else interleave(samples)
        """Rows of ``shown`` in the order in which they are to be run: a prefix has as many of each half."""
        self.models: dict[int, LocalModel] = {}
        """By the column of the output, as soon as it has converged or all samples are there."""
        self._counts = iter([samples] if converged is None else [*range(LEAST, samples, STEP), samples])
        self._next = next(self._counts)

    def __call__(self, values: np.ndarray) -> bool:
        """Check the values (n, C) of the first n samples in ``order``; True if no further sample is needed."""
        while len(values) >= self._next and len(self.models) < values.shape[1]:
            self._check(values[: self._next])
            self._next = next(self._counts, len(self.shown) + 1)
        return len(self.models) == values.shape[1]

    def _check(self, values: np.ndarray) -> None:
        columns = [column for column in range(values.shape[1]) if column not in self.models]
        models = fit_halves(self.shown, self.order[: len(values)], values[:, columns], self.kernel_width)
        last = len(values) == len(self.shown)
        for column, model in zip(columns, models, strict=True):
            if last or model.stability >= (self.converged or np.inf):
                self.models[column] = model


def fit_halves(shown: np.ndarray, rows: np.ndarray, values: np.ndarray, kernel_width: float) -> Iterator[LocalModel]:
    """Fit the samples ``rows`` of ``shown``, with values (n, C), and each half of them: a model for each output."""
    place = np.argsort(rows)  # one half after the other, in whatever order they were run
    x, y = shown[rows[place]], values[place]
    middle = len(x) - len(x) // 2
    weights, r2 = fit(x, y, kernel_width)
    halves = [fit(x[part], y[part], kernel_width)[0] for part in (slice(middle), slice(middle, None))]
    for c in range(values.shape[1]):
        stability = spearman(*(half[:, c] for half in halves))
        yield LocalModel(weights[:, c], float(r2[c]), stability, len(x))


def sample_superpixels(samples: int, superpixels: int, seed: int, pairs: bool = False) -> np.ndarray:
    """Sample the superpixels, (samples, S) bool, that a perturbed image shows, each with probability 1/2.

    The first shows all. The two halves of the samples have two seeds, so that a fit to one half can be compared with a
    fit to the other. A larger number of samples begins each half with the same rows.

    Args:
        samples: number of rows.
        superpixels: S.
        seed: of the sample.
        pairs: every second row of a half shows what the row before it hides. Whatever a hidden superpixel and its
            complement change alike (all interactions of two superpixels) then cancels out of the weights.
    """
    first, second = (np.random.default_rng([seed, half]) for half in (0, 1))
    middle = samples - samples // 2
    shown = [rng.random((n, superpixels)) < 0.5 for rng, n in ((first, middle), (second, samples - middle))]
    shown[0][0] = True
    for half in shown if pairs else ():
        half[1::2] = ~half[: len(half) - len(half) % 2 : 2]
    return np.concatenate(shown)


def interleave(samples: int) -> np.ndarray:
    """Return the rows of two halves by turns: a prefix of an even length has as many of each.

    >>> interleave(5)
    array([0, 3, 1, 4, 2])
    """
    middle = samples - samples // 2
    return np.array([row // 2 + row % 2 * middle for row in range(samples)])


def weigh(shown: np.ndarray, kernel_width: float) -> np.ndarray:
    """Return the weight of each sample, (samples,): the package's kernel on the cosine distance to showing all."""
    distance = 1 - np.sqrt(shown.mean(1, dtype="float64"))
    return np.sqrt(np.exp(-(distance**2) / kernel_width**2))


def fit(shown: np.ndarray, values: np.ndarray, kernel_width: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit weights of superpixels for each observation and R2 of each local model, as the lime package, solved once.

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
