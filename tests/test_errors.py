"""Errors that a user can fix: their places, their exit codes, and their way from one process to another."""

import errno
import pickle
from typing import get_args

import pytest

from chexpert.errors import FAILURES, Code, UserError, UserErrors, get_exit_code, raise_errors

NAN = UserError("the loss is nan", code="nan", where="epoch 1")
VALUE = UserError("-1 is not possible", code="value", where="seed", hint="0 or more")


def test_error_is_the_same_in_another_process():
    copied = pickle.loads(pickle.dumps(VALUE))
    assert (copied.message, copied.code, copied.where, copied.hint) == (VALUE.message, "value", "seed", "0 or more")
    assert str(copied) == str(VALUE)


def test_several_errors_keep_their_codes_in_another_process():
    copied = pickle.loads(pickle.dumps(UserErrors([NAN, VALUE], end="\nend")))
    assert [error.code for error in copied.errors] == ["nan", "value"]
    assert (copied.code, str(copied)) == ("several", f"{NAN}\n{VALUE}\nend")


def test_one_error_is_raised_as_it_is_and_none_is_not():
    raise_errors([])
    with pytest.raises(UserError) as caught:
        raise_errors([NAN])
    assert caught.value is NAN
    with pytest.raises(UserErrors):
        raise_errors([NAN, VALUE])


@pytest.mark.parametrize(("where", "place"), [("the options: seed", "data.seed"), ("seed", "data, seed"), ("", "data")])
def test_place_is_within_another(where, place):
    assert UserError("wrong", code="value", where=where).within("data").where == place


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NAN, 1),
        (VALUE, 2),
        (UserErrors([NAN, NAN]), 1),
        (UserErrors([NAN, VALUE]), 2),
        (OSError(errno.ENOSPC, "full"), 1),
        (FileNotFoundError(errno.ENOENT, "missing"), 2),
        (PermissionError(errno.EACCES, "denied"), 2),
    ],
)
def test_exit_code_says_if_the_work_failed_or_the_use_was_wrong(error, code):
    assert get_exit_code(error) == code


def test_codes_of_failures_are_codes():
    assert {*get_args(Code)} > FAILURES


def test_jupyter_shows_the_message_alone():
    error = UserError("label '2' is not 1, 0 or -1", code="cell", where="train.csv, line 7")
    assert error._render_traceback_() == [f"UserError: {error}"]
