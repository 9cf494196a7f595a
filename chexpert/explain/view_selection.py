"""Which validation views are explained."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chexpert.data import ViewDataset
from chexpert.errors import UserError
from chexpert.explain.view import View, find_view
from chexpert.metrics import Segmentations
from chexpert.runs.anonymize import name_safely


def choose_rows(dataset: ViewDataset, paths: Sequence[str] | None, count: int, seed: int) -> list[int]:
    """Choose the rows of the views to explain.

    Args:
        dataset: validation views.
        paths: paths of the views, in full or from the patient's folder on; None to sample views.
        count: number of views to sample among those with a finding; among all if fewer have one.
        seed: seed of the sample.

    Returns:
        Rows in the dataset: in the order of ``paths``, or sorted where they are sampled.

    Raises:
        UserError: a path is not there, or several views have it.
    """
    if paths is not None:
        return [find_row(dataset, path) for path in paths]
    found = np.flatnonzero((dataset.targets.numpy() == 1).any(1))
    candidates = found if len(found) >= count else np.arange(len(dataset))
    count = min(count, len(candidates))
    return sorted(np.random.default_rng(seed).choice(candidates, count, replace=False).tolist())


def find_row(dataset: ViewDataset, path: str) -> int:
    """Return the row of a path given in full or from the patient's folder on."""
    rows = [row for row, listed in enumerate(dataset.paths) if listed == path or listed.endswith("/" + path)]
    if len(rows) != 1:
        message = f"{'several' if rows else 'no'} validation views of this path: {path}"
        raise UserError(
            message,
            code="ambiguous-image" if rows else "unknown-view",
            where="explain.views",
            hint="give Path values of valid.csv, of the chosen data.views",
        )
    return rows[0]


def find_views(
    dataset: ViewDataset, rows: Sequence[int], observations: Sequence[str], masks: Segmentations | None
) -> list[View]:
    """Read the views in some rows; one that cannot be read, and may be skipped, is left out.

    Args:
        dataset: validation views.
        rows: rows in the dataset.
        observations: names of the C labels of the dataset.
        masks: masks of the views; None if there are none.

    Returns:
        Views with their labels and masks, in the order of the rows.

    Raises:
        UserError: a mask has other proportions than its image, or an image cannot be read and may not be skipped.
    """
    found = (find_view(dataset, row, observations, masks) for row in rows)
    return [view for view in found if view is not None]


def hide_names(views: Sequence[View], salt: str | None) -> list[View]:
    """Call views of external data by salted hashes; CheXpert's keep their names, and all do where there is no salt."""
    return [replace(view, path=name_safely(view.path, salt)) for view in views]
