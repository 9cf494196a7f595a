"""Models on the same rows from the best on, each with what it lacks to the best, or to one that is given."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chexpert.evaluation.aligned_predictions import AlignedPredictions
from chexpert.evaluation.candidates import Candidate
from chexpert.evaluation.observation_metrics import interval_to_dict
from chexpert.metrics import auroc, logit_interval
from chexpert.metrics.auroc_intervals import auroc_replicates
from chexpert.metrics.comparison import adjust_holm, paired_interval, paired_p
from chexpert.metrics.delong import delong_test
from chexpert.metrics.resampling import resample_studies


def resample_aurocs(aligned: AlignedPredictions, replicates: int, seed: int) -> np.ndarray:
    """Return AUROCs (M, 1 + R, C) of the rows and of R replicates, the same resampled rows for every model."""
    resampled = resample_studies(aligned.studies, replicates, seed)
    counts = np.vstack([np.ones((1, len(aligned.rows)), np.uint8), resampled])
    return np.stack([auroc_replicates(scores, aligned.labels, counts) for scores in aligned.scores])


def find_defined(aurocs: np.ndarray, columns: Sequence[int]) -> list[int]:
    """Return the columns whose AUROC is defined; aurocs as :func:`resample_aurocs` returns them."""
    return [c for c in columns if np.isfinite(aurocs[:, 0, c]).all()]


def rank(
    aligned: AlignedPredictions,
    candidates: Sequence[Candidate],
    aurocs: np.ndarray,
    place: Sequence[int],
    reference: int | None = None,
) -> list[dict[str, Any]]:
    """Return the models from the best on, each with its metrics and the lead of the reference, by default the best.

    The best of several is best partly by chance: differences from it are larger than those to be met again.
    """
    over = find_defined(aurocs, place)
    means = aurocs[:, :, over].mean(2) if over else np.full(aurocs.shape[:2], math.nan)
    order = sorted(range(len(candidates)), key=lambda m: (math.isnan(means[m, 0]), -means[m, 0]))
    against, n = order[0] if reference is None else reference, len(aligned.rows)
    models = [
        {
            "name": candidates[m].name,
            "figure": _describe_metric(aligned, aurocs, means, m, over),
            "over": [aligned.observations[c] for c in over],
            "auroc": {name: _describe_auroc(aligned, aurocs, m, c) for c, name in enumerate(aligned.observations)},
            "reference": m == against,
            "reference_has_more": _describe_difference(means[against] - means[m], n),
            "delong_p": _delong(aligned, against, m, over),
            "left_out": aligned.left_out[m],
            "settings": candidates[m].settings,
            "overrides": candidates[m].overrides,
            **candidates[m].evaluation_setting,
        }
        for m in order
    ]
    others = [model["reference_has_more"] for model in models if not model["reference"]]
    for difference, p in zip(others, adjust_holm([other["p"] for other in others]), strict=True):
        difference["p_holm"] = p
    return models


def _describe_metric(
    aligned: AlignedPredictions, aurocs: np.ndarray, means: np.ndarray, m: int, over: Sequence[int]
) -> dict[str, Any]:
    if len(over) == 1:  # whose interval knows how rare its rarer class is
        return _describe_auroc(aligned, aurocs, m, over[0])
    return interval_to_dict(logit_interval(float(means[m, 0]), means[m, 1:], len(aligned.rows)))


def _describe_auroc(aligned: AlignedPredictions, aurocs: np.ndarray, m: int, c: int) -> dict[str, Any]:
    known = np.isfinite(aligned.labels[:, c])
    found = auroc(aligned.scores[m, known, c], aligned.labels[known, c])
    rarer = min(found.positives, found.negatives)
    return interval_to_dict(logit_interval(found.value, aurocs[m, 1:, c], int(known.sum()), rarer))


def _describe_difference(differences: np.ndarray, n: int) -> dict[str, Any]:
    value, replicates = float(differences[0]), differences[1:]
    interval = interval_to_dict(paired_interval(value, replicates, n))
    return interval | {"p": paired_p(value, replicates), "p_holm": math.nan}


def _delong(aligned: AlignedPredictions, best: int, m: int, over: Sequence[int]) -> float | None:
    """DeLong's p beside the bootstrap's, where there is one AUROC of independent rows to test."""
    if len(over) != 1 or m == best or len(set(aligned.studies)) < len(aligned.rows):
        return None
    known = np.isfinite(aligned.labels[:, over[0]])
    return delong_test(aligned.scores[[best, m]][:, known, over[0]], aligned.labels[known, over[0]])
