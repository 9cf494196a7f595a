"""Values that can be meant nowhere: nothing at all, no number, a word where a number stands."""

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.errors import ProblemError

NUMBERS = {"int", "float", "optional", "union", "none", "nonetype", "typing", "class", "bool", "tensor"}
"""Words of an annotation that allows numbers and no text."""


def find_value_problems(node: Any, where: str = "") -> Iterator[ProblemError]:
    """Every empty text and every NaN or infinity below a node of a config."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if not str(key).startswith("_"):  # _target_: told by the positive list
                yield from find_value_problems(value, f"{where}.{key}".lstrip("."))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from find_value_problems(value, f"{where}[{index}]")
    elif isinstance(node, str) and not node.strip():
        mend = "a value (is a variable not set?); null where there may be none"
        yield ProblemError("an empty value", where=where, mend=mend)
    elif isinstance(node, float) and not math.isfinite(node):
        yield ProblemError(f"{node} is not possible", where=where, mend="a finite number")


def find_kind_problem(parameter: inspect.Parameter, value: Any, where: str) -> ProblemError | None:
    """What is wrong with the type of an argument, as far as its default and annotation tell."""
    default, written = parameter.default, inspect.formatannotation(parameter.annotation)
    words = set(re.findall(r"\w+", written.lower()))
    number = isinstance(default, int | float) and not isinstance(default, bool) and "str" not in words
    if isinstance(value, str) and "${" in value:
        return None  # told as what was not resolved
    if isinstance(value, str) and (number or (words and words <= NUMBERS and words != {"bool"})):
        return ProblemError(f"a number is needed: {value!r}", where=where, mend="a number, without quotes or a word")
    if isinstance(default, bool) and words == {"bool"} and not isinstance(value, bool):
        return ProblemError(f"{value!r} is not possible", where=where, mend="true or false")
    return None
