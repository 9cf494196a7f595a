"""P(finding | report label): by counting truth, or by expectation maximization from predictions, without any truth."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, ndtri
from scipy.stats import rankdata

from chexpert.metrics.bootstrap import ENDS, find_ends
from chexpert.metrics.label_mixture import PSEUDO, compute_fitted_auroc, explain_unidentified, fit_mixture, maximize
from chexpert.metrics.resampling import sample_studies
from chexpert.observations import REPORT_LABELS

FEW = 10
"""Studies of a label value below which its probability is not fitted: the interval of 5 of 9 is [.25, .83]."""
BINS, PER_BIN = 50, 20
"""Bins of equal counts by the rank of the score, at most, and studies in each at least."""


class LabelProbability(NamedTuple):
    """P(finding | a label value) with its 95 % interval; NaN where ``why`` says why it was not fitted.

    Attributes:
        value: in (0, 1).
        ci_low: lower end.
        ci_high: upper end.
        n: studies with this label value.
        positives: those of them that show the finding; expected ones where they are not known.
        why: None where it was fitted.
        auroc: of the score for the finding, as fitted; None where truth was counted.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    positives: float
    why: str | None = None
    auroc: float | None = None


def index_labels(labels: ArrayLike) -> np.ndarray:
    """Return the place (N,) int of each label {1, 0, -1, NaN} in ``REPORT_LABELS``.

    >>> index_labels([1, 0, -1, math.nan]).tolist()
    [0, 1, 2, 3]

    Raises:
        ValueError: another label.
    """
    values = np.asarray(labels, "float64")
    known = np.isnan(values) | np.isin(values, (1, 0, -1))
    if not known.all():
        raise ValueError(f"a label is {values[~known][0]:g}, and not 1, 0, -1 or NaN")
    return np.select([values == 1, values == 0, values == -1], [0, 1, 2], 3)


def count_truth(labels: ArrayLike, truth: ArrayLike) -> list[LabelProbability]:
    """Return P(finding | label) for each label value, from studies whose truth is known.

    The value is (k + 1/2) / (n + 1) for k findings among n studies, the mean under Jeffreys' prior, which shrinks it by
    one study towards one half; the interval is Jeffreys' (Brown, Cai & DasGupta 2001, doi.org/10.1214/ss/1009213286).
    Studies count as independent.

    Args:
        labels: (N,) of the report, in {1, 0, -1, NaN}.
        truth: (N,) in {0, 1, NaN}; NaN where it is not known.

    Returns:
        One for each of ``REPORT_LABELS``; not fitted below ``FEW`` studies.

    >>> one = count_truth([1] * 20, [1] * 15 + [0] * 5)[0]
    >>> round(one.value, 4), round(one.ci_low, 4), round(one.ci_high, 4), one.n, one.positives
    (0.7381, 0.5358, 0.8976, 20, 15.0)
    """
    places, shown = index_labels(labels), np.asarray(truth, "float64")
    return [_count(shown[(places == place) & ~np.isnan(shown)]) for place in range(len(REPORT_LABELS))]


def _count(shown: np.ndarray) -> LabelProbability:
    n, k = len(shown), float((shown == 1).sum())
    if n < FEW:
        return _leave_out(n, k)
    a, b = k + PSEUDO, n - k + PSEUDO
    # with no finding, or nothing else, the end is that of the range (Brown et al. 2001)
    low = 0.0 if k == 0 else float(betaincinv(a, b, ENDS[0]))
    high = 1.0 if k == n else float(betaincinv(a, b, ENDS[1]))
    return LabelProbability(a / (a + b), low, high, n, k)


def _leave_out(n: int, positives: float = math.nan, why: str | None = None) -> LabelProbability:
    return LabelProbability(math.nan, math.nan, math.nan, n, positives, why or f"fewer than {FEW} studies")


def bin_scores(scores: ArrayLike, models: ArrayLike | None = None) -> tuple[np.ndarray, int]:
    """Return the bin (N,) of each score by its rank among those of the same model, and the number of bins.

    Ties have their mean rank, so they share a bin.

    >>> bin_scores([0.1, 0.2, 0.3, 0.4] * 10)[0][:4].tolist()
    [0, 0, 1, 1]
    """
    values = np.asarray(scores, "float64")
    groups = np.zeros(len(values), int) if models is None else np.asarray(models)
    bins = max(2, min(BINS, len(values) // PER_BIN))
    shares = np.empty(len(values))
    for group in np.unique(groups):
        own = groups == group
        shares[own] = (rankdata(values[own]) - 0.5) / own.sum()
    return np.minimum((shares * bins).astype(int), bins - 1), bins


def learn_from_scores(
    labels: ArrayLike,
    scores: ArrayLike,
    patients: ArrayLike,
    models: ArrayLike | None = None,
    replicates: int = 200,
    seed: int = 0,
) -> list[LabelProbability]:
    """Return P(finding | label) for each label value, from report labels and out-of-fold scores alone.

    Args:
        labels: (N,) of the report, in {1, 0, -1, NaN}.
        scores: (N,) float, of models that did not see these studies.
        patients: (N,) int from 0 on: the intervals resample whole patients.
        models: (N,), of each score the model; only ranks within a model are used.
        replicates: of the intervals, percentile.
        seed: of the resampling.

    Returns:
        One for each of ``REPORT_LABELS``; none is fitted if the score does not separate the two groups.

    Raises:
        ValueError: a label that is none, or fewer than ``2 * PER_BIN`` studies.
    """
    places, owners = index_labels(labels), np.asarray(patients)
    if len(places) < 2 * PER_BIN:
        raise ValueError(f"{len(places)} studies: {2 * PER_BIN} or more are needed")
    own, bins = bin_scores(scores, models)
    cells = own * len(REPORT_LABELS) + places
    counts = np.bincount(cells, minlength=bins * len(REPORT_LABELS)).reshape(1, bins, -1).astype(float)
    n = counts[0].sum(0).astype(int)
    positions = ndtri((np.arange(bins) + 0.5) / bins)
    best = fit_mixture(counts, positions)
    if why := explain_unidentified(best, counts[0], positions):
        return [_leave_out(int(count), why=why) for count in n]
    sampled = sample_studies(int(owners.max()) + 1, replicates, seed)
    tables = np.stack([np.bincount(cells, sampled[owners, r], counts.size) for r in range(replicates)])
    line, emissions = (np.repeat(part, replicates, axis=0) for part in (best.line, best.emissions))
    again = maximize(tables.reshape(replicates, bins, -1), positions, line, emissions).probabilities
    auroc = compute_fitted_auroc(best, counts[0], positions)
    found = [_describe(best.probabilities[0, place], again[:, place], int(n[place])) for place in range(len(n))]
    return [own._replace(auroc=auroc) for own in found]


def _describe(value: float, replicates: np.ndarray, n: int) -> LabelProbability:
    defined = replicates[np.isfinite(replicates)]
    if n < FEW or not len(defined):
        return _leave_out(n)
    return LabelProbability(float(value), *find_ends(defined), n, float(value) * n)
