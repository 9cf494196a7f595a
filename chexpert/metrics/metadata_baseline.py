"""What a few numbers of each image reach without a look at the image: a baseline for a model's AUROC."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chexpert.metrics.auroc_intervals import RankedScores


def predict_baseline(features: np.ndarray, labels: np.ndarray, evaluated: np.ndarray) -> np.ndarray | None:
    """Predict by logistic regression on standardized features, scikit-learn's own penalty.

    Args:
        features: (N, F) float of the training images.
        labels: (N,) in {0, 1}.
        evaluated: (M, F) of the images to predict.

    Returns:
        (M,) probabilities; None where the training images lack a class.
    """
    if len(np.unique(labels)) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(features, labels).predict_proba(evaluated)[:, 1]


def compare_baselines(
    learned: Mapping[str, np.ndarray], labels: np.ndarray, evaluated: Mapping[str, np.ndarray], truth: np.ndarray,
    scores: np.ndarray, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Compute the AUROC of a model beside that of each set of features, on the same rows.

    The sets together are ``both``.

    Args:
        learned: (N, F) by name of the set, of the training images.
        labels: (N,) in {1, 0, NaN}; NaN is left out.
        evaluated: (M, F) likewise, of the images to evaluate.
        truth: (M,) in {1, 0, NaN}; NaN is left out.
        scores: (M,) of the model.
        seed: of the intervals.

    Returns:
        ``model`` and each set as an interval, None for a set that could not be learned; ``above``, by set: the model's
        AUROC less the set's; ``reached``, the sets that the model is not above: the difference's interval holds 0.
    """
    kinds = [*learned, "both"]
    learned, evaluated = ({**sets, "both": np.hstack(list(sets.values()))} for sets in (learned, evaluated))
    known, marked = np.isfinite(labels), np.isfinite(truth)
    predicted = {kind: predict_baseline(learned[kind][known], labels[known], evaluated[kind][marked]) for kind in kinds}
    fits = {kind: own for kind, own in predicted.items() if own is not None}
    fitted = list(fits)
    ranked = RankedScores(np.stack([scores[marked], *fits.values()]), truth[marked], seed=seed)
    above = {kind: ranked.difference(0, place) for place, kind in enumerate(fitted, start=1)}
    return {
        "model": ranked.auroc(0)._asdict(),
        **{kind: ranked.auroc(1 + fitted.index(kind))._asdict() if kind in fitted else None for kind in kinds},
        "above": {kind: interval._asdict() for kind, interval in above.items()},
        "reached": [kind for kind, interval in above.items() if interval.ci_low <= 0],
    }
