"""AUROC per observation and its mean, where undefined is NaN with its counts and never 0."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike
from scipy.stats import rankdata

from chexpert.metrics.rows import read_labeled, read_rows


class Auroc(NamedTuple):
    """Area under the ROC curve of one observation; NaN where a class is absent."""

    value: float
    positives: int
    negatives: int


def auroc(scores: ArrayLike, labels: ArrayLike) -> Auroc:
    """Compute AUROC by ranks (Mann and Whitney 1947): the share of pairs in order, ties at half weight.

    Args:
        scores: (N,) float on any monotone scale.
        labels: (N,) in {0, 1, NaN}; a row without a label counts for nothing.

    Returns:
        The AUROC in [0, 1] with the counts of positives and negatives; the value is NaN where a class is absent.

    Raises:
        ValueError: the rows differ (pandas tables are joined by their index), a label is none of these, or a score is
            not finite.

    >>> auroc([.1, .4, .35, .8], [0, 0, 1, 1])
    Auroc(value=0.75, positives=2, negatives=2)
    """
    rows, truth = read_labeled(scores, labels)
    positive = truth == 1
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return Auroc(math.nan, positives, negatives)
    won = rankdata(rows)[positive].sum() - positives * (positives + 1) / 2
    return Auroc(float(won / (positives * negatives)), positives, negatives)


def multilabel_auroc(scores: ArrayLike, labels: ArrayLike, mask: ArrayLike) -> list[Auroc]:
    """Compute AUROC per observation, each over its own labeled rows.

    Args:
        scores: (N, C) float.
        labels: (N, C) in {0, 1}.
        mask: (N, C) bool, False where there is no label.

    Returns:
        C AUROCs, see :func:`auroc`, in the order of the columns.

    Raises:
        ValueError: as of :func:`auroc`; pandas tables are joined by index and columns.
    """
    (rows,), truth, _ = read_rows([scores], labels, mask=mask, dimensions=(2,))
    return [auroc(own, known) for own, known in zip(rows.T, truth.T, strict=True)]


def auroc_mean(aurocs: Mapping[str, Auroc], over: Sequence[str]) -> tuple[float, list[str]]:
    """Compute the mean AUROC over those of the listed observations for which it is defined.

    Args:
        aurocs: AUROC by observation.
        over: names of the observations to average, all of them in ``aurocs``.

    Returns:
        The mean, NaN if no AUROC is defined; and the names of the averaged observations, in the order of ``over``.

    >>> auroc_mean({"Edema": Auroc(.9, 3, 4), "Fracture": Auroc(math.nan, 0, 7)}, ["Edema", "Fracture"])
    (0.9, ['Edema'])
    """
    used = [name for name in over if not math.isnan(aurocs[name].value)]
    return (sum(aurocs[name].value for name in used) / len(used) if used else math.nan), used
