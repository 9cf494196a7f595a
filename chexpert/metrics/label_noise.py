"""P(finding | report label): by counting truth, or by expectation maximization from predictions, without any truth.

The model of the second: a study shows the finding (Z = 1) or not. Its report label L in {1, 0, -1, blank} is sampled
from P(L | Z), and the classifier's score is another, independent source: given Z, the score says nothing more about L.
Of the score only its rank counts; the log-odds of the finding are linear in the rank's normal score, as they nearly
are where the scores of both groups are normal after some monotone transformation (the binormal ROC curve). So no
calibration is assumed of the predictions, which were trained on the labels. Without this line the two sources would not
identify the probabilities. Sources: Dawid & Skene 1979, doi.org/10.2307/2346806; Raykar et al. 2010,
jmlr.org/papers/v11/raykar10a.html.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, expit, logit, ndtri
from scipy.stats import rankdata

from chexpert.metrics.bootstrap import ENDS, find_ends
from chexpert.metrics.resampling import sample_studies
from chexpert.observations import REPORT_LABELS

FEW = 10
"""Studies of a label value below which its probability is not fitted: the interval of 5 of 9 is [.26, .81]."""
LEAST_AUROC = 0.7
"""AUROC of the score for the finding, as fitted, below which the labels alone decide, and nothing is identified."""
PSEUDO = 0.5
"""Studies that each label value has beforehand in each group, and each count of a finding: Jeffreys' prior."""
BINS, PER_BIN = 50, 20
"""Bins of equal counts by the rank of the score, at most, and studies in each at least."""
STARTS = [(share, slope) for share in (0.5, 1.0, 2.0) for slope in (1.0, 3.0)]
"""Prevalences, as multiples of the share of label 1, and slopes, from which the maximization starts."""
STEPS, TOLERANCE = 3000, 1e-7


class LabelProbability(NamedTuple):
    """P(finding | a label value) with its 95 % interval; NaN where ``why`` says why it was not fitted.

    Attributes:
        value: in (0, 1).
        ci_low: lower end.
        ci_high: upper end.
        n: studies with this label value.
        positives: those of them that show the finding; expected ones where they are not known.
        why: None where it was fitted.
    """

    value: float
    ci_low: float
    ci_high: float
    n: int
    positives: float
    why: str | None = None


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


class Mixture(NamedTuple):
    """R fits of the model of a score and a label.

    Attributes:
        probabilities: (R, 4), P(finding | label value) in the order of ``REPORT_LABELS``.
        emissions: (R, 2, 4), P(label value | finding), then without it.
        line: (R, 2), intercept and slope of the log-odds of the finding in the normal score.
        likelihood: (R,) log-likelihood with the pseudo-counts.
        steps: number of iterations.
    """

    probabilities: np.ndarray
    emissions: np.ndarray
    line: np.ndarray
    likelihood: np.ndarray
    steps: int


def maximize(
    counts: np.ndarray, positions: np.ndarray, line: np.ndarray, emissions: np.ndarray | None = None, steps: int = STEPS
) -> Mixture:
    """Fit P(label | finding) and the line of the log-odds by expectation maximization, for R tables at once.

    Args:
        counts: (R, B, 4), studies in each of B bins with each label value.
        positions: (B,), normal score of each bin.
        line: (R, 2), intercept and slope to begin with.
        emissions: (R, 2, 4) to begin with; by default those that follow from the line.
        steps: iterations at most.

    Returns:
        The fits. With counts of 0 in a column its probability is NaN.
    """
    design = np.stack([np.ones_like(positions), positions], axis=1)
    sizes = counts.sum(2)
    if emissions is None:
        shares = expit(line @ design.T)
        emissions = _emit(np.einsum("rb,rbl->rl", shares, counts), np.einsum("rb,rbl->rl", 1 - shares, counts))
    before, taken = np.full(counts[:, 0].shape, np.inf), 0
    for taken in range(1, steps + 1):  # noqa: B007
        responsibilities, _ = _expect(line, design, emissions)
        found = counts * responsibilities
        emissions = _emit(found.sum(1), (counts - found).sum(1))
        line = _climb(line, design, found.sum(2), sizes)
        with np.errstate(invalid="ignore"):
            now = found.sum(1) / counts.sum(1)
        if np.nanmax(np.abs(now - before)) < TOLERANCE:
            break
        before = now
    responsibilities, mixed = _expect(line, design, emissions)
    with np.errstate(invalid="ignore"):
        probabilities = (counts * responsibilities).sum(1) / counts.sum(1)
    likelihood = (counts * np.log(mixed)).sum((1, 2)) + PSEUDO * np.log(emissions).sum((1, 2))
    return Mixture(probabilities, emissions, line, likelihood, taken)


