"""What follows from a run's predictions: its calibration and the evaluation of each split, from its files alone."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chexpert import rundir
from chexpert.evaluation import Judged, choose_operating_points, evaluate, read_run
from chexpert.evaluation.calibration import Calibration
from chexpert.problem import ProblemError

GROUPS = ("sex", "age", "view", "ap_pa", "devices")
SPLITS = ("dev", "valid", "test")


def conclude(folder: Path, cfg: Mapping[str, Any]) -> None:
    """Leaves calibration.json, where there is a split to fit it on, and the evaluation of each judged split."""
    metrics = json.loads((folder / rundir.METRICS).read_text())
    splits = [split for split in SPLITS if split in metrics]
    level, views, chosen = cfg["level"], cfg["study_score"], find_development(splits)
    points: dict[str, Any] = {}
    if chosen:
        if cfg["calibration"]:
            judged = list(read_levels(folder, chosen, level, views))
            Calibration.fit(cfg["calibration"], chosen, judged).write(folder / rundir.CALIBRATION)
        points = choose_operating_points(read_run(folder, chosen, level, views))
    for split in splits:
        judged_here = read_run(folder, split, level, views)
        content = evaluate(
            judged_here,
            mean_over=cfg["mean_over"],
            seed=cfg["seed"],
            operating_points=points if chosen and split != chosen else None,
            chosen_on=chosen if split != chosen else None,
            group_by=() if split == "dev" else find_groups(judged_here),
        )
        rundir.write_json(rundir.evaluation(folder, split), content | describe_split(split, metrics))


def read_levels(folder: Path, split: str, level: str, views: str) -> Iterator[Judged]:
    """A split at the run's own level, and at the other one where its labels allow that."""
    yield read_run(folder, split, level, views)
    try:
        yield read_run(folder, split, "study" if level == "image" else "image", views)
    except ProblemError as problem:  # views of one study with different labels: nobody judges them by study
        print(f"note: no calibration for studies: {problem.what}", file=sys.stderr)


def find_development(splits: Sequence[str]) -> str | None:
    """The split on which thresholds and calibration are chosen: never one that is all that is reported.

    >>> find_development(["dev", "valid", "test"]), find_development(["valid", "test"]), find_development(["valid"])
    ('dev', 'valid', None)
    """
    return splits[0] if len(splits) > 1 else None


def find_groups(judged: Judged) -> list[str]:
    """The groups that are known of at least one row."""
    return [group for group in GROUPS if group in judged.groups and any(judged.groups[group])]


def describe_split(split: str, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The yardstick that a run adds to an evaluation: which split, whose labels, how the epoch was chosen."""
    chosen = metrics["epoch_chosen_on"]
    return {"split": split, "labels_of": metrics[split]["labels"], "epoch_chosen_on": chosen}
