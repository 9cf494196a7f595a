"""Which of several models is best, by how much, and whether that is more than chance."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.errors import ProblemError
from chexpert.evaluation.aligned_predictions import Lineup, line_up
from chexpert.evaluation.candidates import Absent, Entrant, find_entrants
from chexpert.evaluation.config_diff import find_differences
from chexpert.evaluation.leaderboard import find_entries, judge_rank, judge_readers, read_readers
from chexpert.evaluation.predictions import Named, read_labels
from chexpert.evaluation.ranking import draw_aurocs, find_defined, gather_configurations, rank
from chexpert.observations import find_observation
from chexpert.runs.synthetic import is_synthetic_path

MEAN = "auroc_mean"


def compare(
    paths: Sequence[Path],
    *,
    split: str | None = None,
    level: str | None = None,
    views: str | None = None,
    by: str = MEAN,
    mean_over: Sequence[str] | None = None,
    labels: Path | None = None,
    leaderboard: Path | None = None,
    replicates: int = 1000,
    seed: int = 0,
    hashed_by: Sequence[Path] = (),
) -> dict[str, Any]:
    """Compares runs, sweeps and files of predictions on the rows that all have.

    Args:
        paths: run folders, folders of runs, CSV files.
        split: of the runs; by default ``valid``, beside a leaderboard ``test``.
        level: ``image`` or ``study``; by default that of the runs, of files and beside a leaderboard ``study``.
        views: ``max`` or ``mean`` over the views of a study; by default as the runs have it.
        by: what is ranked by: ``auroc_mean`` or an observation.
        mean_over: the mean is over these; by default over the competition's.
        labels: of files of predictions, which have none of their own.
        leaderboard: a folder in the layout of CheXpert's public test labels, whose entries and readers join in.
        replicates: of the bootstrap; each draws studies with replacement, for all models at once.
        seed: of the drawing.
        hashed_by: runs that hashed the names in files of predictions.

    Raises:
        ProblemError: what is given cannot be compared.
    """
    split = split or ("test" if leaderboard else "valid")
    found, absent = find_entrants(paths, split)
    board = find_entries(leaderboard) if leaderboard else None
    known = read_labels(labels) if labels else board.truth if board else None
    entrants = judge_alike([*found, *(board.entries if board else [])], known)
    level = level or ("study" if board else agree(found, "level", "study"))
    views = views or (agree(found, "views", "max") if level == "study" else "max")
    lineup = line_up(entrants, known, level, views, find_all(mean_over), hashed_by)
    place = choose_figure(by, lineup)
    aurocs = draw_aurocs(lineup, replicates, seed)
    runs = [one for one in found if one.settings]
    content = describe_lineup(lineup, by, absent, replicates, seed) | {
        "split": split if runs else None,
        "labels_of": describe_labels(found, known),
        "models": rank(lineup, entrants, aurocs, place, reference=0 if board else None),
        "synthetic": [one.name for one in entrants if one.synthetic or (labels and is_synthetic_path(labels))],
        "differing_settings": find_differences([one.settings for one in runs]) if runs else [],
    }
    content["configurations"] = gather_configurations(entrants, content["models"])
    if leaderboard:
        readers, own = read_readers(leaderboard), list(enumerate(lineup.names[: len(found)]))
        content["ranks"] = {name: judge_rank(aurocs, m, find_defined(aurocs, place)) for m, name in own}
        content["readers"] = {name: judge_readers(lineup, m, readers) for m, name in own}
    return content


def judge_alike(entrants: Sequence[Entrant], known: Named | None) -> list[Entrant]:
    """The entrants with these labels instead of their own, if there are any."""
    return [replace(one, labels=known) if known else one for one in entrants]


def describe_labels(entrants: Sequence[Entrant], known: Named | None) -> list[str]:
    """What the models are judged by, in words."""
    if known:
        return [str(known.path)]
    return sorted({one.yardstick["labels_of"] for one in entrants if one.yardstick.get("labels_of")})


def find_all(names: Sequence[str] | None) -> list[str] | None:
    """Observations by CheXpert's names, whatever spelling they are asked for in."""
    return list(dict.fromkeys(find_observation(name) or name for name in names)) if names else None


def agree(entrants: Sequence[Entrant], key: str, otherwise: str) -> str:
    """What all runs have in common."""
    found = {one.yardstick[key] for one in entrants if one.yardstick.get(key)}
    if len(found) > 1:
        where = ", ".join(f"{one.name} ({one.yardstick.get(key)})" for one in entrants)
        raise ProblemError(f"runs of different {key}: {', '.join(sorted(found))}", where=where, mend=f"choose: --{key}")
    return next(iter(found), otherwise)


def choose_figure(by: str, lineup: Lineup) -> list[int]:
    """Columns of the observations that the ranking figure is the mean of."""
    if by == MEAN:
        return list(range(len(lineup.observations)))
    name = find_observation(by) or by
    if name not in lineup.observations:
        mend = f"{MEAN} or one of {', '.join(lineup.observations)}"
        raise ProblemError(f"nothing to rank by: {by}", where="--by", mend=mend)
    return [list(lineup.observations).index(name)]


def describe_lineup(lineup: Lineup, by: str, absent: Sequence[Absent], replicates: int, seed: int) -> dict[str, Any]:
    """The yardstick of a comparison, and who could not take part."""
    known = np.isfinite(lineup.labels)
    counts = {
        name: {"positives": int((lineup.labels[known[:, c], c] == 1).sum()),
               "negatives": int((lineup.labels[known[:, c], c] == 0).sum())}
        for c, name in enumerate(lineup.observations)
    }  # fmt: skip
    return {
        "level": lineup.level,
        "views": lineup.views if lineup.level == "study" else None,
        "n": len(lineup.rows),
        "studies": int(lineup.studies.max()) + 1,
        "bootstrap": {"replicates": replicates, "seed": seed, "unit": "study"},
        "by": find_observation(by) or by,
        "observations": counts,
        "labels_left_out": lineup.labels_left_out,
        "absent": list(map(asdict, absent)),
    }
