"""A key that nobody knows, and the one that was probably meant."""

import difflib
from collections.abc import Sequence

from chexpert.errors import UserError


def unknown_key_error(key: str, where: str, known: Sequence[str]) -> UserError:
    close = difflib.get_close_matches(key, known, n=1)
    hint = (
        f"did you mean {close[0]}?"
        if close
        else f"known are {', '.join(sorted(known))}"
        if known
        else "leave it out: there is none"
    )
    return UserError(f"unknown key {key!r}", where=where, hint=hint)
