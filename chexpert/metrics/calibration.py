"""From scores to probabilities that mean what they say: temperature, Platt's sigmoid, isotonic regression."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.sparse import coo_array
from scipy.special import expit

from chexpert.metrics.resampling import Sums, divide, weigh
from chexpert.metrics.rows import check_scores, read_labeled, to_array

Parameters = dict[str, Any]
"""Plain numbers, to be kept as JSON."""

LEAST = 1e-7
"""Nearest that a probability comes to 0 and 1, about where float32 has no further number below 1."""
BINS = 15
"""Of a reliability diagram and its error, as in Guo et al. 2017."""
FLATTEST = 1e-3
"""Least slope: a calibration may not turn the order of the scores around, however bad they are."""
STEEPEST = 1e3


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> Parameters:
    """Fit one slope on the logit (Guo et al. 2017, arxiv.org/abs/1706.04599; their temperature is one over it)."""
    slope, _ = _fit_sigmoid(to_logits(scores), labels, shift=False)
    return {"slope": slope, "intercept": 0.0}


def fit_platt(scores: np.ndarray, labels: np.ndarray) -> Parameters:
    """Fit slope and intercept on the logit (Platt 1999), with his softened targets, which keep both finite."""
    slope, intercept = _fit_sigmoid(to_logits(scores), labels, shift=True)
    return {"slope": slope, "intercept": intercept}


def fit_isotonic(scores: np.ndarray, labels: np.ndarray) -> Parameters:
    """Fit the best steps that never fall (Zadrozny and Elkan 2002), linear between their ends.

    Different scores may become ties.
    """
    from sklearn.isotonic import IsotonicRegression  # takes a second

    fitted = IsotonicRegression(y_min=0, y_max=1).fit(scores, labels)
    return {"scores": fitted.X_thresholds_.tolist(), "probabilities": fitted.y_thresholds_.tolist()}


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], Parameters]] = {
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}
"""By name: of scores (N,) in [0, 1] and labels (N,) in {0, 1}, of which both are there."""


def fit_calibration(scores: ArrayLike, labels: ArrayLike, method: str = "platt") -> Parameters:
    """Fit how scores become probabilities, on rows that are not evaluated.

    Args:
        scores: (N,) float in [0, 1].
        labels: (N,) in {0, 1, NaN}; a row without a label counts for nothing.
        method: ``platt``, ``temperature`` or ``isotonic``.

    Returns:
        Plain numbers for :func:`calibrate`.

    Raises:
        ValueError: an unknown method, other rows (pandas tables are joined by their index), a label that is none of
            these, a score outside [0, 1], or a class that is absent.
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    rows, truth = read_labeled(scores, labels, probabilities=True)
    if not 0 < (truth == 1).sum() < len(truth):
        raise ValueError("calibration needs rows of both classes")
    return METHODS[method](rows, truth)


def calibrate(scores: ArrayLike, parameters: Parameters) -> np.ndarray:
    """Return calibrated probabilities.

    Args:
        scores: float in [0, 1], of any shape.
        parameters: of :func:`fit_calibration`.

    Returns:
        Probabilities in [0, 1], in the shape of the scores.

    Raises:
        ValueError: a score outside [0, 1].

    >>> calibrate([0.5, 0.8], {"slope": 0.0, "intercept": 0.0})
    array([0.5, 0.5])
    """
    rows = to_array(scores)
    check_scores(rows, probabilities=True)
    if "slope" in parameters:
        return expit(parameters["slope"] * to_logits(rows) + parameters["intercept"])
    return np.interp(rows, parameters["scores"], parameters["probabilities"])


def to_logits(scores: np.ndarray) -> np.ndarray:
    """Return log odds, finite also for 0 and 1."""
    inside = np.clip(scores, LEAST, 1 - LEAST)
    return np.log(inside) - np.log1p(-inside)


def expected_calibration_error(scores: ArrayLike, labels: ArrayLike) -> float:
    """Compute the expected calibration error over ``BINS`` bins of equal width (Guo et al. 2017).

    It is the mean distance between score and share of positives, each bin weighted by its rows. It is never negative,
    so chance alone makes it larger than 0.

    Args:
        scores: (N,) float in [0, 1].
        labels: (N,) in {0, 1, NaN}; a row without a label counts for nothing.

    Returns:
        The error in [0, 1]; NaN without a row.

    Raises:
        ValueError: as of :func:`fit_calibration`.

    >>> round(expected_calibration_error([.1, .1, .9], [0, 1, 1]), 4)
    0.3
    """
    rows, truth = read_labeled(scores, labels, probabilities=True)
    return calibration_error_sums(rows, truth).value()


def weighted_calibration_errors(scores: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute the expected calibration error of each replicate, (R,) float64; chance makes it larger than that of all.

    Args:
        scores: (N,) in [0, 1].
        labels: (N,) in {0, 1}.
        counts: (R, N), how often each row was sampled.
    """
    return weigh(calibration_error_sums(scores, labels), counts)


def calibration_error_sums(scores: np.ndarray, labels: np.ndarray) -> Sums:
    """Return the sums of the expected calibration error: of each bin the gaps of its rows, and the count of all rows.

    Args:
        scores: (n,) in [0, 1].
        labels: (n,) in {0, 1}.
    """
    rows = np.arange(len(scores))
    weights, sums = np.r_[scores - labels, np.ones(len(rows))], np.r_[find_bins(scores), np.full(len(rows), BINS)]
    placed = coo_array((weights, (sums, np.r_[rows, rows])), (BINS + 1, len(rows)))
    return Sums(placed, lambda sums: divide(np.abs(sums[:-1]).sum(0), sums[-1]))


def find_bins(scores: np.ndarray) -> np.ndarray:
    """Return the bin (N,) int of each score in [0, 1]; a score of 1 lies in the last."""
    return np.minimum((scores * BINS).astype(int), BINS - 1)


def _fit_sigmoid(logits: np.ndarray, labels: np.ndarray, *, shift: bool) -> tuple[float, float]:
    """Slope and intercept of the least cross-entropy; the error is convex."""
    positives = labels.sum()
    negatives = len(labels) - positives
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2)) if shift else labels

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        fits = weights[0] * logits + weights[1]
        error = expit(fits) - targets
        return float((np.logaddexp(0, fits) - targets * fits).mean()), np.array([(error * logits).mean(), error.mean()])

    bounds = [(FLATTEST, STEEPEST), (None, None) if shift else (0.0, 0.0)]
    slope, intercept = minimize(loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12).x
    if not math.isfinite(slope + intercept):
        raise ValueError("the calibration did not converge")
    return float(slope), float(intercept)
