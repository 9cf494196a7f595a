"""A key that nobody knows, and the one that was probably meant."""

import difflib
from collections.abc import Sequence

from chexpert.errors import UserError
from chexpert.runs.config_keys import RENAMED

TOP_LEVEL = "the top level"


def unknown_key_error(key: str, where: str, known: Sequence[str]) -> UserError:
    """Return the error of an unknown key; its hint is the new name of a renamed one, or the nearest known key.

    Args:
        key: key that is not known, without its group.
        where: place of the key, which begins with the group, or ``TOP_LEVEL``.
        known: keys that are known there.

    Returns:
        The error, for the caller to raise or to collect.
    """
    group = "" if where == TOP_LEVEL else f"{where.partition(' ')[0]}."
    if new := RENAMED.get(f"{group}{key}"):
        return UserError(f"{key} was renamed", code="renamed-key", where=where, hint=f"{new}=...")
    close = difflib.get_close_matches(key, known, n=1)
    hint = (
        f"did you mean {close[0]}?"
        if close
        else f"known are {', '.join(sorted(known))}"
        if known
        else "leave it out: there is none"
    )
    return UserError(f"unknown key {key!r}", code="unknown-key", where=where, hint=hint)
