"""The name of a trained model on the Hugging Face Hub: ``hf:OWNER/NAME@REVISION``."""

import re
from typing import NamedTuple

from chexpert.errors import UserError
from chexpert.weights.source import HUB, HUBS, REPOSITORY

REVISION = re.compile(r"\w[\w./-]*", re.ASCII)
FORM = f"{HUB}OWNER/NAME or {HUB}OWNER/NAME@REVISION"


class HubName(NamedTuple):
    """A repository of the Hub, and the branch, tag or commit of it; None is its default branch."""

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{HUB}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def parse_hub_name(value: object) -> HubName | None:
    """Return what ``hf:OWNER/NAME@REVISION`` names; None for other texts, such as a path.

    Raises:
        UserError: it begins so, and is no name of a repository.

    >>> parse_hub_name("hf:me/model@main"), parse_hub_name("outputs/run")
    (HubName(repository='me/model', revision='main'), None)
    """
    text = str(value).replace("\\", "/") if str(value).startswith(HUBS) else ""  # a Path of Windows
    if not text:
        return None
    repository, at, revision = text.partition(":")[2].partition("@")
    wrong = not REPOSITORY.fullmatch(repository) or (at and not REVISION.fullmatch(revision))
    if wrong or ".." in repository + revision:
        message = f"{text!r} names no repository of the Hugging Face Hub"
        raise UserError(message, code="value", where=text, hint=FORM)
    return HubName(repository, revision or None)
