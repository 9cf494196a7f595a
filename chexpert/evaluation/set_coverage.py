"""Coverage and size of prediction sets on rows that they were not fitted on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chexpert.evaluation.groups import count_patients, select_parts
from chexpert.evaluation.join import LabeledScores
from chexpert.evaluation.observation_metrics import describe_share, interval_to_dict
from chexpert.evaluation.prediction_sets import PredictionSets, find_shortage
from chexpert.metrics import percentile_interval
from chexpert.metrics.conformal import CLASSES, SETS, Bounds, choose_sets
from chexpert.metrics.resampling import compute_replicates, mean_sums, sample_studies

ERROR_RATES = (0.05, 0.1, 0.2)
GROUP_RATE = 0.1
"""The error rate at which groups are evaluated."""
SIZES = np.array([0, 1, 1, 2])
"""How many classes each set of ``SETS`` holds."""

Metric = tuple[np.ndarray, np.ndarray]
"""Values (n,) whose mean it is, and the number (n,) of each row's study."""


def evaluate_sets(
    labeled: LabeledScores, sets: PredictionSets, seed: int = 0, group_by: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Return coverage, mean size and shares of the sets, by error rate and observation, and in the parts of groups.

    Args:
        labeled: N rows, of another split than the sets were fitted on.
        sets: the run's.
        seed: seed of the resampling of studies.
        group_by: names of groups that the labels have.

    Returns:
        ``fitted_on``; ``calibration``: patients by observation and class; ``error_rates``: by error rate and
        observation ``why`` there is no set, or ``coverage`` of each class, the share of its n rows whose set holds
        it, and the mean ``size``, each with its 95 % interval, and ``shares`` of the four sets among the n labeled
        rows; ``groups``: the same at ``group_error_rate`` by group and part. None if the level was not fitted.
    """
    fitted = sets.levels.get(labeled.level, {})
    names = [name for name in labeled.observations if name in fitted]
    if not names:
        return None
    counts = sample_studies(int(labeled.studies.max()) + 1, seed=seed)

    def evaluate_rows(rate: float, rows: np.ndarray | None = None) -> dict[str, Any]:
        return _evaluate_rows(labeled, {name: fitted[name] for name in names}, rate, counts, rows)

    return {
        "fitted_on": sets.fitted_on,
        "calibration": {name: {kind: fitted[name][kind]["rows"] for kind in CLASSES} for name in names},
        "error_rates": {f"{rate:g}": evaluate_rows(rate) for rate in ERROR_RATES},
        "group_error_rate": GROUP_RATE,
        "groups": {
            group: {
                part: {
                    "n": int(rows.sum()),
                    "patients": count_patients(labeled.names, rows),
                    "observations": evaluate_rows(GROUP_RATE, rows),
                }
                for part, rows in _list_parts(labeled, group)
            }
            for group in group_by
        },
    }


def _list_parts(labeled: LabeledScores, group: str) -> Iterator[tuple[str, np.ndarray]]:
    values = select_parts(labeled, group)
    for part in sorted(set(values.tolist()) - {""}):
        yield part, values == part


def _evaluate_rows(
    labeled: LabeledScores,
    fitted: Mapping[str, Bounds],
    rate: float,
    counts: np.ndarray,
    rows: np.ndarray | None,
) -> dict[str, Any]:
    """Evaluate each observation over those of some rows, or all, that have a label for it."""
    found: dict[str, Any] = {name: {"why": find_shortage(bounds, rate)} for name, bounds in fitted.items()}
    metrics: dict[tuple[str, str], Metric] = {}
    for name in (name for name in fitted if not found[name]["why"]):
        c = list(labeled.observations).index(name)
        known = np.isfinite(labeled.labels[:, c])
        own = np.flatnonzero(known if rows is None else known & rows)
        chosen, labels = choose_sets(labeled.scores[own, c], fitted[name], rate), labeled.labels[own, c]
        shares = np.bincount(chosen, minlength=len(SETS)) / max(len(own), 1)
        found[name] |= {"n": len(own), "shares": dict(zip(SETS, shares.tolist(), strict=True)), "coverage": {}}
        metrics[name, "size"] = SIZES[chosen], labeled.studies[own]
        for label, kind in enumerate(CLASSES):
            of_class = labels == label
            metrics[name, kind] = (chosen[of_class] & (1 + label)) > 0, labeled.studies[own][of_class]
    replicates = compute_replicates([(mean_sums(values), studies) for values, studies in metrics.values()], counts)
    for ((name, kind), (values, _)), own_replicates in zip(metrics.items(), replicates, strict=True):
        if kind == "size":
            found[name]["size"] = _describe_mean(values, own_replicates)
        else:
            found[name]["coverage"][kind] = describe_share(values, own_replicates) | {"n": len(values)}
    return found


def _describe_mean(values: np.ndarray, replicates: np.ndarray) -> dict[str, Any]:
    value = float(values.mean()) if len(values) else float("nan")
    return interval_to_dict(percentile_interval(value, replicates, len(values)))
