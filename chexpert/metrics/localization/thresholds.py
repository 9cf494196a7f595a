"""Thresholds and probability cut-offs, one an observation: chosen on a set of images, or read from a table."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from chexpert.errors import UserError
from chexpert.metrics.localization.mask_counts import MaskCounts
from chexpert.metrics.localization.overlap import Threshold
from chexpert.metrics.localization.segmentations import SPELLED
from chexpert.observations import OUTSIDE
from chexpert.runs.read import read_mapping
from chexpert.tables.csv_text import read_records

THRESHOLDS: tuple[float, ...] = tuple(np.arange(0.2, 0.8, 0.1).tolist())
"""Of a map in [0, 1]; those that CheXlocalize tries, by its own expression: seven with 0.8, since 0.1 is inexact."""

CUTOFFS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Of the probability, below which the predicted mask is empty; likewise."""

TABLE = "the JSON file of chexpert localize --threshold tuned, or a tuning_results.csv"

Setting = float | Literal["otsu", "tuned"] | Mapping[str, float]
"""One value for all observations, a way to find it, or one value for each observation."""

Candidate = TypeVar("Candidate", float, Threshold)

Candidates = Sequence[float] | Literal["exact"]
"""What ``tuned`` tries; ``exact``: every value of the maps (:mod:`chexpert.metrics.localization.exact_threshold`)."""


class Choice(NamedTuple):
    """What an observation is segmented by.

    Of ``tuned_images``, images with a map, the choice rests on so many; None if it was given.
    """

    threshold: Threshold
    cutoff: float
    tuned_images: int | None = None


def list_thresholds(setting: Setting, tried: Mapping[str, Sequence[float]]) -> Callable[[str], Sequence[Threshold]]:
    """Return the thresholds at which an observation's maps must be counted, as a function of its name.

    Args:
        setting: one for all, one for each observation, or ``tuned``.
        tried: by observation, what ``tuned`` chooses from; ``THRESHOLDS`` for those not in it.
    """
    if setting == "tuned":
        return lambda name: tried.get(name, THRESHOLDS)
    if isinstance(setting, Mapping):
        return lambda name: [_find(setting, name)]
    return lambda _: [setting]


def list_lacking(settings: Sequence[Setting]) -> list[str]:
    """Return the observations beyond CheXlocalize's ten that a table of thresholds or cut-offs has no row for.

    A table of CheXlocalize has the ten alone.
    """
    tables = [setting for setting in settings if isinstance(setting, Mapping)]
    return [name for name in OUTSIDE if any(name not in table for table in tables)]


def choose(
    mask_counts: MaskCounts | None, thresholds: Sequence[Threshold], name: str, threshold: Setting, cutoff: Setting
) -> Choice:
    """Choose the threshold that is best on true positives, then with it the best cut-off over all images.

    The first among equals, and the first of all where none can be evaluated. A cut-off is tuned by the very value that
    is reported, so a view of the ground truth without a map counts as a miss.

    Args:
        mask_counts: of the observation on the set to tune on; None if it does not occur there.
        thresholds: at which they were counted.
        name: of the observation.
        threshold: ``tuned``, or given.
        cutoff: likewise.
    """
    cutoffs = CUTOFFS if cutoff == "tuned" else [_find(cutoff, name) if isinstance(cutoff, Mapping) else float(cutoff)]
    if "tuned" not in (threshold, cutoff):
        return Choice(thresholds[0], cutoffs[0])
    if mask_counts is None or not mask_counts.given.any():
        return Choice(thresholds[0], cutoffs[0], 0)
    best = _best(thresholds, lambda each: mask_counts.ious(each, 0, true_positives_only=True))
    best_cutoff = _best(cutoffs, lambda each: mask_counts.ious(best, each, true_positives_only=False))
    ious = mask_counts.ious(best, best_cutoff, true_positives_only=cutoff != "tuned")
    return Choice(best, best_cutoff, int((np.isfinite(ious) & mask_counts.given).sum()))


def _best(candidates: Sequence[Candidate], ious: Callable[[Candidate], np.ndarray]) -> Candidate:
    means = [mean_iou(ious(candidate)) for candidate in candidates]
    return candidates[int(np.nanargmax(means))] if np.isfinite(means).any() else candidates[0]


def mean_iou(ious: np.ndarray) -> float:
    """Compute the mean over the images for which it is defined; NaN if there is none."""
    defined = ious[np.isfinite(ious)]
    return float(defined.mean()) if len(defined) else math.nan


def read_threshold(text: str) -> Setting:
    """Return ``otsu``, ``tuned``, a value, or the table of the file with this name.

    Raises:
        UserError: it is none of them.
    """
    return text if text in ("otsu", "tuned") else _read_setting(text, read_thresholds, "otsu, tuned", "--threshold")  # type: ignore[return-value]


