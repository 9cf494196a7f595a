"""What a user can fix: the one exception that is shown without a traceback."""

import errno
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from chexpert.console import show

# What went wrong, in a word or two that stay the same when a message is worded anew; ``where`` says at what.
Code = Literal[
    # settings and options
    "command-line",  # words that the command does not know, with those that were probably meant
    "value",  # out of its range, or of another type
    "choice",  # not one of a list
    "conflict",  # with another setting
    "unused-setting",
    "unknown-key",
    "renamed-key",
    "unresolved",  # an interpolation, or a missing value
    "not-composed",  # by Hydra
    "hydra-syntax",
    "missing-argument",
    "not-installed",  # an optional library
    "reserved-argument",  # set by the run itself
    "untrusted-target",
    "own-module",  # of the user, which cannot be imported
    "unknown-target",
    "wrong-base",  # a class of the user's own module that is of another kind
    "missing-method",
    "not-built",
    "not-compiled",
    "search",  # the space or the sampler of a search
    "storage",  # of a search's trials, or of a tracker
    "level",  # image or study
    # files
    "missing-file",
    "missing-folder",
    "not-a-file",
    "not-empty",  # what would be overwritten
    "unreadable-file",
    "damaged-file",
    "damaged-cache",
    "changed-file",
    "write-failed",  # by the disk
    "not-writable",  # a place that was named for files
    "file-name",
    "input-kind",
    "outside-root",
    "download",
    "file-size",
    "no-access",  # to a repository: no token, or one without the right
    "license",
    # tables
    "not-csv",
    "empty-table",
    "field-count",
    "cell",
    "missing-column",
    "ambiguous-column",
    "ambiguous-row",
    "repeated",
    "manifest-line",
    # the dataset
    "missing-dataset",
    "ambiguous-dataset",
    "missing-table",
    "missing-image",
    "ambiguous-image",
    "unreadable-image",
    "image-size",
    "missing-labels",
    "label-conflict",
    "label-rule",
    "missing-split",
    "missing-view",
    "unknown-view",
    "unknown-group",
    "shared-patients",
    "too-few",
    # runs, checkpoints and predictions
    "missing-run",
    "missing-recipe",
    "not-a-checkpoint",
    "old-checkpoint",
    "newer-version",
    "other-model",
    "other-weights",
    "ambiguous-weights",  # several of one name
    "other-config",
    "other-data",
    "other-preprocessing",
    "other-observations",
    "other-rows",
    "other-calibration",
    "missing-calibration",
    "unknown-observation",
    "missing-observation",
    "not-probability",
    "not-comparable",
    "no-overlap",
    "no-expectation",
    "no-result",
    "failed-run",
    "running",
    # models and explanations
    "unknown-backbone",
    "feature-map",
    "explainer",
    "missing-map",
    "mask-size",
    "batch-size",
    "nan",  # or infinity
    # the machine
    "device",
    "out-of-memory",
    "shared-memory",
    "socket-path",
    "port",  # of a server: in use, or not to be taken
    "no-process",
    "dead-process",
    "stalled",
    "several",  # errors, each with its own code
]

FAILURES: frozenset[Code] = frozenset({
    "changed-file", "damaged-cache", "dead-process", "failed-run", "missing-image", "nan", "no-process", "no-result",
    "not-a-file", "out-of-memory", "shared-memory", "socket-path", "stalled", "unreadable-image", "write-failed",
})  # fmt: skip
"""Codes of errors in a command's work: in its data or on its machine. All others are wrong use of the command."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""Numbers of system errors of a disk that takes nothing any more."""


OWN = "the options: "
"""Before the place of an error that a class finds in its options: it does not know under which key they stand."""


class UserError(Exception):
    r"""An error in the input, in one message: what is wrong, where, and the hint.

    >>> error = UserError("label '2' is not 1, 0 or -1", code="cell", where="train.csv, line 7", hint="correct it")
    >>> str(error)
    "label '2' is not 1, 0 or -1\n  where: train.csv, line 7\n  hint:  correct it"
    """

    code: Code

    def __init__(self, message: str, *, code: Code, where: str = "", hint: str = "") -> None:
        self.code = code
        message, where, hint = (show(str(text)).replace("\r", r"\r") for text in (message, where, hint))
        self.message, self.where, self.hint = message, where, hint
        lines = [message]
        if where:
            lines.append(f"  where: {where}")
        if hint:
            lines.append(f"  hint:  {hint}")
        super().__init__("\n".join(lines))

    def within(self, place: object) -> "UserError":
        """Return the error at its place in another: in a file, or as a key below a node where it is one of options.

        A hint names the setting likewise.
        """
        own = self.where.startswith(OWN)
        where = f"{place}.{self.where.removeprefix(OWN)}" if own else ", ".join(filter(None, [str(place), self.where]))
        # model.backbone is interpolated from backbone, and is set there
        node = "backbone" if place == "model.backbone" else place
        return UserError(self.message, code=self.code, where=where, hint=self.hint.replace(OWN, f"{node}."))

    def _render_traceback_(self) -> list[str]:
        """The message alone, for Jupyter and IPython: the error lies in what was typed, not in the code."""
        return [f"{type(self).__name__}: {self}"]

    def at_option(self) -> "UserError":
        """Return the error with its place as an option of the command line, where it is one of a class's options."""
        where, hint = (text.replace(OWN, "--") for text in (self.where, self.hint))
        return UserError(self.message, code=self.code, where=where, hint=hint)

    def __reduce__(self) -> tuple[Any, ...]:  # an exception is copied to another process by its text alone otherwise
        return partial(type(self), code=self.code, where=self.where, hint=self.hint), (self.message,)


class UserErrors(UserError):  # noqa: N818 - a plural
    r"""Several errors, one below the other.

    Args:
        errors: two or more.
        end: text below them.

    >>> str(UserErrors([UserError("unknown key", code="unknown-key", where=key) for key in ("data.a", "data.b")]))
    'unknown key\n  where: data.a\nunknown key\n  where: data.b'
    """

    def __init__(self, errors: Sequence[UserError], *, end: str = "") -> None:
        self.errors, self.end = tuple(errors), end
        super().__init__("\n".join(map(str, errors)) + end, code="several")

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(UserErrors, end=self.end), (self.errors,)


def raise_errors(errors: Sequence[UserError]) -> None:
    """Raise an error that holds all of these; of one, that one; of none, nothing.

    Raises:
        UserError: there is at least one.
    """
    if errors:
        raise errors[0] if len(errors) == 1 else UserErrors(errors)


def get_exit_code(error: UserError | OSError) -> int:
    """Return the exit code of a command that ends in this error: 1 where its work failed, 2 where it was used wrongly.

    >>> get_exit_code(UserError("the loss is nan", code="nan")), get_exit_code(FileNotFoundError("a.csv"))
    (1, 2)
    """
    if isinstance(error, UserErrors):
        return max(map(get_exit_code, error.errors))
    if isinstance(error, UserError):
        return 1 if error.code in FAILURES else 2
    return 1 if error.errno in FULL else 2


def find_write_code(error: OSError) -> Code:
    """Return the code of an error in writing to a place that somebody has named."""
    return "write-failed" if error.errno in FULL else "not-writable"


def advise_extra(extra: str) -> str:
    """Return the command that installs an optional dependency beside the installed package.

    >>> advise_extra("sweep")
    "pip install 'chexpert[sweep]'"
    """
    return f"pip install 'chexpert[{extra}]'"
