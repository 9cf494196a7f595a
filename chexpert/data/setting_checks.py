"""Checks of the settings of the data module, before anything is read."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chexpert.data.preprocessing import FITS
from chexpert.data.sources.chexpert_plus import SECTIONS
from chexpert.data.sources.detect_layout import VARIANTS, find_layout
from chexpert.data.sources.external import SETS
from chexpert.data.sources.frame import VIEWS
from chexpert.data.sources.layout import LABELERS, Layout
from chexpert.data.sources.splits import check_families
from chexpert.errors import UserError
from chexpert.image_size import ImageSize

CHOICES: dict[str, tuple[str | None, ...]] = {
    "variant": VARIANTS,
    "views": VIEWS,
    "resize_mode": FITS,
    "on_missing": ("stop", "skip"),
    "labeler": (None, *LABELERS, *SECTIONS, *(name for data_set in SETS.values() for name in data_set.labelers)),
}
LEAST = {"batch_size": 1, "num_workers": 0}
SMALL = "contains CheXpert-v1.0-small"
LEAST_PIXELS = 8
"""On each side of an image."""


def find_wrong_settings(root: object, options: Mapping[str, Any]) -> Iterator[UserError]:
    """Yield all errors in the settings, and in them for the dataset that lies there."""
    yield from _find_unknown(options)
    yield from _find_wrong_numbers(options)
    yield from _find_wrong_size(options.get("image_size", LEAST_PIXELS))
    yield from _find_wrong_parts(options)
    yield from _find_wrong_paths(options)
    augmentation = options.get("augmentation")
    if augmentation is not None and not isinstance(augmentation, Mapping):
        hint = "leave it out, or data.augmentation=null for none"
        yield UserError(f"{augmentation!r} is not possible", code="value", where="data.augmentation", hint=hint)
    if root is None:
        external = SETS.get(str(options.get("variant")))
        holds, place = ("holds " + external.expected, external.root_variable) if external else (SMALL, "CHEXPERT_ROOT")
        hint = f"give the folder that {holds}: data.root=..., or set {place}"
        yield UserError("data.root is not set", code="missing-dataset", where="data.root", hint=hint)
    elif isinstance(root, str | Path) and options.get("variant", "auto") in VARIANTS:
        yield from _find_wrong_copy(root, options)


def _find_unknown(options: Mapping[str, Any]) -> Iterator[UserError]:
    for key, values in CHOICES.items():
        if key in options and options[key] not in values:
            hint = "one of " + ", ".join("null" if value is None else value for value in values)
            yield UserError(f"unknown {key}: {options[key]!r}", code="choice", where=f"data.{key}", hint=hint)


def _find_wrong_numbers(options: Mapping[str, Any]) -> Iterator[UserError]:
    for key, least in LEAST.items():
        if not _is_whole(options.get(key, least), least):
            hint = f"a whole number, at least {least}"
            yield UserError(f"{options[key]!r} is not possible", code="value", where=f"data.{key}", hint=hint)
    limit = options.get("skip_limit", 0)
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not 0 <= limit <= 1:
        hint = "a share of the views of a split, from 0 to 1, such as 0.01"
        yield UserError(f"{limit!r} is not possible", code="value", where="data.skip_limit", hint=hint)


def _find_wrong_size(size: object) -> Iterator[UserError]:
    with suppress(ValueError):
        if min(ImageSize.of(size)) >= LEAST_PIXELS:
            return
    hint = f"a whole number for a square, or [HEIGHT,WIDTH], such as [384,320]; each at least {LEAST_PIXELS} pixels"
    yield UserError(f"{size!r} is not possible", code="value", where="data.image_size", hint=hint)


def _find_wrong_parts(options: Mapping[str, Any]) -> Iterator[UserError]:
    """What is wrong with the parts of the training set that are held out."""
    dev, folds, fold = (options.get(key) for key in ("dev", "folds", "fold"))
    if dev is not None and not (isinstance(dev, float) and 0 < dev < 1):
        yield UserError(
            f"{dev!r} is not possible", code="value", where="data.dev", hint="a share between 0 and 1, such as 0.05"
        )
    if dev is not None and folds is not None:
        yield UserError(
            "both a development split and folds", code="conflict", where="data.dev, data.folds", hint="give one of them"
        )
    if folds is not None and not _is_whole(folds, 2):
        yield UserError(
            f"{folds!r} is not possible", code="value", where="data.folds", hint="a whole number, at least 2"
        )
    elif (folds is None) != (fold is None):
        lacking = "data.fold" if fold is None else "data.folds"
        yield UserError(
            "a fold is one of a number of folds", code="conflict", where=lacking, hint=f"give both: {lacking}=..."
        )
    elif folds is not None and not (_is_whole(fold, 0) and fold < folds):
        yield UserError(f"there is no fold {fold!r}", code="value", where="data.fold", hint=f"0 to {folds - 1}")


def _find_wrong_paths(options: Mapping[str, Any]) -> Iterator[UserError]:
    cache, manifest = options.get("cache"), options.get("manifest")
    if cache is not None and (not isinstance(cache, str | Path) or not str(cache) or Path(cache).is_file()):
        message, hint = f"{str(cache)!r} is no folder for the cache", "a folder, made if missing: outputs/cache"
        yield UserError(message, code="value", where="data.cache", hint=hint)
    if manifest is not None and not (isinstance(manifest, str | Path) and Path(manifest).expanduser().is_file()):
        hint = "write one: chexpert audit ROOT --manifest FILE"
        yield UserError(f"no manifest there: {manifest}", code="missing-file", where="data.manifest", hint=hint)
    yield from _find_wrong_corrections(options.get("corrections"), options.get("correct_evaluated", False))


def _find_wrong_corrections(corrections: object, evaluated: object) -> Iterator[UserError]:
    if corrections is not None and not (
        isinstance(corrections, str | Path) and Path(corrections).expanduser().is_file()
    ):
        hint = "list labels to correct: chexpert audit-labels RUN --out FOLDER"
        yield UserError(
            f"no corrections there: {corrections}", code="missing-file", where="data.corrections", hint=hint
        )
    if not isinstance(evaluated, bool):
        message = f"{evaluated!r} is not possible"
        yield UserError(message, code="value", where="data.correct_evaluated", hint="true or false")
    elif evaluated and corrections is None:
        hint = "give the file too: data.corrections=FILE"
        yield UserError("nothing is corrected", code="unused-setting", where="data.correct_evaluated", hint=hint)


def _find_wrong_copy(root: str | Path, options: Mapping[str, Any]) -> Iterator[UserError]:
    """What the copy that lies there lacks."""
    try:
        layout = find_layout(root, options.get("variant", "auto"))
    except UserError as error:
        yield error
        return
    yield from _find_lacking(layout, "valid")
    labeler = options.get("labeler")
    if labeler in CHOICES["labeler"] and labeler is not None and labeler not in layout.labelers:
        yield layout.miss(labeler)
    test = options.get("test", False)
    if test is True:
        yield from _find_lacking(layout, "test")
    elif isinstance(test, str | Path):
        try:
            other = find_layout(test, where="data.test")
            yield from _find_lacking(other, "test")
            check_families({"train": layout, "test": other})
        except UserError as error:
            yield error
        if options.get("manifest") is not None:
            message, hint = (
                "a manifest covers one copy, and the test set lies in another",
                "put it beside valid, or leave one",
            )
            yield UserError(message, code="conflict", where="data.manifest, data.test", hint=hint)
    elif test is not False:
        yield UserError(f"{test!r} is not possible", code="value", where="data.test", hint="true, false, or a folder")


def _find_lacking(layout: Layout, split: str) -> Iterator[UserError]:
    try:
        layout.require(split)
    except UserError as error:
        yield error


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