def _expect(line: np.ndarray, design: np.ndarray, emissions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(finding | bin, label) and P(label | bin), (R, B, 4) each."""
    shares = expit(line @ design.T)[:, :, None]
    joint = shares * emissions[:, None, 0]
    mixed = joint + (1 - shares) * emissions[:, None, 1]
    return joint / mixed, mixed


def _emit(found: np.ndarray, others: np.ndarray) -> np.ndarray:
    """P(label | finding) and without it, (R, 2, 4), from expected counts (R, 4) each."""
    both = np.stack([found, others], axis=1) + PSEUDO
    return both / both.sum(2, keepdims=True)


def _climb(line: np.ndarray, design: np.ndarray, found: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """One Newton step of the logistic regression of the expected findings (R, B) on the normal score."""
    fitted = expit(line @ design.T)
    gradient = (found - sizes * fitted) @ design
    curvature = np.einsum("rb,bi,bj->rij", sizes * fitted * (1 - fitted) + 1e-9, design, design)
    return line + np.clip(np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0], -1, 1)


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
    begin = [np.repeat(part, replicates, axis=0) for part in (best.line, best.emissions)]
    again = maximize(tables.reshape(replicates, bins, -1), positions, *begin).probabilities
    return [_describe(best.probabilities[0, place], again[:, place], int(n[place])) for place in range(len(n))]


def _describe(value: float, replicates: np.ndarray, n: int) -> LabelProbability:
    defined = replicates[np.isfinite(replicates)]
    if n < FEW or not len(defined):
        return _leave_out(n)
    return LabelProbability(float(value), *find_ends(defined), n, float(value) * n)


def fit_mixture(counts: np.ndarray, positions: np.ndarray) -> Mixture:
    """Return the most likely of the fits from ``STARTS``, with R = 1, of counts (1, B, 4)."""
    share = float(np.clip(counts[0, :, 0].sum() / counts.sum(), 0.02, 0.45))
    lines = np.array([(logit(share * times), slope) for times, slope in STARTS])
    fits = maximize(np.repeat(counts, len(lines), axis=0), positions, lines)
    best = int(fits.likelihood.argmax())
    return Mixture(*(part[best : best + 1] for part in fits[:4]), fits.steps)


def explain_unidentified(fit: Mixture, counts: np.ndarray, positions: np.ndarray) -> str | None:
    """Return why a fit says nothing of the finding; None where it does."""
    sizes, shares = counts.sum(1), expit(fit.line[0, 0] + fit.line[0, 1] * positions)
    positive, negative = sizes * shares, sizes * (1 - shares)
    below = np.cumsum(negative) - negative / 2  # the studies of a bin are ties
    auroc = float((positive * below).sum() / (positive.sum() * negative.sum()))
    if auroc < LEAST_AUROC:
        return f"the predictions hardly separate studies: AUROC {auroc:.2f} for the finding as fitted"
    if fit.emissions[0, 0, 0] <= fit.emissions[0, 1, 0]:
        return "label 1 is not more frequent with the finding than without it"
    return None
