"""The thresholds that a run keeps: chosen on a development split, for single views and for studies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chexpert.errors import UserError
from chexpert.evaluation.evaluate import choose_operating_points
from chexpert.evaluation.join import LabeledScores
from chexpert.metrics.operating_point import DEFAULT_RULES
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping

REPORT, RADIOLOGISTS = "report", "radiologists"
"""Kinds of labels: read from the text of reports, or given by radiologists who looked at the images."""
BY_RADIOLOGISTS = ("valid.csv", "val_labels.csv", "test_labels.csv", "groundtruth.csv")
"""CheXpert's tables of such labels; those of train, and all of CheXpert Plus, are read from reports."""
RECALIBRATE = "chexpert recalibrate RUN --labels FILE"
WARNING = "thresholds chosen on labels read from reports are not those for radiologists' labels"
NONE = "this run has no thresholds: it had no split to choose them on, or is of an older version"

Levels = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Thresholds:
    """From which raw score on an observation counts as predicted.

    Attributes:
        chosen_on: the split.
        labels: ``report`` or ``radiologists``: whose labels these rows have; ``given`` where a recalibration has
            refitted all.
        views: ``max``, ``mean`` or ``noisy_or`` over the views of a study, at that level.
        levels: by level and observation the counts ``positives`` and ``negatives``, and ``thresholds`` by rule; null
            where a class was absent. A threshold is of raw scores, not of calibrated probabilities. ``labels`` of an
            observation where they are others than those of the file.
    """

    chosen_on: str
    labels: str
    views: str
    levels: Levels

    @classmethod
    def choose(
        cls, split: str, labels: str, labeled: Sequence[LabeledScores], rules: Sequence[str] = DEFAULT_RULES
    ) -> "Thresholds":
        """Choose the thresholds of each observation at each level.

        Args:
            split: of ``labeled``.
            labels: kind of their labels, see above.
            labeled: the same split at one or more levels.
            rules: see :func:`chexpert.metrics.operating_point.get_rule`.
        """
        return cls(split, labels, labeled[-1].views, {one.level: choose_level(one, rules) for one in labeled})

    @classmethod
    def parse(cls, content: Mapping[str, Any] | None, where: str) -> "Thresholds":
        """Return the thresholds in the content of thresholds.json, or raise an error if there is none."""
        if not content:
            raise UserError(NONE, code="missing-calibration", where=where, hint="choose a run with data.dev=0.1")
        try:
            found = cls(**content)
            found.by_level()
        except (TypeError, AttributeError, KeyError) as error:
            hint = "choose a run with a development split (data.dev=0.1)"
            raise UserError(f"no thresholds: {error}", code="damaged-file", where=where, hint=hint) from error
        return found

    @classmethod
    def read(cls, path: Path) -> "Thresholds":
        """Read the file that :meth:`write` has written."""
        return cls.parse(read_mapping(path), str(path))

    def write(self, path: Path) -> None:
        """Write thresholds.json."""
        run_files.write_json(path, asdict(self))

    def by_level(self) -> dict[str, dict[str, dict[str, float | None]]]:
        """Return the thresholds alone, by level, observation and rule."""
        return {
            level: {name: dict(own["thresholds"]) for name, own in found.items()}
            for level, found in self.levels.items()
        }


def choose_level(labeled: LabeledScores, rules: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return counts and thresholds by observation."""
    found = {}
    for name, thresholds in choose_operating_points(labeled, rules).items():
        labels = labeled.column(name)[1]
        positives = int(labels.sum())
        chosen = {rule: run_files.or_none(threshold) for rule, threshold in thresholds.items()}
        found[name] = {"positives": positives, "negatives": len(labels) - positives, "thresholds": chosen}
    return found


def get_kind(split: str, file: str, labels_by: str | None = None) -> str:
    """Return whose labels a split of a run has: as its data set says, else by the name of its table of CheXpert.

    >>> get_kind("dev", "train.csv"), get_kind("valid", "valid.csv"), get_kind("valid", "impression_fixed.json")
    ('report', 'radiologists', 'report')
    """
    if labels_by in (RADIOLOGISTS, REPORT):
        return labels_by
    return RADIOLOGISTS if split != "dev" and file in BY_RADIOLOGISTS else REPORT


def warn_of_labels(kind: str | None) -> str | None:
    """Return the warning for thresholds that were chosen on labels of a kind; None for labels of radiologists.

    Args:
        kind: ``report``, ``radiologists``, ``given``, or None where it is not known.
    """
    if kind in (RADIOLOGISTS, "given"):
        return None
    known = WARNING if kind == REPORT else f"whose labels the thresholds were chosen on is not recorded; {WARNING}"
    return f"{known}; choose them anew on expert labels: {RECALIBRATE}"
