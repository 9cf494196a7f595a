"""Models on the same rows from the best on, each with what it lacks to the best, or to one that is given."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chexpert.evaluation.aligned_predictions import Lineup
from chexpert.evaluation.candidates import Entrant
from chexpert.evaluation.config_diff import find_draw, gather
from chexpert.evaluation.observation_metrics import tell
from chexpert.metrics import auroc, logit_interval
from chexpert.metrics.auroc_intervals import auroc_replicates, delong_test
from chexpert.metrics.bootstrap import draw_studies
from chexpert.metrics.comparison import adjust_holm, paired_interval, paired_p


def draw_aurocs(lineup: Lineup, replicates: int, seed: int) -> np.ndarray:
    """(M, 1 + R, C): AUROCs of the rows themselves and of each replicate, the same draws for every model."""
    drawn = draw_studies(lineup.studies, replicates, seed)
    counts = np.vstack([np.ones((1, len(lineup.rows))), drawn])
    return np.stack([auroc_replicates(scores, lineup.labels, counts) for scores in lineup.scores])


def find_defined(aurocs: np.ndarray, columns: Sequence[int]) -> list[int]:
    """Those of the columns whose AUROC is defined; aurocs as :func:`draw_aurocs` has them."""
    return [c for c in columns if np.isfinite(aurocs[:, 0, c]).all()]


def rank(
    lineup: Lineup,
    entrants: Sequence[Entrant],
    aurocs: np.ndarray,
    place: Sequence[int],
    reference: int | None = None,
) -> list[dict[str, Any]]:
    """The models from the best on, each with its figures and what the reference, by default the best, has more.

    The best of several is best partly by chance: differences from it are larger than those to be met again.
    """
    over = find_defined(aurocs, place)
    figures = aurocs[:, :, over].mean(2) if over else np.full(aurocs.shape[:2], math.nan)
    order = sorted(range(len(entrants)), key=lambda m: (math.isnan(figures[m, 0]), -figures[m, 0]))
    against, n = order[0] if reference is None else reference, len(lineup.rows)
    models = [
        {
            "name": entrants[m].name,
            "figure": _tell_figure(lineup, aurocs, figures, m, over),
            "over": [lineup.observations[c] for c in over],
            "auroc": {name: _tell_auroc(lineup, aurocs, m, c) for c, name in enumerate(lineup.observations)},
            "reference": m == against,
            "reference_has_more": _tell_difference(figures[against] - figures[m], n),
            "delong_p": _delong(lineup, against, m, over),
            "left_out": lineup.left_out[m],
            "settings": entrants[m].settings,
            "overrides": entrants[m].overrides,
            **entrants[m].yardstick,
        }
        for m in order
    ]
    others = [model["reference_has_more"] for model in models if not model["reference"]]
    for difference, p in zip(others, adjust_holm([other["p"] for other in others]), strict=True):
        difference["p_holm"] = p
    return models


def _tell_figure(
    lineup: Lineup, aurocs: np.ndarray, figures: np.ndarray, m: int, over: Sequence[int]
) -> dict[str, Any]:
    if len(over) == 1:  # whose interval knows how rare its rarer class is
        return _tell_auroc(lineup, aurocs, m, over[0])
    return tell(logit_interval(float(figures[m, 0]), figures[m, 1:], len(lineup.rows)))


def _tell_auroc(lineup: Lineup, aurocs: np.ndarray, m: int, c: int) -> dict[str, Any]:
    known = np.isfinite(lineup.labels[:, c])
    found = auroc(lineup.scores[m, known, c], lineup.labels[known, c])
    rarer = min(found.positives, found.negatives)
    return tell(logit_interval(found.value, aurocs[m, 1:, c], int(known.sum()), rarer))


def _tell_difference(differences: np.ndarray, n: int) -> dict[str, Any]:
    value, replicates = float(differences[0]), differences[1:]
    return tell(paired_interval(value, replicates, n)) | {"p": paired_p(value, replicates), "p_holm": math.nan}


def _delong(lineup: Lineup, best: int, m: int, over: Sequence[int]) -> float | None:
    """DeLong's p beside the bootstrap's, where there is one AUROC of independent rows to test."""
    if len(over) != 1 or m == best or len(set(lineup.studies)) < len(lineup.rows):
        return None
    known = np.isfinite(lineup.labels[:, over[0]])
    return delong_test(lineup.scores[[best, m]][:, known, over[0]], lineup.labels[known, over[0]])


def gather_configurations(entrants: Sequence[Entrant], models: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and spread over the seeds and folds of one configuration; those of one run alone are left to the table."""
    values = {model["name"]: model["figure"]["value"] for model in models}
    gathered = []
    for every in gather([one.settings for one in entrants]):
        draws = {find_draw(entrants[place].settings): place for place in reversed(every)}  # a copy is no other draw
        places = sorted(draws.values())
        own = [values[entrants[place].name] for place in places]
        if len(own) > 1:
            names = [entrants[place].name for place in places]
            spread = {"n": len(own), "mean": float(np.mean(own)), "sd": float(np.std(own, ddof=1))}
            gathered.append({"runs": names} | spread | {"low": min(own), "high": max(own)})
    return sorted(gathered, key=lambda group: -group["mean"])
