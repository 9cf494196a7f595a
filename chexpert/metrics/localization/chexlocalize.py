"""CheXlocalize's table from files: masks against segmentations, or against attribution maps."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.metrics.localization.exact_threshold import search_thresholds
from chexpert.metrics.localization.map_files import MapFile, find_maps
from chexpert.metrics.localization.mask_counts import Watch, count_maps, count_segmentations, list_scored, read_fitting
from chexpert.metrics.localization.observation_scores import Table, score
from chexpert.metrics.localization.overlap import segment, upsample_array
from chexpert.metrics.localization.run_lengths import RunLengths, encode
from chexpert.metrics.localization.segmentations import Segmentations, write_segmentations
from chexpert.metrics.localization.thresholds import (
    THRESHOLDS,
    Candidates,
    Setting,
    choose,
    describe_candidates,
    list_lacking,
    list_thresholds,
    read_candidates,
    read_cutoff,
    read_threshold,
)
from chexpert.observations import LOCALIZED, OBSERVATIONS, OUTSIDE

HERE = "these images: optimistic"


def localize_segmentations(
    truth: Segmentations, predicted: Segmentations, replicates: int = 1000, seed: int = 0
) -> Table:
    """Score given segmentations; without maps there is no hit rate.

    Raises:
        UserError: a view's masks differ in size, or the files have no view in common.
    """
    counts = count_segmentations(truth, predicted)
    return {name: score(mask_counts, None, replicates=replicates, seed=seed) for name, mask_counts in counts.items()}


def localize_maps(
    truth: Segmentations,
    files: Sequence[MapFile],
    threshold: Setting = "otsu",
    cutoff: Setting = 0.0,
    *,
    candidates: Candidates = THRESHOLDS,
    tune_on: tuple[Segmentations, Sequence[MapFile]] | None = None,
    replicates: int = 1000,
    seed: int = 0,
    watch: Watch = iter,
) -> Table:
    """Score maps.

    Args:
        truth: the masks.
        files: the maps, see :func:`chexpert.metrics.find_maps`.
        threshold: makes a segmentation of a map, see :func:`chexpert.metrics.localization.thresholds.read_threshold`.
        cutoff: of the probability, below which the segmentation is empty; likewise.
        candidates: thresholds that ``tuned`` tries; or ``exact``, all that exist, for which maps are read twice more.
        tune_on: other masks and maps, on which what is ``tuned`` is chosen; by default it is chosen on these.
        replicates: of the bootstrap.
        seed: likewise.
        watch: shows the progress.

    Raises:
        UserError: a map is damaged or of another image, or a setting lacks an observation.
    """
    tuning = tune_on or (truth, files)
    tried: dict[str, Sequence[float]] = dict.fromkeys(OBSERVATIONS, candidates if candidates != "exact" else THRESHOLDS)
    if (threshold, candidates) == ("tuned", "exact"):
        tried |= {name: [found] for name, found in search_thresholds(*tuning, watch).items()}
    thresholds = list_thresholds(threshold, tried)
    counts = count_maps(*tuning, thresholds, watch)
    found = {file.observation for file in files}
    mapped = [name for name in list_scored(truth.observations(), found) if name in found]
    choices = {name: choose(counts.get(name), thresholds(name), name, threshold, cutoff) for name in mapped}
    if tune_on:
        counts = count_maps(truth, files, lambda name: [choices[name].threshold], watch)
    tuned_on = (tune_on[0].where if tune_on else HERE) if "tuned" in (threshold, cutoff) else None
    tuned_by = describe_candidates(candidates) if threshold == "tuned" else None
    options: dict[str, Any] = {"tuned_on": tuned_on, "tuned_by": tuned_by, "replicates": replicates, "seed": seed}
    return {name: score(mask_counts, choices.get(name), **options) for name, mask_counts in counts.items()}


def write_segmented(
    path: Path, truth: Segmentations, files: Sequence[MapFile], table: Table, watch: Watch = iter
) -> None:
    """Write the segmentations of maps by the thresholds of a table; the maps are read once more."""
    masks: dict[str, dict[str, RunLengths]] = defaultdict(dict)
    for file in watch(files):
        if file.observation not in table:
            continue
        (local, _), row = read_fitting(truth, file), table[file.observation]
        large = upsample_array(local.map, local.height, local.width)
        found = next(segment(large, [row["threshold"]]))
        kept = local.probability >= row["probability_cutoff"]
        masks[file.view][file.observation] = encode(found if kept else np.zeros_like(found))
    write_segmentations(path, masks)


def localize(
    ground_truth: Path,
    *,
    segmentations: Path | None = None,
    maps: Path | None = None,
    threshold: str = "otsu",
    thresholds: Sequence[str] | None = None,
    probability_cutoff: str = "0",
    tune_ground_truth: Path | None = None,
    tune_maps: Path | None = None,
    save_segmentations: Path | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    watch: Watch = iter,
) -> tuple[Table, list[str]]:
    """Return the table of chexpert localize, and notes on files that are ignored.

    Raises:
        ValueError: segmentations and maps are both given, or neither.
        UserError: a file is missing, damaged or does not fit the others.
        OSError: the segmentations cannot be written.
    """
    if (segmentations is None) == (maps is None):
        raise ValueError("localize() scores either segmentations or maps")
    truth = Segmentations.read(ground_truth)
    notes = truth.note_unknown()
    if segmentations is not None:
        predicted = Segmentations.read(segmentations)
        notes += [
            *predicted.note_unknown(),
            *_note_views(truth, predicted, "prediction"),
            *_note_unpredicted(truth, predicted),
        ]
        table = localize_segmentations(truth, predicted, bootstrap, seed)
        return table, notes + _note_unmapped(truth, table)
    settings = read_threshold(threshold), read_cutoff(probability_cutoff)
    candidates = THRESHOLDS if thresholds is None else read_candidates(thresholds)
    files, ignored = find_maps(maps, _list_known(truth))  # type: ignore[arg-type]
    tune_on = None
    if tune_ground_truth and tune_maps:
        tuned_truth = Segmentations.read(tune_ground_truth)
        tuning, aside = find_maps(tune_maps, _list_known(tuned_truth))
        tune_on = tuned_truth, tuning
        ignored = [*ignored, *(f"{tune_maps}: {note}" for note in aside if tune_maps != maps)]
        notes += tune_on[0].note_unknown() if tune_ground_truth != ground_truth else []
    lacking = list_lacking(settings)
    files, unset = _leave_out(files, lacking)
    if tune_on:
        tune_on = tune_on[0], _leave_out(tune_on[1], lacking)[0]
    options: dict[str, Any] = {
        "candidates": candidates,
        "tune_on": tune_on,
        "replicates": bootstrap,
        "seed": seed,
        "watch": watch,
    }
    table = localize_maps(truth, files, *settings, **options)
    if save_segmentations:
        write_segmented(save_segmentations, truth, files, table, watch)
    notes += _note_unmapped(truth, {*table, *unset})
    if unset:
        notes.append(f"maps that are not scored, since the table of thresholds or cut-offs lacks {', '.join(unset)}")
    return table, [*notes, *ignored, *_note_views(truth, [file.view for file in files], "map")]


def _list_known(truth: Segmentations) -> set[str]:
    """Return the observations whose maps are read: CheXlocalize's ten, and others that have masks."""
    return {*LOCALIZED} | (truth.observations() & {*OBSERVATIONS})


