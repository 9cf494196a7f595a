"""One prediction from several: the average of the members' scores of a row, observation by observation."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from chexpert.errors import UserError
from chexpert.evaluation.csv_columns import strip_copy
from chexpert.evaluation.predictions import Named
from chexpert.runs.anonymize import is_hash


def average(members: Mapping[str, Sequence[Named]], how: str = "mean") -> Named:
    """Return the average of the members of each observation, in the rows and names of the first one.

    Args:
        members: by observation; each member has the same rows, in any order.
        how: ``mean`` of the scores; ``rank``: of the ranks of a member's rows, from 1 on and equal ones in the middle,
            so that members on different scales weigh the same, and nobody takes the result for probabilities.

    Raises:
        UserError: members of different rows, or whose scores are not on one scale.
    """
    first = next(iter(members.values()))[0]
    columns = {}
    for observation, own in members.items():
        scores = np.stack([align_member(member, first, observation) for member in own])
        if how == "mean":
            check_scales(scores, [member.path for member in own], observation)
        values = np.stack([rankdata(row) for row in scores]) if how == "rank" else scores
        columns[observation] = np.sort(values, axis=0).mean(axis=0)  # the order of the members does not change the sum
    return Named(first.path, first.key, first.names, columns)


def align_member(member: Named, first: Named, observation: str) -> np.ndarray:
    """Return the member's scores (N,) of an observation in the order of the first one's rows."""
    theirs, mine = first.places, member.places
    if theirs.keys() != mine.keys():
        lacking, more = len(theirs.keys() - mine.keys()), len(mine.keys() - theirs.keys())
        kind = "members without one row in common" if lacking == len(theirs) else "members of different rows"
        message = f"{kind}: the second lacks {lacking} of the first's {len(theirs)}, and has {more} others"
        hint = "take predictions of the same images, named alike"
        if any(map(is_hash, [*first.names, *member.names])):
            hint = "names are hashed, by each run with a key of its own: predict again with --ids path, by every member"
        raise UserError(message, code="other-rows", where=f"{first.path} and {member.path}", hint=hint)
    if observation not in member.columns:
        hint = f"it has {', '.join(member.columns)}; leave it out there"
        raise UserError(
            f"this member has no {observation}", code="missing-observation", where=str(member.path), hint=hint
        )
    return member.columns[observation][[mine[strip_copy(name)] for name in first.names]]


def check_scales(scores: np.ndarray, paths: Sequence[Path], observation: str) -> None:
    """Raise an error if some members have probabilities and others do not."""
    wide = ((scores < 0) | (scores > 1)).any(axis=1)
    if wide.any() and not wide.all():
        where = f"{paths[int(wide.argmax())]} beside {paths[int(wide.argmin())]}"
        message = f"{observation}: scores outside [0, 1] beside probabilities have no mean"
        raise UserError(message, code="not-probability", where=where, hint="average their ranks: --average rank")
