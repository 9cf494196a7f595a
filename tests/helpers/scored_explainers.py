"""Folders with quality.json and quality.csv of made-up explainers, whose metrics are known."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Values = Mapping[str, Mapping[str, Sequence[float]]]
"""By observation and column of quality.csv the values of the first views."""

KEYS = {"iou": "iou", "gap_over_random": "gap_over_random", "road": "road", "hit": "hit_rate", "stability": "stability"}


def interval(values: Sequence[float]) -> dict[str, Any]:
    """A mean as quality.json has it, with made-up ends."""
    mean = sum(values) / len(values) if values else None
    return {"value": mean, "ci_low": mean, "ci_high": mean, "n": len(values)}


def describe(columns: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """An observation of quality.json from its columns."""
    found: dict[str, Any] = {key: interval(columns.get(column, ())) for column, key in KEYS.items()}
    if "stability" not in columns:
        del found["stability"]  # as in older versions
    hits = [columns.get(column, ()) for column in ("hit", "chance", "reachable")]
    hit, chance, reachable = (sum(own) / len(own) if own else 0 for own in hits)
    normalized = interval(hits[0]) | ({"value": (hit - chance) / (reachable - chance)} if hits[1] else {})
    if not hits[1]:
        normalized = interval(())
    size = interval(columns.get("top_block_size", ()))
    return found | {
        "auroc": 0.8, "n": max(map(len, columns.values()), default=0), "without_evidence": 0,
        "hit_normalized": normalized, "relevance_over_area": interval(()),
        "sanity": {"top_block_size": size, "passed": None}, "between_observations": interval([0.5]),
        "right_for_the_right_reason": interval(()),
    }  # fmt: skip


def view(number: int) -> str:
    return f"CheXpert-v1.0-small/valid/patient{64541 + number}/study1/view1_frontal.jpg"


def write_quality(
    folder: Path,
    explainers: Mapping[str, Values],
    *,
    controls: Sequence[str] = (),
    weights: str | None = None,
    rows: bool = True,
    first: int = 0,
    **more: Any,
) -> Path:
    """Write quality.json and, with ``rows``, quality.csv; ``first`` is the number of the first view."""
    folder.mkdir(parents=True, exist_ok=True)
    scored = {
        name: {
            "views": 9, "control": name in controls, "seconds_explaining": 9.0,
            "sanity": {"top_block_size": interval([0.25]), "cascade_size": [0.25, 0.125], "passed": True},
            "observations": {observation: describe(columns) for observation, columns in values.items()},
        } | more
        for name, values in explainers.items()
    }  # fmt: skip
    content = {"split": "valid", "masks": "/data/ward 3/gt_segmentations_valid.json", "views": 9}
    content |= {"weights": weights} if weights else {}
    (folder / "quality.json").write_text(json.dumps(content | {"explainers": scored}))
    if rows:
        write_rows(folder / "quality.csv", explainers, first)
    return folder


def write_rows(path: Path, explainers: Mapping[str, Values], first: int) -> None:
    names = sorted({column for values in explainers.values() for columns in values.values() for column in columns})
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["explainer", "view", "observation", *names])
        for name, values in explainers.items():
            for observation, columns in values.items():
                for row in range(max(map(len, columns.values()))):
                    own = [columns[key][row] if row < len(columns.get(key, ())) else "" for key in names]
                    writer.writerow([name, view(first + row), observation, *own])


def write_run(run: Path, explainers: Mapping[str, Values], **more: Any) -> Path:
    """A run folder with a config and explanations."""
    write_quality(run / "explanations", explainers, **more)
    config = {
        "model": {"_target_": "chexpert.models.Single"}, "backbone": {"name": "resnet10t"},
        "explainer": {"lime": {"_target_": "chexpert.explain.Lime", "seed": 3, "samples": 60}},
    }  # fmt: skip
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    return run
