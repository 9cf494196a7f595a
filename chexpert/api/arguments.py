"""Arguments of the Python API: their types, and their names in the errors of the commands' code."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chexpert.errors import UserError, UserErrors

ARGUMENTS = {
    "--batch-size": "batch_size",
    "--calibrated": "calibrated",
    "--config-dir": "config_dir",
    "--explainer": "explainer",
    "--gate": "gate",
    "--ids": "ids",
    "--level": "level",
    "--observations": "observations",
    "--root": "root",
    "--sets": "sets",
    "--study-score": "views",
    "--tta": "tta",
    "--workers": "num_workers",
}
"""The API's arguments, by the option of the command line."""
NUMBERS = ("sets",)
"""Arguments whose value is no text."""
PLACE = re.compile(r"^(--[a-z-]+)(?: (.+))?$", re.DOTALL)
HINT = re.compile(r"(?<!\S)(--[a-z-]+)(?: ([^\s,;]+))?")


def read_path(name: str, value: object) -> Path:
    """Return the path that the argument ``name`` has, with ``~`` resolved.

    Raises:
        UserError: it is no path, or starts with the home folder of an unknown user.
    """
    if not isinstance(value, str | os.PathLike):
        message = f"{name} is a path, and not of type {type(value).__name__}"
        raise UserError(message, code="value", where=name, hint="give a text or a pathlib.Path")
    path = Path(value)
    try:
        return path.expanduser()
    except RuntimeError as error:
        hint = "write the whole path, from / on"
        raise UserError(f"no home folder: {path}", code="missing-folder", where=name, hint=hint) from error


def read_texts(name: str, value: object) -> list[str]:
    """Return the texts that the argument ``name`` has: one, or a sequence of them.

    Raises:
        UserError: it is something else.
    """
    texts = [value] if isinstance(value, str) else value
    if isinstance(texts, Sequence) and all(isinstance(text, str) for text in texts):
        return list(texts)
    message = f"{name} are texts, and not {value!r}"
    raise UserError(message, code="value", where=name, hint='as in "trainer.max_epochs=3"')


def check_text(name: str, value: object) -> None:
    """Check that the argument ``name`` is a text.

    Raises:
        UserError: it is something else.
    """
    if not isinstance(value, str):
        message = f"{name} is one name, and not of type {type(value).__name__}"
        raise UserError(message, code="value", where=name, hint="give one name, as a text")


@contextmanager
def naming_arguments() -> Iterator[None]:
    """Name the API's arguments in errors of the commands' code, where these name options."""
    try:
        yield
    except UserError as error:
        raise rename_options(error) from error.__cause__


def rename_options(error: UserError) -> UserError:
    """Return an error with the API's arguments in place of the command line's options.

    >>> error = UserError("of the max", code="other-calibration", where="--study-score mean", hint="--study-score max")
    >>> rename_options(error).where, rename_options(error).hint
    ("views='mean'", "views='max'")
    """
    if isinstance(error, UserErrors):
        return UserErrors([rename_options(one) for one in error.errors], end=error.end)
    where = PLACE.sub(_rename, error.where)
    hint = error.hint if "chexpert " in error.hint else HINT.sub(_rename, error.hint)  # a command has options
    return UserError(error.message, code=error.code, where=where, hint=hint)


def _rename(match: re.Match[str]) -> str:
    name, value = ARGUMENTS.get(match[1]), match[2]
    if name is None:
        return match[0]
    return name if value is None else f"{name}={value if name in NUMBERS else repr(value)}"
