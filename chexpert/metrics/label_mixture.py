"""A mixture of studies with and without a finding, seen by a score and a report label: expectation maximization.

A study shows the finding (Z = 1) or not. Its report label L in {1, 0, -1, blank} is sampled from P(L | Z), and the
classifier's score is another, independent source: given Z, the score says nothing more about L. Of the score only its
rank counts; the log-odds of the finding are linear in the rank's normal score, as they nearly are where the scores of
both groups are normal after some monotone transformation (the binormal ROC curve). So no calibration is assumed of the
predictions, which were trained on the labels. Without this line the two sources would not identify the probabilities.
Sources: Dawid & Skene 1979, doi.org/10.2307/2346806; Raykar et al. 2010, jmlr.org/papers/v11/raykar10a.html.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

LEAST_AUROC = 0.7
"""AUROC of the score for the finding, as fitted, below which the labels alone decide, and nothing is identified."""
PSEUDO = 0.5
"""Studies that each label value has beforehand in each group, and each count of a finding: Jeffreys' prior."""
STARTS = [(share, slope) for share in (0.5, 1.0, 2.0) for slope in (1.0, 3.0)]
"""Prevalences, as multiples of the share of label 1, and slopes, from which the maximization starts."""
STEPS, TOLERANCE = 3000, 1e-7


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


def fit_mixture(counts: np.ndarray, positions: np.ndarray) -> Mixture:
    """Return the most likely of the fits from ``STARTS``, with R = 1, of counts (1, B, 4)."""
    share = float(np.clip(counts[0, :, 0].sum() / counts.sum(), 0.02, 0.45))
    lines = np.array([(logit(share * times), slope) for times, slope in STARTS])
    fits = maximize(np.repeat(counts, len(lines), axis=0), positions, lines)
    best = int(fits.likelihood.argmax())
    one = slice(best, best + 1)
    return Mixture(fits.probabilities[one], fits.emissions[one], fits.line[one], fits.likelihood[one], fits.steps)


def compute_fitted_auroc(fit: Mixture, counts: np.ndarray, positions: np.ndarray) -> float:
    """Return the AUROC of the score for the finding, as fitted, of counts (B, 4)."""
    sizes, shares = counts.sum(1), expit(fit.line[0, 0] + fit.line[0, 1] * positions)
    positive, negative = sizes * shares, sizes * (1 - shares)
    below = np.cumsum(negative) - negative / 2  # the studies of a bin are ties
    return float((positive * below).sum() / (positive.sum() * negative.sum()))


def explain_unidentified(fit: Mixture, counts: np.ndarray, positions: np.ndarray) -> str | None:
    """Return why a fit says nothing of the finding; None where it does."""
    auroc = compute_fitted_auroc(fit, counts, positions)
    if auroc < LEAST_AUROC:
        return f"the predictions hardly separate studies: AUROC {auroc:.2f} for the finding as fitted"
    if fit.emissions[0, 0, 0] <= fit.emissions[0, 1, 0]:
        return "label 1 is not more frequent with the finding than without it"
    return None
