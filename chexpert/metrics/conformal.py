"""Class-conditional conformal prediction of one observation: sets of classes whose error rate is chosen.

The p-value of a class is the share of its calibration rows that fit the class no better than the new row does
(Vovk, Gammerman and Shafer 2005, label-conditional or Mondrian; Sadinle, Lei and Wasserman 2019). A set holds the
classes whose p-value is above the error rate. If the calibration rows of a class and a new row of it are exchangeable,
the set misses the class with at most this probability, in each class apart and whatever the model is.
Only the order of the scores counts: a calibration that keeps it changes no set.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chexpert.metrics.rows import check_scores, read_labeled, to_array
from chexpert.observations import HIGHEST_ERROR_RATE

CLASSES = ("absent", "present")
"""By label: 0, 1."""
SETS = ("neither", "absent", "present", "both")
"""By number: 1 for ``absent`` plus 2 for ``present``."""
GRID = 1000
"""Sets are exact at error rates of whole thousandths; at others they are those of the next lower rank that is kept."""

Bounds = dict[str, dict[str, Any]]
"""Plain numbers, to be kept as JSON: of each class ``rows``, its calibration rows, and ``scores``, some of theirs."""


def conformal_p_values(scores: ArrayLike, calibration_scores: ArrayLike, calibration_labels: ArrayLike) -> np.ndarray:
    """Compute the p-values of both classes by the conservative rule, (1 + rows that fit no better) / (1 + rows).

    The nonconformity to ``present`` is 1 - score, to ``absent`` the score; ties count as fitting no better.

    Args:
        scores: (N,) float on any monotone scale.
        calibration_scores: (M,) float on the same scale, of other patients, best of one row a patient.
        calibration_labels: (M,) in {0, 1, NaN}; a row without a label counts for nothing.

    Returns:
        (N, 2) float64 in (0, 1]: of ``absent`` and of ``present``. The p-value of a class without rows is 1.

    Raises:
        ValueError: other rows, a label that is none of these, or a score that is not finite.

    >>> conformal_p_values([0.3], [0.1, 0.2, 0.4, 0.6], [0, 0, 0, 1])
    array([[0.5, 0.5]])
    """
    rows = to_array(scores)
    check_scores(rows)
    own, truth = read_labeled(calibration_scores, calibration_labels)
    absent, present = (np.sort(own[truth == label]) for label in (0, 1))
    fits = len(absent) - np.searchsorted(absent, rows, "left"), np.searchsorted(present, rows, "right")
    return np.column_stack([(count + 1) / (len(part) + 1) for count, part in zip(fits, (absent, present), strict=True)])


def prediction_sets(p_values: ArrayLike, error_rate: float) -> np.ndarray:
    """Return the sets of classes whose p-value is above an error rate.

    Args:
        p_values: (N, 2) of ``absent`` and ``present``, see :func:`conformal_p_values`.
        error_rate: between 0 and .5. A class with fewer than :func:`count_needed` calibration rows is in every set.

    Returns:
        (N,) texts: ``present``, ``absent``, ``both`` or ``neither``.

    Raises:
        ValueError: another error rate.

    >>> prediction_sets([[0.04, 0.8], [0.5, 0.02], [0.3, 0.3]], 0.1).tolist()
    ['present', 'absent', 'both']
    """
    check_error_rate(error_rate)
    return np.array(SETS)[(to_array(p_values) > error_rate) @ (1, 2)]


def check_error_rate(error_rate: float) -> None:
    """Check that an error rate lies between 0 and .5, both excluded.

    Raises:
        ValueError: it does not.
    """
    if not 0 < error_rate < HIGHEST_ERROR_RATE:
        raise ValueError(f"an error rate lies between 0 and {HIGHEST_ERROR_RATE}, and not at {error_rate:g}")


def count_needed(error_rate: float) -> int:
    """Return how many calibration rows of a class are needed for a set that can leave the class out.

    With fewer the lowest p-value is above the error rate, so every set would hold the class.

    >>> count_needed(0.1), count_needed(0.05), count_needed(0.3)
    (9, 19, 3)
    """
    rows = math.ceil(1 / error_rate) - 1
    return rows - (1 / rows <= error_rate)  # 1 / error_rate may be rounded to above a whole number


def fit_bounds(scores: np.ndarray, labels: np.ndarray) -> Bounds:
    """Return the scores that decide the sets at each thousandth of the error rate.

    Args:
        scores: (M,) float.
        labels: (M,) in {0, 1}.

    Returns:
        Of each class ``rows``, and ``scores``: of the worst fitting rows those at the ranks of :func:`list_ranks`.
    """
    absent, present = (np.sort(scores[labels == label]) for label in (0, 1))
    worst_first = dict(zip(CLASSES, (absent[::-1], present), strict=True))
    return {
        name: {"rows": len(own), "scores": own[list_ranks(len(own)) - 1].tolist()} for name, own in worst_first.items()
    }


def list_ranks(rows: int) -> np.ndarray:
    """Return the ranks, from 1 on, of the rows whose scores are kept: at most ``GRID`` / 2 of them.

    >>> list_ranks(9), len(list_ranks(100_000))
    (array([1, 2, 3, 4]), 499)
    """
    found = np.unique(np.arange(1, GRID * HIGHEST_ERROR_RATE).astype("int64") * (rows + 1) // GRID)
    return found[found > 0]


def find_rank(error_rate: float, rows: int) -> int:
    """Return how many of the worst fitting calibration rows of a class a new row must surpass to be of the class.

    >>> find_rank(0.1, 9), find_rank(0.1, 8), find_rank(0.29, 99)
    (1, 0, 29)
    """
    rank = int(error_rate * (rows + 1))  # the product may be rounded to below a whole number, or up to it
    return rank + ((rank + 1) / (rows + 1) <= error_rate) - (rank / (rows + 1) > error_rate)


def choose_sets(scores: np.ndarray, bounds: Bounds, error_rate: float) -> np.ndarray:
    """Return the numbers (N,) int in ``SETS`` of the sets at an error rate; they equal those by p-values.

    Args:
        scores: (N,) float.
        bounds: of :func:`fit_bounds`, with as many rows of each class as :func:`count_needed` asks for.
        error_rate: between 0 and .5.
    """
    lowest = _find_bound(bounds["present"], error_rate, -np.inf)
    highest = _find_bound(bounds["absent"], error_rate, np.inf)
    return (scores <= highest) + 2 * (scores >= lowest)


def _find_bound(own: dict[str, Any], error_rate: float, beyond: float) -> float:
    """Return the score at the next lower rank that is kept; without one, ``beyond``: the class is in every set."""
    place = np.searchsorted(list_ranks(own["rows"]), find_rank(error_rate, own["rows"]), "right")
    return own["scores"][place - 1] if place else beyond


def coverage_band(calibration_rows: int, rows: int, error_rate: float) -> tuple[int, int]:
    """Return the counts between which 95 % of counts of covered rows of a class lie, or a little more.

    The coverage of sets that were fitted once varies with the calibration rows: it is a beta variable, so the count is
    beta-binomial (Angelopoulos and Bates 2023, arxiv.org/abs/2107.07511). A binomial band leaves this out.

    Args:
        calibration_rows: of the class, exchangeable with the new rows, without ties among the scores.
        rows: new ones of the class.
        error_rate: between 0 and .5.

    >>> coverage_band(99, 100, 0.1), coverage_band(100_000, 100, 0.1)
    ((81, 97), (84, 95))
    """
    from scipy.stats import betabinom  # takes a second

    rank = find_rank(error_rate, calibration_rows)
    low, high = betabinom.ppf([0.025, 0.975], rows, calibration_rows + 1 - rank, rank)
    return int(low), int(high)
