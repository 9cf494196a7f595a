"""How two checkpoints differ in what they put out or take in, in words."""

from collections.abc import Mapping, Sequence
from typing import Any


def describe_value(value: Any) -> str:
    """Return a setting as words: lists by their entries, nothing as ``none``.

    >>> describe_value([64, 32]), describe_value({"size": 64, "fit": "pad"}), describe_value([]), describe_value(True)
    ('64, 32', 'size 64, fit pad', 'none', 'true')
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {describe_value(own)}" for key, own in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(describe_value, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def describe_observations(first: Sequence[str], other: Sequence[str]) -> str:
    """Return how two lists of observations differ.

    >>> describe_observations(["Edema", "Fracture"], ["Fracture", "Edema"])
    'the same ones in another order'
    >>> describe_observations(["Edema", "Fracture"], ["Edema"])
    'Fracture only in the first'
    """
    alone = {
        "first": [name for name in first if name not in other],
        "second": [name for name in other if name not in first],
    }
    parts = [f"{', '.join(names)} only in the {which}" for which, names in alone.items() if names]
    return "; ".join(parts) or "the same ones in another order"


def describe_heads(first: Mapping[str, Any], other: Mapping[str, Any], observations: Sequence[str]) -> str:
    """Return how the outputs of two networks differ: in the classes for uncertain, or in the hierarchy.

    >>> describe_heads({"uncertain": [0], "parents": None}, {"uncertain": [], "parents": None}, ["Edema"])
    'a class for uncertain has Edema, and in the second none'
    """
    classes = [[observations[place] for place in own.get("uncertain") or ()] for own in (first, other)]
    if classes[0] != classes[1]:
        return f"a class for uncertain has {describe_value(classes[0])}, and in the second {describe_value(classes[1])}"
    kinds = ["conditional on their parents" if own.get("parents") else "independent" for own in (first, other)]
    return f"{kinds[0]}, and in the second {kinds[1]}" if kinds[0] != kinds[1] else "other parents of observations"
