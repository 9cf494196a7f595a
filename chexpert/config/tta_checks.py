"""Errors in the choice of test-time augmentation."""

import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from chexpert.config.allowed_targets import TARGET, find_target
from chexpert.config.probe_checks import is_probe
from chexpert.errors import UserError

TTA = ("flip", "shift")
"""Words for lists of views; otherwise their number."""
MANY = "10"
NEUTRAL: Mapping[str, Any] = {"rotation": 0, "scale": (1, 1), "shift": 0, "flip": 0}
"""The settings of an augmentation that moves nothing."""


def find_tta_errors(cfg: Mapping[str, Any]) -> Iterator[UserError]:
    """Yield the errors in the ``tta`` of a run."""
    tta = cfg.get("tta")
    if tta is None:
        return
    if error := find_tta_error(tta, "tta"):
        yield error
    elif cfg.get("features") or is_probe(cfg):
        message = "test-time augmentation needs images, and features stand for them"
        hint = "tta=null, or model=single" if is_probe(cfg) else "tta=null, or features=null"
        yield UserError(message, code="conflict", where="features, tta", hint=hint)
    elif (possible := list_other_tta(tta, (cfg.get("data") or {}).get("augmentation"))) is not None:
        key = f"data.augmentation{'.' + tta if tta in TTA else ''}"
        words = [*(f"tta={other}" for other in possible), "tta=null"]
        message = f"the model is trained without {describe_need(tta)}"
        yield UserError(message, code="conflict", where=f"tta, {key}", hint=" or ".join(words))


def check_tta(tta: object, augmentation: Mapping[str, Any] | None) -> None:
    """Check the ``--tta`` of a prediction against the augmentation of the model's training.

    Raises:
        UserError: the model has not seen such views.
    """
    possible = list_other_tta(tta, augmentation)
    if possible is None:
        return
    hint = " or ".join([*(f"--tta {other}" for other in possible), "without --tta"])
    message = f"the model was trained without {describe_need(tta)}"
    raise UserError(message, code="conflict", where=f"--tta {tta}", hint=hint)


def find_tta_error(tta: object, where: str) -> UserError | None:
    """Return the error in a choice of views, apart from the model."""
    known = f"{', '.join(TTA)}, or a number of views, 2 or more"
    if isinstance(tta, str) and tta not in TTA:
        near = get_close_matches(tta.lower(), TTA, n=1)
        hint = f"did you mean {near[0]}?" if near else known
        return UserError(f"unknown {where.lstrip('-')}: {tta!r}", code="choice", where=where, hint=hint)
    if isinstance(tta, bool) or (not isinstance(tta, str) and not (isinstance(tta, int) and tta >= 2)):
        return UserError(f"{tta!r} is not possible", code="value", where=where, hint=known)
    return None


def list_other_tta(tta: object, augmentation: Mapping[str, Any] | None) -> list[str] | None:
    """Return the choices that a model can have instead of ``tta``, as typed; None where it can have that.

    A model sees no views of a kind that it has not seen in training.

    Args:
        tta: choice without an error of its own.
        augmentation: node of the training's augmentation, None without one.
    """
    settings = read_geometry(augmentation)
    if settings is None:
        return None
    moves = any(_as_pair(settings[key]) != _as_pair(NEUTRAL[key]) for key in NEUTRAL)
    possible = [*(word for word in TTA if settings[word]), *[MANY] * moves]
    return None if str(tta) in possible or (isinstance(tta, int) and moves) else possible


def read_geometry(augmentation: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the settings of an augmentation's geometry, with the defaults of its class; None where it has an error.

    A class of the user's may have another geometry: what it has no argument for is None.
    """
    if not augmentation or TARGET not in augmentation:
        return NEUTRAL
    try:
        parameters = inspect.signature(find_target(augmentation, "data.augmentation")).parameters
    except UserError:  # reported where the node stands
        return None
    return {key: augmentation.get(key, parameters[key].default if key in parameters else None) for key in NEUTRAL}


def _as_pair(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def describe_need(tta: object) -> str:
    """Return in words what a training must have had."""
    return {"flip": "flips", "shift": "shifts"}.get(str(tta), "random geometry")
