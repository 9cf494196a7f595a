"""What an audit holds against a copy of the data."""

from dataclasses import dataclass
from typing import Literal

from chexpert.errors import UserError

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Defect:
    """One thing that is wrong (error) or that a reader of results should know (warning).

    Attributes:
        kind: a word to group by, e.g. ``missing``.
        where: the split, view, file or line.
        message: what is wrong.
        hint: what can be done about it.
        severity: an error fails the audit.
    """

    kind: str
    where: str
    message: str
    hint: str
    severity: Severity = "error"


def as_defect(kind: str, error: UserError) -> Defect:
    """Return the reader's error as a defect."""
    return Defect(kind, error.where, error.message, error.hint)


def warn(kind: str, where: str, message: str, hint: str) -> Defect:
    """Return a defect that does not fail the audit."""
    return Defect(kind, where, message, hint, "warning")
