"""One prediction from several: the average of the members' scores of a row, observation by observation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from chexpert.errors import ProblemError
from chexpert.evaluation.predictions import Named, strip_copy


def average(members: Mapping[str, Sequence[Named]], how: str = "mean") -> Named:
    """The average of one or more members of each observation, in the rows and names of the first one.

    Args:
        members: by observation; each member has the same rows, in any order.
        how: ``mean`` of the scores; ``rank``: of the ranks of a member's rows, from 1 on and equal ones in the middle,
            so that members on different scales weigh the same, and nobody takes the result for probabilities.

    Raises:
        ProblemError: members of different rows, or whose scores are not on one scale.
    """
    first = next(iter(members.values()))[0]
    columns = {}
    for observation, own in members.items():
        scores = np.stack([line_up(member, first, observation) for member in own])
        if how == "mean":
            check_scales(scores, [member.path for member in own], observation)
        told = np.stack([rankdata(row) for row in scores]) if how == "rank" else scores
        columns[observation] = np.sort(told, axis=0).mean(axis=0)  # whoever comes first, it adds up to the same
    return Named(first.path, first.key, first.names, columns)


def line_up(member: Named, first: Named, observation: str) -> np.ndarray:
    """(N,) the member's scores of an observation in the order of the first one's rows."""
    theirs, mine = first.places, member.places
    if theirs.keys() != mine.keys():
        lacking, more = len(theirs.keys() - mine.keys()), len(mine.keys() - theirs.keys())
        what = "members without one row in common" if lacking == len(theirs) else "members of different rows"
        told = f"{what}: the second lacks {lacking} of the first's {len(theirs)}, and has {more} others"
        mend = "take predictions of the same films, named alike"
        raise ProblemError(told, where=f"{first.path} and {member.path}", mend=mend)
    if observation not in member.columns:
        mend = f"it has {', '.join(member.columns)}; leave it out there"
        raise ProblemError(f"this member has no {observation}", where=str(member.path), mend=mend)
    return member.columns[observation][[mine[strip_copy(name)] for name in first.names]]


def check_scales(scores: np.ndarray, paths: Sequence[Path], observation: str) -> None:
    """Refuses the mean of probabilities and other scores."""
    wide = ((scores < 0) | (scores > 1)).any(axis=1)
    if wide.any() and not wide.all():
        where = f"{paths[int(wide.argmax())]} beside {paths[int(wide.argmin())]}"
        what = f"{observation}: scores outside [0, 1] beside probabilities have no mean"
        raise ProblemError(what, where=where, mend="average their ranks: --average rank")
