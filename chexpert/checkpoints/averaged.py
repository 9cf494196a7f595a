"""The mean of several models' weights."""

from collections.abc import Mapping, Sequence

import torch

State = Mapping[str, torch.Tensor]


def average_weights(states: Sequence[State]) -> dict[str, torch.Tensor]:
    """Return the mean of each weight, added up in float64; a count, such as of batches, is the first model's.

    Args:
        states: weights by name, of equal names and shapes.

    >>> one, two = ({"w": torch.tensor([value]), "n": torch.tensor(3)} for value in (1.0, 2.0))
    >>> average_weights([one, two])
    {'w': tensor([1.5000]), 'n': tensor(3)}
    """
    first = states[0]
    return {name: _average([state[name] for state in states]) for name in first}


def _average(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    first = weights[0]
    if not first.is_floating_point():
        return first.clone()
    total = first.double()
    for weight in weights[1:]:
        total = total + weight.double()
    return (total / len(weights)).to(first.dtype)


def find_misfits(first: State, other: State) -> list[str]:
    """Return the names of weights that only one of two models has, or that have another shape there."""
    names = dict.fromkeys([*first, *other])
    return [name for name in names if name not in first or name not in other or first[name].shape != other[name].shape]
