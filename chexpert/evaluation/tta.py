"""What test-time augmentation gains: the same weights with and without it, on the same rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.evaluation.aligned_predictions import align_predictions
from chexpert.evaluation.candidates import Candidate
from chexpert.evaluation.observation_metrics import interval_to_dict
from chexpert.evaluation.predictions import read_labels, read_predictions
from chexpert.evaluation.ranking import find_defined, resample_aurocs
from chexpert.metrics.comparison import paired_interval, paired_p
from chexpert.runs import files as run_files


def evaluate_tta(
    run: Path, split: str, level: str, views: str, mean_over: Sequence[str], seed: int = 0, replicates: int = 1000
) -> dict[str, Any]:
    """Compare the predictions of a run on a split with those by test-time augmentation, as ``chexpert compare`` does.

    Args:
        run: run folder.
        split: ``valid`` or ``test``.
        level: ``image`` or ``study``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
        mean_over: observations to average the AUROC over.
        seed: of the resampling of studies.
        replicates: number of bootstrap replicates.

    Returns:
        ``n``, and of the mean AUROC (``auroc_mean``) and of each observation (``auroc``) the value without (``plain``)
        and with test-time augmentation (``tta``), and their ``difference`` with its paired 95 % interval and p.
    """
    labels = read_labels(run_files.labels(run, split))
    names = (split, run_files.name_tta(split))
    both = [Candidate(name, read_predictions(run_files.predictions(run, name)), labels) for name in names]
    observations = [name for name in both[0].predictions.columns if name in labels.columns]
    aligned = align_predictions(both, None, level, views, observations)
    aurocs, n = resample_aurocs(aligned, replicates, seed), len(aligned.rows)
    over = find_defined(aurocs, [observations.index(name) for name in mean_over if name in observations])
    means = aurocs[:, :, over].mean(2) if over else np.full(aurocs.shape[:2], np.nan)
    return {
        "n": n,
        "auroc_mean": _describe(means, n) | {"over": [observations[c] for c in over]},
        "auroc": {name: _describe(aurocs[:, :, c], n) for c, name in enumerate(observations)},
    }


def _describe(metric: np.ndarray, n: int) -> dict[str, Any]:
    """Describe a metric (2, 1 + R) without and with test-time augmentation, of the rows and of R replicates."""
    differences = metric[1] - metric[0]
    interval = paired_interval(float(differences[0]), differences[1:], n)
    difference = interval_to_dict(interval) | {"p": paired_p(interval.value, differences[1:])}
    return {"plain": float(metric[0, 0]), "tta": float(metric[1, 0]), "difference": difference}
