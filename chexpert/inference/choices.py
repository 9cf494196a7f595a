"""What the commands and the Python API let a user choose from, and the checks of a choice."""

import re
from collections.abc import Sequence
from numbers import Integral, Real

from chexpert.errors import UserError
from chexpert.observations import HIGHEST_ERROR_RATE, STUDY_SCORES

LEVELS = ("image", "study")
GATES = ("flag", "refuse", "off")
"""What becomes of images that a run's gate finds: they are listed, get no probabilities, or are not looked for."""
IDS = ("hash", "path")
"""How an image is called in tables and plots: by a salted hash, or by its name."""
COLUMNS = ("competition", "all")
"""Observations of a table of predictions."""


def check_options(
    *, level: str, views: str, calibrated: bool, observations: str, ids: str, batch_size: int | None,
    num_workers: int | None, tta: object = None, sets: object = None, gate: str = "flag",
) -> None:  # fmt: skip
    """Check the options of a prediction that need neither the run nor the images.

    Raises:
        UserError: one is none of its choices, or no number that it can be.
    """
    check_choice("level", level, LEVELS)
    check_choice("views", views, STUDY_SCORES)
    check_choice("observations", observations, COLUMNS)
    check_choice("ids", ids, IDS)
    check_choice("gate", gate, GATES)
    if not isinstance(calibrated, bool):
        raise UserError(
            f"calibrated is not possible: {calibrated!r}", code="value", where="calibrated", hint="True or False"
        )
    if tta is not None:
        _check_tta(tta, calibrated=calibrated)
    if sets is not None:
        _check_sets(sets, tta)
    check_count("batch_size", batch_size, 1)
    check_count("num_workers", num_workers, 0)


def parse_tta(tta: object) -> object:
    """Return a number that is written as a text as a number, all else as it is.

    >>> parse_tta("10"), parse_tta("flip"), parse_tta(None)
    (10, 'flip', None)
    """
    return int(tta) if isinstance(tta, str) and re.fullmatch(r"-?[0-9]+", tta) else tta


def _check_tta(tta: object, *, calibrated: bool) -> None:
    from chexpert.config import find_tta_error  # loads hydra: not for those who read metrics

    if error := find_tta_error(tta, "--tta"):
        raise error
    if calibrated:
        message = "the calibration is of probabilities without test-time augmentation"
        hint = "without --calibrated, or without --tta"
        raise UserError(message, code="other-calibration", where=f"--tta {tta}", hint=hint)


def _check_sets(sets: object, tta: object) -> None:
    if isinstance(sets, bool) or not isinstance(sets, Real) or not 0 < float(sets) < HIGHEST_ERROR_RATE:
        message = f"an error rate lies between 0 and {HIGHEST_ERROR_RATE}, both excluded"
        raise UserError(message, code="value", where=f"--sets {sets}", hint="--sets 0.1")
    if tta is not None:
        message = "prediction sets are of probabilities without test-time augmentation"
        hint = "without --sets, or without --tta"
        raise UserError(message, code="other-calibration", where=f"--tta {tta}", hint=hint)


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Check that the argument ``name`` is one of its choices.

    Raises:
        UserError: it is another text, or no text.
    """
    if not (isinstance(value, str) and value in choices):
        hint = f"one of {', '.join(choices)}"
        raise UserError(f"{name} is not possible: {value!r}", code="choice", where=name, hint=hint)


def check_count(name: str, value: object, least: int) -> None:
    """Check that the argument ``name`` is None or a whole number, ``least`` or more.

    Raises:
        UserError: it is another number, or none.
    """
    if value is None or (isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least):
        return
    hint = f"a whole number, at least {least}"
    raise UserError(f"{name} is not possible: {value!r}", code="value", where=name, hint=hint)


def hides_names(ids: str) -> bool:
    """Check ``ids``, and return whether names become hashes: only ``path`` shows them.

    Raises:
        UserError: it is neither ``hash`` nor ``path``.
    """
    check_choice("ids", ids, IDS)
    return ids != "path"
