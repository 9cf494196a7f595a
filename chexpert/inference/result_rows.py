"""The rows of a table of predictions: images, or studies with the score over their views."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chexpert.evaluation import Calibration
from chexpert.inference.inputs import InputImage
from chexpert.inference.output_table import Row, escape_name
from chexpert.metrics import number_studies, reduce_scores
from chexpert.runs import files as run_files


@dataclass(frozen=True)
class ResultRows:
    """How scores of images become rows of a table.

    Attributes:
        images: N of them, in order.
        refused: names of those that count for no score.
        level: ``study`` or ``image``.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study.
        names: observations of the C columns.
        call: returns the name of a row in the table, by its name in the input.
    """

    images: Sequence[InputImage]
    refused: Collection[str]
    level: str
    views: str
    names: Sequence[str]
    call: Callable[[str], str]

    def score(self, scores: np.ndarray, calibration: Calibration | None = None) -> list[Row]:
        """Return the rows of scores (N, C); one without an image that may be scored has None."""
        kept = [place for place, image in enumerate(self.images) if image.name not in self.refused]
        scored = dict(self._reduce([self.images[place] for place in kept], scores[kept], calibration)) if kept else {}
        return [(self.call(name), scored.get(name)) for name in self._list_names()]

    def flag(self, flagged: Mapping[str, str]) -> dict[str, list[str]]:
        """Return the column of flags by its header, empty where no row is flagged.

        A study with several flagged views has those of each view.
        """
        found: dict[str, list[str]] = {}
        for image in self.images:
            if image.name in flagged:
                is_view = self.level == "study" and image.study != image.name
                view = f"{self.call(image.name).rpartition('/')[2]}: " if is_view else ""
                found.setdefault(self._name(image), []).append(view + flagged[image.name])
        if not found:
            return {}
        return {run_files.FLAGS: [escape_name("; ".join(found.get(name, ()))) for name in self._list_names()]}

    def _name(self, image: InputImage) -> str:
        return image.study if self.level == "study" else image.name

    def _list_names(self) -> list[str]:
        return list(dict.fromkeys(map(self._name, self.images)))

    def _reduce(
        self, images: Sequence[InputImage], scores: np.ndarray, calibration: Calibration | None
    ) -> list[tuple[str, list[float]]]:
        rows = [image.name for image in images]
        if self.level == "study":
            numbers, rows = number_studies([image.study for image in images])
            scores = reduce_scores(numbers, scores, self.views)
        if calibration:
            scores = calibration.apply(scores, self.names, self.level)
        return list(zip(rows, scores.tolist(), strict=True))


def find_partly_refused(images: Sequence[InputImage], refused: Collection[str], level: str) -> list[str]:
    """Return the studies that have a refused view, and another one that they are scored by."""
    if level != "study":
        return []
    left = {image.study for image in images if image.name not in refused}
    return sorted({image.study for image in images if image.name in refused} & left)
