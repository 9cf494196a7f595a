"""What a few numbers of each film reach without a look at the film: a yardstick for a model's AUROC."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chexpert.metrics.auroc_intervals import RankedScores


def predict_baseline(features: np.ndarray, labels: np.ndarray, judged: np.ndarray) -> np.ndarray | None:
    """Logistic regression on standardised features, scikit-learn's own penalty.

    Args:
        features: (N, F) float of the training films.
        labels: (N,) in {0, 1}.
        judged: (M, F) of other films.

    Returns:
        (M,) probabilities; None where the training films lack a class.
    """
    if len(np.unique(labels)) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(features, labels).predict_proba(judged)[:, 1]


def compare_baselines(
    learned: Mapping[str, np.ndarray], labels: np.ndarray, judged: Mapping[str, np.ndarray], truth: np.ndarray,
    scores: np.ndarray, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """AUROC of a model beside that of each set of features, on the same rows; the sets together are ``both``.

    Args:
        learned: (N, F) by name of the set, of the training films.
        labels: (N,) in {1, 0, NaN}; NaN is left out.
        judged: (M, F) likewise, of the films to judge.
        truth: (M,) in {1, 0, NaN}; NaN is left out.
        scores: (M,) of the model.
        seed: of the intervals.

    Returns:
        ``model`` and each set as an interval, None for a set that could not be learned; ``above``, by set: the model's
        AUROC less the set's; ``reached``, the sets that the model is not above: the difference's interval holds 0.
    """
    kinds = [*learned, "both"]
    learned, judged = ({**sets, "both": np.hstack(list(sets.values()))} for sets in (learned, judged))
    known, told = np.isfinite(labels), np.isfinite(truth)
    predicted = {kind: predict_baseline(learned[kind][known], labels[known], judged[kind][told]) for kind in kinds}
    fits = {kind: own for kind, own in predicted.items() if own is not None}
    fitted = list(fits)
    ranked = RankedScores(np.stack([scores[told], *fits.values()]), truth[told], seed=seed)
    above = {kind: ranked.difference(0, place) for place, kind in enumerate(fitted, start=1)}
    return {
        "model": ranked.auroc(0)._asdict(),
        **{kind: ranked.auroc(1 + fitted.index(kind))._asdict() if kind in fitted else None for kind in kinds},
        "above": {kind: interval._asdict() for kind, interval in above.items()},
        "reached": [kind for kind, interval in above.items() if interval.ci_low <= 0],
    }
