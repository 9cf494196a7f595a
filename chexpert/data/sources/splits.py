"""From a copy of CheXpert to the frames of its splits: selected views whose images are there, and nothing else."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from chexpert.console import log
from chexpert.data.sources.frame import select_views
from chexpert.data.sources.image_files import find_present
from chexpert.data.sources.layout import Layout
from chexpert.data.sources.manifest import check_files, expect
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS


class SplitReader:
    """Reads the splits of one copy.

    Args:
        layout: the copy.
        views: ``frontal``, ``lateral`` or ``all``.
        labeler: as :meth:`chexpert.data.sources.layout.Layout.read` takes it.
        known: the manifest that tables and images must meet, or None.
        skip: leave out views whose image is missing, and name them, instead of raising.
    """

    def __init__(
        self, layout: Layout, views: str, labeler: str | None, known: Mapping[str, str] | None, *, skip: bool
    ) -> None:
        self.layout, self.views, self.labeler, self.known, self.skip = layout, views, labeler, known, skip
        self.listed = pd.DataFrame()
        """All rows of the split that was read last, before views were selected."""
        self.missing: list[str] = []
        """CSV paths of the views that were left out."""

    def read(self, split: str) -> pd.DataFrame:
        """Read the frame of a split, with ``file`` (the image) and ``image`` (its row in a cache).

        By a manifest it also has ``sha256``.

        Raises:
            UserError: something is wrong with a table, no view is selected, or an image is missing.
        """
        layout, tables = self.layout, self.layout.list_tables(split, self.labeler)
        for table in tables:
            find_present(table.parent, [table])
        if self.known is not None:
            check_files(self.known, layout.folder, tables)
        self.listed = listed = layout.read(split, self.labeler)
        if listed.empty:
            raise UserError(
                "the table has no row", code="empty-table", where=str(layout.tables[split]), hint="restore the table"
            )
        frame = select_views(listed, self.views)
        if frame.empty:
            message = f"no {self.views} view in this split"
            raise UserError(message, code="missing-view", where=str(layout.tables[split]), hint="data.views=all")
        frame = self._keep_present(split, frame)
        return frame if self.known is None else frame.assign(sha256=expect(self.known, layout.folder, frame["file"]))

    def _keep_present(self, split: str, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows whose images are there; without ``skip`` all of them must be."""
        files, present = self.layout.find(frame)
        frame = frame.assign(file=files)
        absent = list(frame.loc[~present, "path"])
        if absent and (not self.skip or not present.any()):
            message = f"{len(absent)} of {len(frame)} listed images are missing in this {self.layout.name}, the first: "
            way_out = "" if self.skip else ", or leave such views out and count them: data.on_missing=skip"
            raise UserError(
                message + absent[0],
                code="missing-image",
                where=str(self.layout.tables[split]),
                hint=f"restore them{way_out}",
            )
        if absent:
            self.missing += absent
            log.info(f"skipped, missing: {len(absent)} images of {split}, the first {absent[0]}")
        return frame[present].reset_index(drop=True).assign(image=np.arange(present.sum()))


def check_families(layouts: Mapping[str, Layout]) -> None:
    """Check that no two data sets share images under different names, by which no shared patient would be found.

    Raises:
        UserError: two do.
    """
    for one, other in combinations(layouts.values(), 2):
        if one.family == other.family and one.origin != other.origin:
            message = f"{one.name} and {other.name} share images and patients under different names"
            hint = "take the test set of another hospital, or that of the training data: data.test=true"
            raise UserError(message, code="shared-patients", where="data.root, data.test", hint=hint)


def check_patients(frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Check that no patient is in two splits: the model would be trained on one image and evaluated on the other."""
    patients = {split: set(frame["patient"]) for split, frame in frames.items()}
    for one, other in combinations(patients, 2):
        if shared := patients[one] & patients[other]:
            message = f"patients in both {one} and {other}: {len(shared)}, the first {min(shared)}"
            hint = "remove them from one of the two tables, or restore these"
            raise UserError(message, code="shared-patients", where=str(folder), hint=hint)


def check_studies(frames: Mapping[str, pd.DataFrame]) -> None:
    """Check that all views of a study have the same labels: otherwise there is nothing to evaluate the study by.

    Args:
        frames: table of each split, with the columns ``patient``, ``study`` and the 14 observations; blank is a label
            of its own.

    Raises:
        UserError: the views of a study have different labels.
    """
    for split, frame in frames.items():
        labels = frame[list(OBSERVATIONS)].fillna(2)  # blank is a state of its own
        states = labels.groupby([frame["patient"], frame["study"]]).nunique().max(axis=1)
        if (states > 1).any():
            where = f"{split}, " + "/".join(map(str, states.index[states > 1][0]))
            hint = "correct them, or evaluate single views: level=image"
            raise UserError("the views of a study have different labels", code="label-conflict", where=where, hint=hint)
