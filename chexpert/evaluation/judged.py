"""Scores and labels of the same rows: what every figure is computed from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chexpert.evaluation.tables import strip_copy
from chexpert.metrics import find_study

ROWS = {"image": "single views", "study": "studies"}
"""What is judged, by level, in words."""


@dataclass(frozen=True)
class Judged:
    """N views or studies with the scores of one model and the labels that they are judged by.

    Attributes:
        names: N paths or studies.
        studies: (N,) int, of each row the number of its study: what the bootstrap draws.
        observations: names of the C columns.
        scores: (N, C) float64 on any scale.
        labels: (N, C) float64 in {1, 0, NaN}; NaN where there is no label.
        level: ``image`` or ``study``.
        views: ``max`` or ``mean`` over the views of a study; of images it says nothing.
        groups: N values by name of a group; blank where it is not known.
        left_out: names of the rows that only one side has, by side: ``predictions`` and ``labels``.
        not_judged: observations that only one side has, likewise.
    """

    names: Sequence[str]
    studies: np.ndarray
    observations: Sequence[str]
    scores: np.ndarray
    labels: np.ndarray
    level: str
    views: str
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)
    not_judged: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def column(self, observation: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores, labels in {0, 1} and studies of the rows that have a label for an observation."""
        c = list(self.observations).index(observation)
        known = np.isfinite(self.labels[:, c])
        return self.scores[known, c], self.labels[known, c], self.studies[known]

    def study_names(self) -> list[str]:
        """Of each row the name of its study."""
        return [strip_copy(name if self.level == "study" else find_study(name)) for name in self.names]


def describe_level(content: Mapping[str, Any]) -> str:
    """What a row is, and how the score of a study is made.

    >>> describe_level({"level": "study", "views": "max"}), describe_level({"level": "image"})
    ('studies (max over views)', 'single views')
    """
    return ROWS[content["level"]] + (f" ({content['views']} over views)" if content["level"] == "study" else "")
