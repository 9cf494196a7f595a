"""Describe the spread between the seeds of a configuration, and which differences are ties."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def describe_spread(
    configurations: Sequence[Mapping[str, Any]], tie: Mapping[str, Any] | None, shown: Mapping[str, str]
) -> Iterator[str]:
    """Yield a line for each configuration with several seeds, and one for the difference that is a tie.

    Args:
        configurations: from :func:`chexpert.evaluation.gather_configurations`.
        tie: from :func:`chexpert.evaluation.find_tie`.
        shown: how runs are named.
    """
    for group in configurations:
        runs = ", ".join(shown[name] for name in group["runs"])
        behind = ""
        if group is not configurations[0]:
            word = "a tie" if group["tie"] else "no tie"
            behind = f", {group['behind']:.3f} behind the first: {word} (limit of means {group['limit']:.3f})"
        yield (
            f"one configuration, {group['n']} seeds or folds: mean {group['mean']:.3f}, sd {group['sd']:.3f}, "
            f"range {group['low']:.3f} to {group['high']:.3f}{behind} ({runs}); "
            "the spread of training, no interval over patients"
        )
    if tie:
        yield (
            f"tie: two runs that differ by less than {tie['limit']:.3f}, 1.96 sqrt(2) times the sd between seeds "
            f"({tie['sd']:.4f}, from {tie['runs']} runs of {tie['configurations']} "
            f"configuration{'s' * (tie['configurations'] > 1)})"
        )
