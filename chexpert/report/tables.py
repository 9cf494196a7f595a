"""What a run found, as plain text, from its folder alone."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from chexpert import rundir
from chexpert.report.quality import quality_table


def describe(run: Path) -> str:
    """Run folder, AUROC table with its yardstick, and the commands to look further."""
    metrics = json.loads((run / rundir.METRICS).read_text())
    chosen = metrics["epoch_chosen_on"]
    lines = []
    for split in ("dev", "valid", "test"):
        if split in metrics:
            level = {"image": "single views", "study": "studies"}[metrics[split]["level"]]
            labels = f"labels of {metrics[split]['labels']}" + ", blank as negative" * (split == "dev")
            note = "epoch chosen here: optimistic" if split == chosen else f"epoch chosen on {chosen}"
            note = note if chosen else "nothing was trained, no epoch chosen"
            lines.append(auroc_table(metrics[split], f"{split} split, {level}, {labels}", note))
    quality = run / rundir.EXPLANATIONS / rundir.QUALITY
    if quality.is_file():
        lines += ["", f"explanations, {quality}", quality_table(json.loads(quality.read_text()))]
    if metrics["skipped"]:
        lines.append(f"skipped: {len(metrics['skipped'])} views, listed in {run / rundir.METRICS}")
    python = os.path.relpath(sys.executable)  # the environment need not be active
    pictures = sorted((run / rundir.EXPLANATIONS).glob("*/sheet.png"))
    lines += ["", f"run folder:    {run}"]
    lines += [f"explanations:  {picture}" for picture in pictures]
    lines.append(f"look further:  {python} -m tensorboard.main --host 127.0.0.1 --logdir {run}")
    if rundir.checkpoint(run).is_file():
        lines.append(f"use the model: {python} -c \"import chexpert; print(chexpert.load('{run}').observations)\"")
    return "\n".join(lines)


def auroc_table(split: dict[str, Any], yardstick: str, note: str) -> str:
    """AUROC per observation with positives and negatives; undefined is a dash.

    >>> print(auroc_table({"n": 9, "auroc": {"Edema": {"value": 0.9, "positives": 4, "negatives": 5}},
    ...     "auroc_mean": 0.9, "auroc_mean_over": ["Edema"]}, "made up", "epoch chosen on dev"))
    AUROC, made up, n = 9
    Edema                         0.900   4 positive, 5 negative
    mean over 1                   0.900   epoch chosen on dev
    """
    lines = [f"AUROC, {yardstick}, n = {split['n']}"]
    for name, auroc in split["auroc"].items():
        counts = f"{auroc['positives']} positive, {auroc['negatives']} negative"
        lines.append(f"{name:<28}  {_figure(auroc['value'])}   {counts}")
    over = f"mean over {len(split['auroc_mean_over'])}"
    lines.append(f"{over:<28}  {_figure(split['auroc_mean'])}   {note}")
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "    -" if value is None else f"{value:.3f}"
