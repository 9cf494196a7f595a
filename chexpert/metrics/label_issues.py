"""Which labels of an observation are most likely wrong, from the probabilities of models that did not learn from them.

Confident learning: Northcutt et al. 2021 (arxiv.org/abs/1911.00068); the adjusted score: Northcutt et al. 2021 and
Kuan & Mueller 2022 (arxiv.org/abs/2207.03061). With two classes self-confidence, normalized margin and the loss
-log(self-confidence) put the labels in one order, so one of the three stands for all.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

METHODS = ("self_confidence", "adjusted")
"""``self_confidence``: the probability of the given label. ``adjusted``: less the mean of its class, see
:func:`compute_thresholds`."""
NEAR = 1e-6
"""A probability so little below a threshold reaches it, as in cleanlab: it is a mean of such probabilities."""


class LabelErrors(NamedTuple):
    """The errors that confident learning expects among the labels of an observation."""

    share_wrong_negatives: float
    """Of the labels 0, the share whose truth is 1; NaN without such labels."""
    share_wrong_positives: float
    """Of the labels 1, the share whose truth is 0."""


def compute_thresholds(labels: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Return the mean self-confidence of each class, (2,): of the labels 0 and of the labels 1.

    A probability of a class above its threshold is confident, however rare the class is and however a model that
    learned from few positives is shifted.

    Args:
        labels: (N,) in {0, 1}.
        probabilities: (N,) of 1, in [0, 1].

    Returns:
        The thresholds; that of a class without a label is 1, which nothing reaches but certainty.

    >>> compute_thresholds([0, 0, 1, 1], [0.1, 0.3, 0.6, 1.0]).tolist()
    [0.8, 0.8]
    """
    given, both = _read(labels, probabilities)
    return np.array([both[given == k, k].mean() if (given == k).any() else 1.0 for k in (0, 1)])


def score_labels(labels: ArrayLike, probabilities: ArrayLike, method: str = METHODS[0]) -> np.ndarray:
    """Return how well each label agrees with its probability: the lowest are the most likely wrong.

    Args:
        labels: (N,) in {0, 1}.
        probabilities: (N,) of 1, in [0, 1], by models that did not learn from these labels.
        method: one of ``METHODS``.

    Returns:
        (N,) in [0, 1].

    Raises:
        ValueError: lengths differ, a label or probability is none, or the method is unknown.

    >>> score_labels([0, 1], [0.9, 0.8]).round(2).tolist()
    [0.1, 0.8]
    """
    given, both = _read(labels, probabilities)
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}: one of {', '.join(METHODS)}")
    if method == "adjusted":
        both = adjust_probabilities(probabilities, compute_thresholds(labels, probabilities))
    return both[np.arange(len(given)), given]


def adjust_probabilities(probabilities: ArrayLike, thresholds: np.ndarray) -> np.ndarray:
    """Return the probabilities of both classes less their thresholds, (N, 2), shifted and scaled into [0, 1].

    Args:
        probabilities: (N,) of 1, in [0, 1].
        thresholds: (2,) as :func:`compute_thresholds` gives them.
    """
    positive = np.asarray(probabilities, float)
    shifted = np.column_stack([1 - positive, positive]) - thresholds + thresholds.max()
    return shifted / shifted.sum(axis=1, keepdims=True)


def suggest_labels(probabilities: ArrayLike, thresholds: np.ndarray) -> np.ndarray:
    """Return the class of which each probability is confident: 0, 1, or -1 where it is confident of neither.

    Args:
        probabilities: (N,) of 1, in [0, 1].
        thresholds: (2,) as :func:`compute_thresholds` gives them.

    Returns:
        (N,) int; of two classes that both are confident the more probable one.

    >>> suggest_labels([0.1, 0.5, 0.9], np.array([0.8, 0.7])).tolist()
    [0, -1, 1]
    """
    positive = np.asarray(probabilities, float)
    both = np.column_stack([1 - positive, positive])
    confident = both >= thresholds - NEAR
    best = np.where(confident.all(axis=1), both.argmax(axis=1), confident.argmax(axis=1))
    return np.where(confident.any(axis=1), best, -1)


def flag_issues(labels: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Return the labels (N,) bool that confident learning takes for wrong: those confident of the other class."""
    given, _ = _read(labels, probabilities)
    suggested = suggest_labels(probabilities, compute_thresholds(labels, probabilities))
    return (suggested >= 0) & (suggested != given)


def estimate_errors(labels: ArrayLike, probabilities: ArrayLike) -> LabelErrors:
    """Estimate the share of wrong labels of each class by the confident joint.

    Args:
        labels: (N,) in {0, 1}.
        probabilities: (N,) of 1, in [0, 1], by models that did not learn from these labels.

    >>> estimate_errors([0, 0, 1, 1], [0.1, 0.9, 0.9, 0.9])
    LabelErrors(share_wrong_negatives=0.5, share_wrong_positives=0.0)
    """
    given, _ = _read(labels, probabilities)
    suggested = suggest_labels(probabilities, compute_thresholds(labels, probabilities))
    joint = np.array([[((given == k) & (suggested == j)).sum() for j in (0, 1)] for k in (0, 1)], float)
    shares = [joint[k, 1 - k] / joint[k].sum() if joint[k].sum() else np.nan for k in (0, 1)]
    return LabelErrors(*map(float, shares))


def _read(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) int, and probabilities (N, 2) of both classes."""
    given, positive = np.asarray(labels, float), np.asarray(probabilities, float)
    if given.ndim != 1 or given.shape != positive.shape:
        raise ValueError(f"labels {given.shape} and probabilities {positive.shape} are not both (N,)")
    if not np.isin(given, (0, 1)).all():
        raise ValueError("a label is neither 0 nor 1")
    if not ((positive >= 0) & (positive <= 1)).all():
        raise ValueError("a probability is outside [0, 1]")
    return given.astype(int), np.column_stack([1 - positive, positive])
