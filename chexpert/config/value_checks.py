"""Values that can be meant nowhere: nothing at all, no number, a word where a number stands."""

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.errors import UserError

NUMBERS = {"int", "float", "optional", "union", "none", "nonetype", "typing", "class", "bool", "tensor"}
"""Words of an annotation that allows numbers and no text."""


def find_value_errors(node: Any, where: str = "") -> Iterator[UserError]:
    """Yield an error for every empty text and every NaN or infinity below a node of a config."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if not str(key).startswith("_"):  # _target_: the allow-list reports it
                yield from find_value_errors(value, f"{where}.{key}".lstrip("."))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from find_value_errors(value, f"{where}[{index}]")
    elif isinstance(node, str) and not node.strip():
        hint = "a value (is a variable not set?); null where there may be none"
        yield UserError("an empty value", code="value", where=where, hint=hint)
    elif isinstance(node, float) and not math.isfinite(node):
        yield UserError(f"{node} is not possible", code="value", where=where, hint="a finite number")


def find_kind_error(parameter: inspect.Parameter, value: Any, where: str) -> UserError | None:
    """Return the error in the type of an argument, as far as its default and annotation show one."""
    default, written = parameter.default, inspect.formatannotation(parameter.annotation)
    words = set(re.findall(r"\w+", written.lower()))
    number = isinstance(default, int | float) and not isinstance(default, bool) and not words & {"str", "sequence"}
    if isinstance(value, str) and "${" in value:
        return None  # reported as not resolved
    if isinstance(value, str) and (number or (words and words <= NUMBERS and words != {"bool"})):
        return UserError(
            f"a number is needed: {value!r}", code="value", where=where, hint="a number, without quotes or a word"
        )
    if isinstance(default, bool) and words == {"bool"} and not isinstance(value, bool):
        return UserError(f"{value!r} is not possible", code="value", where=where, hint="true or false")
    return None


def list_missing_methods(built: Any) -> list[str]:
    """Return the methods that a class must have of its own: abstract ones, those of a protocol, and torch's forward."""
    names = set(getattr(built, "__abstractmethods__", ()))
    for base in getattr(built, "__mro__", ()):
        if getattr(base, "_is_protocol", False):
            own = {name: value for name, value in vars(base).items() if inspect.isfunction(value)}
            names |= {name for name, value in own.items() if name != "__init__" and getattr(built, name) is value}
    if getattr(getattr(built, "forward", None), "__name__", "") == "_forward_unimplemented":
        names.add("forward")
    return sorted(names - {"__subclasshook__"})