def _leave_out(files: list[MapFile], lacking: Sequence[str]) -> tuple[list[MapFile], list[str]]:
    """Return the maps without those of some observations, and which of these there are; all maps if none is left."""
    kept = [file for file in files if file.observation not in lacking]
    there = {file.observation for file in files}
    return (kept, [name for name in lacking if name in there]) if kept else (files, [])


def _note_unmapped(truth: Segmentations, table: Collection[str]) -> list[str]:
    """Note the observations beyond CheXlocalize's ten that have masks and nothing to score."""
    unmapped = [name for name in OUTSIDE if name in truth.observations() and name not in table]
    return [f"masks that are not scored, since nothing predicts them: {', '.join(unmapped)}"] if unmapped else []


def _note_views(truth: Segmentations, views: Iterable[str], noun: str) -> list[str]:
    others = [view for view in views if view not in truth]
    note = f"{_count(len(others), noun)} of views that the ground truth does not list, e.g. "
    return [note + min(others)] if others else []


def _note_unpredicted(truth: Segmentations, predicted: Segmentations) -> list[str]:
    missing = [view for view in truth if view not in predicted]
    note = f"{len(missing)} of {_count(len(truth), 'view')} have no prediction, taken as empty, e.g. "
    return [note + min(missing)] if missing else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
