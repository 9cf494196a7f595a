"""explanations/quality.csv: the metrics of single maps, from which differences between explainers are computed."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from chexpert.explain.quality.view_scores import Row
from chexpert.explain.view import View
from chexpert.runs import files as run_files


class ViewTable:
    """Collects the rows of all explainers.

    Views are named as in predictions/valid.csv of the run, which has them already; those of external data by hashes,
    where the table is written elsewhere.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str, Row]] = []

    def add(
        self,
        explainer: str,
        views: Sequence[View],
        outputs: Sequence[Sequence[int]],
        observations: Sequence[str],
        rows: Sequence[Sequence[Row]],
    ) -> None:
        """Add the rows of one explainer.

        Args:
            explainer: its name.
            views: V that were scored.
            outputs: of each view.
            observations: names of the C outputs.
            rows: of each of the C observations, in the order of the views.
        """
        for c, (observation, own) in enumerate(zip(observations, rows, strict=True)):
            shown = [view.path for view, scored in zip(views, outputs, strict=True) if c in scored]
            self._rows += [(explainer, path, observation, row) for path, row in zip(shown, own, strict=True)]

    def write(self, path: Path) -> None:
        """Write the table: explainer, view, observation, and a column for each metric, blank where undefined."""
        metrics = list(dict.fromkeys(key for *_, row in self._rows for key in row))
        header = [*run_files.QUALITY_KEYS, *metrics]
        run_files.write_table(path, header, ([*key, *_format(row, metrics)] for *key, row in self._rows))


def _format(row: Mapping[str, float], metrics: Sequence[str]) -> list[str]:
    values = [row.get(key, math.nan) for key in metrics]
    return ["" if math.isnan(value) else repr(float(value)) for value in values]
