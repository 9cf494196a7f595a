"""Describe the spread between the seeds of a configuration, and which differences are ties."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def describe_spread(
    configurations: Sequence[Mapping[str, Any]], tie: Mapping[str, Any] | None, shown: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each configuration with several seeds or folds, and one for the difference that is a tie.

    Args:
        configurations: from :func:`chexpert.evaluation.gather_configurations`.
        tie: from :func:`chexpert.evaluation.find_tie`.
        shown: how runs are named.
    """
    for group in configurations:
        runs = ", ".join(shown[name] for name in group["runs"])
        compared = "" if group is configurations[0] else _describe_difference(group)
        spread = "training" if len(set(group["folds"])) == 1 else "training and of the folds' patients"
        yield (
            f"one configuration, {_count(group)}: mean {group['mean']:.3f}, sd {group['sd']:.3f}, "
            f"range {group['low']:.3f} to {group['high']:.3f}{compared} ({runs}); "
            f"the spread of {spread}, no interval over patients"
        )
    if tie:
        yield _describe_tie(tie)


def _count(group: Mapping[str, Any]) -> str:
    folds = len(set(group["folds"]))
    return f"{group['n']} seeds" if folds == 1 else f"{group['n']} runs of {folds} folds"


def _describe_difference(group: Mapping[str, Any]) -> str:
    words = f", {group['difference']:.3f} below the first"
    if group["limit"] is None:
        return words
    return f"{words}: {'a tie' if group['tie'] else 'no tie'} (limit for these means {group['limit']:.3f})"


def _describe_tie(tie: Mapping[str, Any]) -> str:
    if not tie["degrees"]:
        return "no limit for ties: no fold has two seeds, and folds differ by their patients"
    degrees = f"{tie['degrees']} degree{'s' * (tie['degrees'] > 1)} of freedom"
    sd = f"sd between seeds {tie['sd']:.4f}, {degrees}"
    if tie["limit"] is None:
        return f"too few seeds to say which difference is a tie ({sd})"
    return f"tie: two runs that differ by less than {tie['limit']:.3f}, t sqrt(2) sd ({sd})"
