"""Methods of a package by name, and their options by signature: a new method needs no line here."""

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from chexpert.errors import OWN, UserError


def find_name_errors(name: object, known: Collection[str], kind: str, key: str = "method") -> list[UserError]:
    """Return the error of a name that a package does not have, with the nearest names that it has.

    Args:
        name: as given.
        known: names that the package has.
        kind: of the names, for the message.
        key: of the option.
    """
    if name in known:
        return []
    lower = {own.lower(): own for own in known}
    close = [lower[match] for match in difflib.get_close_matches(str(name).lower(), lower, n=3, cutoff=0.5)]
    hint = f"did you mean {', '.join(close)}?" if close else f"one of {', '.join(sorted(known))}"
    return [UserError(f"{name!r} is not {kind}", code="choice", where=f"{OWN}{key}", hint=hint)]


def find_option_errors(options: object, known: Collection[str], method: str, key: str = "options") -> list[UserError]:
    """Return the errors of options that a method does not take; ``key`` is the place of the options."""
    if not isinstance(options, Mapping):
        hint = f"a mapping: {OWN}{key}.NAME=VALUE"
        return [UserError(f"{options!r} is not possible", code="value", where=f"{OWN}{key}", hint=hint)]
    errors = []
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            names = f"known are {', '.join(sorted(known))}" if known else "leave it out: there is none"
            hint = f"did you mean {close[0]}?" if close else names
            message = f"{method} has no option {str(name)!r}"
            errors.append(UserError(message, code="unknown-key", where=f"{OWN}{key}.{name}", hint=hint))
    return errors


def find_number_errors(least: Mapping[str, int], values: Mapping[str, object]) -> list[UserError]:
    """Return the errors of whole numbers below the least that is possible, by option."""
    return [
        UserError(
            f"{values[key]!r} is not possible",
            code="value",
            where=f"{OWN}{key}",
            hint=f"a whole number, {number} or more",
        )
        for key, number in least.items()
        if not isinstance(values[key], int) or isinstance(values[key], bool) or values[key] < number  # type: ignore[operator]
    ]


def list_parameters(function: Callable[..., Any], without: Iterable[str] = ()) -> dict[str, inspect.Parameter]:
    """Return the named parameters of a function or class, less those that are given anyway."""
    given = {"self", *without}
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters
    return {name: one for name, one in parameters.items() if one.kind in kinds and name not in given}


def pick(options: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the options of these names, lists as tuples, as packages want them."""
    return {name: to_tuple(value) for name, value in options.items() if name in names}


def to_tuple(value: Any) -> Any:
    """Return a list, and the lists in it, as tuples; another value as it is.

    >>> to_tuple([1, [2, 3]]), to_tuple("smoothgrad")
    ((1, (2, 3)), 'smoothgrad')
    """
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return tuple(map(to_tuple, value)) if is_list else value