def read_candidates(texts: Sequence[str]) -> Candidates:
    """Return what ``tuned`` tries, of the words of --thresholds: ``exact`` alone, or numbers in [0, 1].

    Raises:
        UserError: it is neither.
    """
    if list(texts) == ["exact"]:
        return "exact"
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = []
    if not values or not all(0 <= value <= 1 for value in values):
        message, hint = f"{' '.join(texts)} is not possible", "numbers in [0, 1], or exact alone"
        raise UserError(message, code="value", where="--thresholds", hint=hint)
    return values


def describe_candidates(candidates: Candidates) -> str:
    """Describe how thresholds are tuned, and whether CheXlocalize does it so."""
    if candidates == "exact":
        return "the exact search over all thresholds, not CheXlocalize's procedure"
    values = ", ".join(f"{value:.6g}" for value in candidates)
    theirs = np.array_equal(np.array([*candidates], "float32"), np.array(THRESHOLDS, "float32"))  # the type of maps
    return f"{values}, {'as' if theirs else 'not as'} in CheXlocalize"


def read_cutoff(text: str) -> Setting:
    """Return ``tuned``, a value, or the table of the file with this name.

    Raises:
        UserError: it is none of them.
    """
    return "tuned" if text == "tuned" else _read_setting(text, read_cutoffs, "tuned", "--probability-cutoff")


def _read_setting(text: str, read: Callable[[str], dict[str, float]], words: str, where: str) -> Setting:
    try:
        value = float(text)
    except ValueError:
        if not Path(text).exists():
            message = f"{text} is not {words}, a number in [0, 1], or a file: no such file"
            raise UserError(message, code="choice", where=where, hint="correct its spelling") from None
        return read(text)
    if not 0 <= value <= 1:
        raise UserError(f"{text} is not possible", code="value", where=where, hint="a number in [0, 1]")
    return value


def read_thresholds(path: str | Path) -> dict[str, float]:
    """Read thresholds by observation.

    Args:
        path: the JSON file that ``chexpert localize`` wrote, or CheXlocalize's tuning_results.csv: columns threshold
            and task.

    Raises:
        UserError: no such file, or not of this form.
    """
    if Path(path).suffix == ".json":
        return _read_table(Path(path))
    return {name: threshold for name, threshold, _ in _read(path, "threshold")}


def _read_table(path: Path) -> dict[str, float]:
    """The thresholds in the table that chexpert localize wrote, of observations that have a number there."""
    rows = read_mapping(path, f"give {TABLE}")
    found = {name: row.get("threshold") for name, row in rows.items() if isinstance(row, Mapping)}
    known = {name: float(value) for name, value in found.items() if isinstance(value, int | float) and 0 <= value <= 1}
    if not known:
        message = "no threshold that is a number"
        raise UserError(message, code="missing-column", where=str(path), hint=f"give {TABLE}")
    return known


def read_cutoffs(path: str | Path) -> dict[str, float]:
    """Read CheXlocalize's probability_tuning_results.csv by observation: the best cut-off of each task.

    Its columns are prob_threshold, mIoU and task.

    Raises:
        UserError: no such file, or not of this form.
    """
    best: dict[str, tuple[float, float]] = {}
    for name, cutoff, miou in _read(path, "prob_threshold", "mIoU"):
        if not math.isnan(miou) and (name not in best or miou > best[name][1]):
            best[name] = cutoff, miou
    return {name: cutoff for name, (cutoff, _) in best.items()}


def _read(path: str | Path, value: str, score: str = "") -> list[tuple[str, float, float]]:
    hint = f"a table with the columns {', '.join(filter(None, [value, score, 'task']))}"
    records = read_records(Path(path))
    if missing := [name for name in filter(None, [value, score, "task"]) if name not in records.header]:
        message = f"no column {', '.join(missing)}"
        raise UserError(message, code="missing-column", where=f"{path}, line 1", hint=hint)
    if not records.rows:
        raise UserError("no row in the table", code="empty-table", where=str(path), hint=hint)
    named = [dict(zip(records.header, row, strict=True)) for row in records.rows]
    rows = [
        _read_row(row, f"{path}, line {line}", value, score) for row, line in zip(named, records.lines, strict=True)
    ]
    records.notes.print()
    return rows


def _read_row(row: Mapping[str, str], where: str, value: str, score: str) -> tuple[str, float, float]:
    try:
        task, number = row["task"].strip(), float(row[value])
        if not 0 <= number <= 1:
            raise ValueError(f"{value} {number} is not in [0, 1]")
        return SPELLED.get(task, task), number, float(row[score]) if score else 0.0
    except ValueError as error:
        raise UserError(str(error), code="cell", where=where, hint="a number") from error


def _find(setting: Mapping[str, float], name: str) -> float:
    if name not in setting:
        raise UserError(
            f"the table of thresholds or cut-offs has no {name}", code="missing-observation", hint="add a row for it"
        )
    return setting[name]
