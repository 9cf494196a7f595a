"""Which validation views are explained."""

from collections.abc import Sequence

import numpy as np

from chexpert.data import ViewDataset
from chexpert.errors import UserError
from chexpert.explain.view import View, find_view
from chexpert.metrics import Segmentations


def choose_rows(dataset: ViewDataset, paths: Sequence[str] | None, count: int, seed: int) -> list[int]:
    """Rows of the views to explain: those of ``paths``, or ``count`` sampled by seed among the views with a finding.

    Raises:
        UserError: a path is not there.
    """
    if paths is not None:
        return [find_row(dataset, path) for path in paths]
    found = np.flatnonzero((dataset.targets.numpy() == 1).any(1))
    candidates = found if len(found) >= count else np.arange(len(dataset))
    count = min(count, len(candidates))
    return sorted(np.random.default_rng(seed).choice(candidates, count, replace=False).tolist())


def find_row(dataset: ViewDataset, path: str) -> int:
    """The row of a path given in full or from the patient's folder on."""
    rows = [row for row, listed in enumerate(dataset.paths) if listed == path or listed.endswith("/" + path)]
    if len(rows) != 1:
        message = f"{'several' if rows else 'no'} validation views of this path: {path}"
        raise UserError(message, where="explain.views", hint="give Path values of valid.csv, of the chosen data.views")
    return rows[0]


def find_views(
    dataset: ViewDataset, rows: Sequence[int], observations: Sequence[str], masks: Segmentations | None
) -> list[View]:
    """The views in these rows; one that cannot be read, and may be skipped, is left out."""
    found = (find_view(dataset, row, observations, masks) for row in rows)
    return [view for view in found if view is not None]
