"""What was meant: an answer to a setting, and near names."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from chexpert.errors import Code


class Answer(NamedTuple):
    """What is wrong with a setting.

    Attributes:
        message: what is wrong.
        where: the words as they were typed.
        meant: the settings in its place; None where that is not clear.
        hint: what else to say.
        code: of the UserError that it becomes.
    """

    message: str
    where: str = ""
    meant: list[str] | None = None
    hint: str = ""
    code: Code = "command-line"


def find_near(word: str, known: Iterable[str], cutoff: float = 0.6) -> list[str]:
    """Return the known names that are most like a word, in any case, the nearest first.

    >>> find_near("Densnet121", ["densenet121", "vgg19"])
    ['densenet121']
    """
    lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), lower, n=3, cutoff=cutoff)
    return [lower[name] for name in near]
