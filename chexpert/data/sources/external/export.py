"""A split of an external data set as files that other commands read: its labels, and its boxes as masks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.data.sources.external.boxes import Masks, list_boxed, make_masks
from chexpert.data.sources.external.layout import ExternalLayout
from chexpert.data.sources.frame import CIRCUMSTANCES, select_views
from chexpert.errors import UserError
from chexpert.runs import files as run_files

LABELS, BOXED, MASKS, OTHERS = "labels.csv", "boxed.csv", "masks.json", "other_labels.csv"
LABEL = {1.0: "1.0", 0.0: "0.0"}  # an uncertain one is not evaluated


@dataclass(frozen=True)
class ExportedSplit:
    """What was written of a split.

    Attributes:
        frame: its rows in these views.
        listed: the number of all its rows.
        masks: of the views with boxes.
        aside: boxes left out by label, since the label has no counterpart.
        files: that were written.
    """

    frame: pd.DataFrame
    listed: int
    masks: Masks
    aside: Mapping[str, int]
    files: list[Path]


def export_split(layout: ExternalLayout, split: str, views: str, folder: Path, labeler: str | None) -> ExportedSplit:
    """Write labels.csv, with boxes boxed.csv and masks.json, and with labels that no table lists other_labels.csv.

    Args:
        layout: the copy.
        split: train, valid or test.
        views: ``frontal``, ``lateral`` or ``all``.
        folder: new or empty.
        labeler: of the labels, where the data set has several.

    Raises:
        UserError: there is no such split, view or labeler, the folder is not empty, or a table is not this data set's.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = "it is there already, and nothing is overwritten"
        raise UserError(message, code="not-empty", where=str(folder), hint="give a new folder")
    listed = layout.read(split, labeler)
    frame = select_views(listed, views)
    if frame.empty:
        hint = "--views all" if len(listed) else layout.data_set.split_note
        message = f"no {views} view in the {split} split"
        raise UserError(message, code="missing-view", where=str(layout.tables[split]), hint=hint)
    boxes = layout.data_set.read_boxes(layout.folder, layout.sources, frame)
    masks, aside = make_masks(boxes, layout.data_set.table)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / LABELS]
    write_labels(files[0], frame, layout)
    if masks:
        files += [folder / BOXED, folder / MASKS]
        run_files.write_table(files[1], ["Path"], [(path,) for path in list_boxed(list(frame["path"]), masks)])
        run_files.write_json(files[2], masks)
    if others := layout.read_rows(labeler).others:
        files.append(folder / OTHERS)
        run_files.write_table(files[-1], ["Label", "Images"], [(name, str(count)) for name, count in others.items()])
    return ExportedSplit(frame, len(listed), masks, aside, files)


def write_labels(path: Path, frame: pd.DataFrame, layout: ExternalLayout) -> None:
    """Write the labels of views in CheXpert's columns, without the observations that the data set does not label."""
    names = layout.data_set.table.observations
    kinds = frame["projection"].str.partition("_")
    ages = ["" if np.isnan(age) else f"{age:.0f}" for age in frame["age"]]
    shown = [frame["path"], frame["sex"], ages, kinds[0].str.title(), kinds[2].str.upper()]
    known = ~layout.find_unlabeled(frame, names)
    negative = known if layout.from_reports else np.zeros_like(known)  # of a blank
    labels = [frame[name].mask(frame[name].isna() & own, 0) for name, own in zip(names, negative.T, strict=True)]
    cells = [[LABEL.get(label, "") for label in own.tolist()] for own in labels]
    run_files.write_table(path, ["Path", *CIRCUMSTANCES, *names], zip(*shown, *cells, strict=True))
