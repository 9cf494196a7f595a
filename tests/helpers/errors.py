"""Errors that tests expect: by their code and place, since their sentences may change."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chexpert.errors import Code, UserError


@contextmanager
def raises(code: Code, where: object = None) -> Iterator[pytest.ExceptionInfo[UserError]]:
    """Expect a UserError of this code, and at exactly this place if one is given (a path, or the key of a setting)."""
    with pytest.raises(UserError) as caught:
        yield caught
    assert caught.value.code == code
    if where is not None:
        assert caught.value.where == str(where)


def find_places(printed: str) -> list[str]:
    """Return the places of the errors that a command printed, in their order."""
    return re.findall(r"^ +where: (.*)$", printed, re.MULTILINE)
