"""Which of several models is best, by how much, and whether that is more than chance."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.evaluation.entrants import Absent, Entrant, find_entrants
from chexpert.evaluation.figures import tell
from chexpert.evaluation.leaderboard import find_entries, judge_rank, judge_readers, read_readers
from chexpert.evaluation.lineup import Lineup, line_up
from chexpert.evaluation.settings import find_differences, gather
from chexpert.evaluation.tables import Named, read_labels
from chexpert.metrics import auroc, logit_interval
from chexpert.metrics.delong import delong_test
from chexpert.metrics.intervals import auroc_replicates
from chexpert.metrics.paired import adjust_holm, paired_interval, paired_p
from chexpert.metrics.resampling import draw_studies
from chexpert.observations import find_observation
from chexpert.problem import ProblemError

MEAN = "auroc_mean"


def compare(
    paths: Sequence[Path],
    *,
    split: str = "valid",
    level: str | None = None,
    views: str | None = None,
    by: str = MEAN,
    mean_over: Sequence[str] | None = None,
    labels: Path | None = None,
    leaderboard: Path | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Compares runs, sweeps and files of predictions on the rows that all have.

    Args:
        paths: run folders, folders of runs, CSV files.
        split: of the runs.
        level: ``image`` or ``study``; by default that of the runs, of files ``study``.
        views: ``max`` or ``mean`` over the views of a study; by default as the runs have it.
        by: what is ranked by: ``auroc_mean`` or an observation.
        mean_over: the mean is over these; by default over the competition's.
        labels: of files of predictions, which have none of their own.
        leaderboard: a folder in the layout of CheXpert's public test labels, whose entries and readers join in.
        replicates: of the bootstrap; each draws studies with replacement, for all models at once.
        seed: of the drawing.

    Raises:
        ProblemError: what is given cannot be compared.
    """
    entrants, absent = find_entrants(paths, split)
    own = len(entrants)
    known: Named | None = read_labels(labels) if labels else None
    if leaderboard:
        board = find_entries(leaderboard)
        entrants, known = [*entrants, *board.entries], known or board.truth
        entrants = [Entrant(one.name, one.predictions, None, one.settings, one.yardstick) for one in entrants]
    elif labels:
        entrants = [Entrant(one.name, one.predictions, known, one.settings, one.yardstick) for one in entrants]
    over = [find_observation(name) or name for name in mean_over] if mean_over else None
    lineup = line_up(
        entrants, known, agree(entrants, "level", level, "study"), agree(entrants, "views", views, "max"), over
    )
    place = choose_figure(by, lineup)
    aurocs = draw_aurocs(lineup, replicates, seed)
    content = describe_lineup(lineup, by, absent, replicates, seed, split if own and entrants[0].settings else None)
    content["models"] = rank(lineup, entrants, aurocs, place, reference=0 if leaderboard else None)
    content["configurations"] = gather_configurations(entrants, content["models"])
    content["differing_settings"] = find_differences([one.settings for one in entrants if one.settings] or [{}])
    if leaderboard:
        content["ranks"] = {name: judge_rank(aurocs, m, place) for m, name in enumerate(lineup.names[:own])}
        readers = read_readers(leaderboard)
        content["readers"] = {name: judge_readers(lineup, m, readers) for m, name in enumerate(lineup.names[:own])}
    return content


def agree(entrants: Sequence[Entrant], key: str, given: str | None, otherwise: str) -> str:
    """What was asked for, or what all runs have in common."""
    found = {one.yardstick[key] for one in entrants if one.yardstick.get(key)}
    if not given and len(found) > 1:
        where = ", ".join(f"{one.name} ({one.yardstick.get(key)})" for one in entrants)
        raise ProblemError(f"runs of different {key}: {', '.join(sorted(found))}", where=where, mend=f"choose: --{key}")
    return given or next(iter(found), otherwise)


def choose_figure(by: str, lineup: Lineup) -> list[int]:
    """Columns of the observations that the ranking figure is the mean of."""
    if by == MEAN:
        return list(range(len(lineup.observations)))
    name = find_observation(by) or by
    if name not in lineup.observations:
        mend = f"{MEAN} or one of {', '.join(lineup.observations)}"
        raise ProblemError(f"nothing to rank by: {by}", where="--by", mend=mend)
    return [list(lineup.observations).index(name)]


def draw_aurocs(lineup: Lineup, replicates: int, seed: int) -> np.ndarray:
    """(M, 1 + R, C): AUROCs of the rows themselves and of each replicate, the same draws for every model."""
    drawn = draw_studies(lineup.studies, replicates, seed)
    counts = np.vstack([np.ones((1, len(lineup.rows))), drawn])
    return np.stack([auroc_replicates(scores, lineup.labels, counts) for scores in lineup.scores])


def describe_lineup(
    lineup: Lineup, by: str, absent: Sequence[Absent], replicates: int, seed: int, split: str | None
) -> dict[str, Any]:
    """The yardstick of a comparison, and who could not take part."""
    known = np.isfinite(lineup.labels)
    counts = {
        name: {"positives": int((lineup.labels[known[:, c], c] == 1).sum()),
               "negatives": int((lineup.labels[known[:, c], c] == 0).sum())}
        for c, name in enumerate(lineup.observations)
    }  # fmt: skip
    return {
        "split": split,
        "level": lineup.level,
        "views": lineup.views if lineup.level == "study" else None,
        "n": len(lineup.rows),
        "studies": int(lineup.studies.max()) + 1,
        "bootstrap": {"replicates": replicates, "seed": seed, "unit": "study"},
        "by": by,
        "observations": counts,
        "absent": [{"name": one.name, "state": one.state, "why": one.why} for one in absent],
    }


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
    over = [c for c in place if not np.isnan(aurocs[:, 0, c]).any()]
    figures = aurocs[:, :, over].mean(2) if over else np.full(aurocs.shape[:2], math.nan)
    order = sorted(range(len(entrants)), key=lambda m: (math.isnan(figures[m, 0]), -figures[m, 0]))
    against, n = order[0] if reference is None else reference, len(lineup.rows)
    models = [
        {
            "name": entrants[m].name,
            "figure": tell(logit_interval(float(figures[m, 0]), figures[m, 1:], n)),
            "over": [lineup.observations[c] for c in over],
            "auroc": {name: _tell_auroc(lineup, aurocs, m, c) for c, name in enumerate(lineup.observations)},
            "reference": m == against,
            "reference_has_more": _tell_difference(figures[against] - figures[m], n),
            "delong_p": _delong(lineup, against, m, over),
            "left_out": lineup.left_out[m],
            "settings": entrants[m].settings,
            **entrants[m].yardstick,
        }
        for m in order
    ]
    others = [model["reference_has_more"] for model in models if not model["reference"]]
    for difference, p in zip(others, adjust_holm([other["p"] for other in others]), strict=True):
        difference["p_holm"] = p
    return models


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
    for places in gather([one.settings for one in entrants]):
        own = [values[entrants[place].name] for place in places]
        if len(own) > 1:
            names = [entrants[place].name for place in places]
            spread = {"n": len(own), "mean": float(np.mean(own)), "sd": float(np.std(own, ddof=1))}
            gathered.append({"runs": names} | spread | {"low": min(own), "high": max(own)})
    return sorted(gathered, key=lambda group: -group["mean"])
