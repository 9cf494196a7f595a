"""What can be wrong with the settings of the data module, told before anything is read."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chexpert.data.preprocessing import FITS
from chexpert.data.sources.chexpert_plus import SECTIONS
from chexpert.data.sources.detect_layout import VARIANTS, find_layout
from chexpert.data.sources.frame import VIEWS
from chexpert.data.sources.layout import LABELLERS, Layout
from chexpert.errors import ProblemError

CHOICES: dict[str, tuple[str | None, ...]] = {
    "variant": VARIANTS,
    "views": VIEWS,
    "fit": FITS,
    "on_missing": ("stop", "skip"),
    "labeller": (None, *LABELLERS, *SECTIONS),
}
LEAST = {"size": 8, "batch_size": 1, "workers": 0}


def find_wrong_settings(root: object, options: Mapping[str, Any]) -> Iterator[ProblemError]:
    """Everything that is wrong with the settings, and with them for the copy that lies there."""
    yield from _find_unknown(options)
    yield from _find_wrong_numbers(options)
    yield from _find_wrong_parts(options)
    yield from _find_wrong_paths(options)
    augmentation = options.get("augmentation")
    if augmentation is not None and not isinstance(augmentation, Mapping):
        mend = "leave it out, or data.augmentation=null for none"
        yield ProblemError(f"{augmentation!r} is not possible", where="data.augmentation", mend=mend)
    if root is None:
        mend = "give the folder above CheXpert's own: data.root=..., or set CHEXPERT_ROOT"
        yield ProblemError("where is CheXpert?", where="data.root", mend=mend)
    elif isinstance(root, str | Path) and options.get("variant", "auto") in VARIANTS:
        yield from _find_wrong_copy(root, options)


def _find_unknown(options: Mapping[str, Any]) -> Iterator[ProblemError]:
    for key, values in CHOICES.items():
        if key in options and options[key] not in values:
            mend = "one of " + ", ".join("null" if value is None else value for value in values)
            yield ProblemError(f"unknown {key}: {options[key]!r}", where=f"data.{key}", mend=mend)


def _find_wrong_numbers(options: Mapping[str, Any]) -> Iterator[ProblemError]:
    for key, least in LEAST.items():
        if not _is_whole(options.get(key, least), least):
            mend = f"a whole number, at least {least}"
            yield ProblemError(f"{options[key]!r} is not possible", where=f"data.{key}", mend=mend)


def _find_wrong_parts(options: Mapping[str, Any]) -> Iterator[ProblemError]:
    """What is wrong with the parts of the training set that are held out."""
    dev, folds, fold = (options.get(key) for key in ("dev", "folds", "fold"))
    if dev is not None and not (isinstance(dev, float) and 0 < dev < 1):
        yield ProblemError(f"{dev!r} is not possible", where="data.dev", mend="a share between 0 and 1, such as 0.05")
    if dev is not None and folds is not None:
        yield ProblemError("both a development split and folds", where="data.dev, data.folds", mend="give one of them")
    if folds is not None and not _is_whole(folds, 2):
        yield ProblemError(f"{folds!r} is not possible", where="data.folds", mend="a whole number, at least 2")
    elif (folds is None) != (fold is None):
        lacking = "data.fold" if fold is None else "data.folds"
        yield ProblemError("a fold is one of a number of folds", where=lacking, mend=f"give both: {lacking}=...")
    elif folds is not None and not (_is_whole(fold, 0) and fold < folds):
        yield ProblemError(f"there is no fold {fold!r}", where="data.fold", mend=f"0 to {folds - 1}")


def _find_wrong_paths(options: Mapping[str, Any]) -> Iterator[ProblemError]:
    cache, manifest = options.get("cache"), options.get("manifest")
    if cache is not None and (not isinstance(cache, str | Path) or not str(cache) or Path(cache).is_file()):
        what, mend = f"{str(cache)!r} is no folder for the cache", "a folder, made if missing: outputs/cache"
        yield ProblemError(what, where="data.cache", mend=mend)
    if manifest is not None and not (isinstance(manifest, str | Path) and Path(manifest).expanduser().is_file()):
        mend = "write one: python scripts/audit_data.py ROOT --manifest FILE"
        yield ProblemError(f"no manifest there: {manifest}", where="data.manifest", mend=mend)


def _find_wrong_copy(root: str | Path, options: Mapping[str, Any]) -> Iterator[ProblemError]:
    """What the copy that lies there lacks."""
    try:
        layout = find_layout(root, options.get("variant", "auto"))
    except ProblemError as problem:
        yield problem
        return
    yield from _find_lacking(layout, "valid")
    labeller = options.get("labeller")
    if labeller in CHOICES["labeller"] and labeller is not None and labeller not in layout.labellers:
        yield layout.miss(labeller)
    test = options.get("test", False)
    if test is True:
        yield from _find_lacking(layout, "test")
    elif isinstance(test, str | Path):
        try:
            yield from _find_lacking(find_layout(test, where="data.test"), "test")
        except ProblemError as problem:
            yield problem
        if options.get("manifest") is not None:
            what, mend = (
                "a manifest covers one copy, and the test set lies in another",
                "put it beside valid, or leave one",
            )
            yield ProblemError(what, where="data.manifest, data.test", mend=mend)
    elif test is not False:
        yield ProblemError(f"{test!r} is not possible", where="data.test", mend="true, false, or a folder")


def _find_lacking(layout: Layout, split: str) -> Iterator[ProblemError]:
    try:
        layout.require(split)
    except ProblemError as problem:
        yield problem


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
