"""What a run found, as plain text, from its folder alone."""

import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chexpert.evaluation.thresholds import warn_of_labels
from chexpert.report.text.evaluation import describe_aurocs
from chexpert.report.text.evaluation_settings import describe_settings
from chexpert.report.text.explanation_quality import quality_table
from chexpert.report.text.prediction_sets import summarize_sets
from chexpert.report.text.values import format_number, format_value, is_undefined
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping, read_mapping_or_empty


def describe(run: Path) -> str:
    """Describe a run: its AUROC tables with their evaluation setting, its folder, and commands for the next steps.

    Args:
        run: folder of a run that was evaluated.

    Returns:
        Lines of text.

    Raises:
        UserError: a file of the run is damaged.
    """
    metrics = read_mapping(run / run_files.METRICS, required=True)
    chosen = metrics["epoch_chosen_on"]
    lines = []
    for split in run_files.EVALUATED_SPLITS:
        if split in metrics:
            labels = f"labels of {metrics[split]['labels']}" + ", blank as negative" * (split == "dev")
            note = "epoch chosen here: optimistic" if split == chosen else f"epoch chosen on {chosen}"
            note = note if chosen else "nothing was trained, no epoch chosen"
            content = read_mapping(run_files.evaluation(run, split), required=True)
            lines += [describe_aurocs(content, f"{split} split, {labels}", note), *describe_settings(content)]
            lines += summarize_sets(content)
    lines += describe_tta(metrics.get("tta") or {})
    if (thresholds := read_mapping_or_empty(run / run_files.THRESHOLDS)) and (
        warning := warn_of_labels(thresholds.get("labels"))
    ):
        lines.append(f"thresholds, {run / run_files.THRESHOLDS}: {warning}")
    quality = run / run_files.EXPLANATIONS / run_files.QUALITY
    if quality.is_file():
        lines += ["", f"explanations, {quality}", quality_table(read_mapping(quality))]
    if metrics["skipped"]:
        lines.append(f"skipped: {len(metrics['skipped'])} views, listed in {run / run_files.METRICS}")
    python = shlex.quote(str(run_files.shorten(sys.executable)))  # the environment need not be active
    pictures = sorted((run / run_files.EXPLANATIONS).glob("*/sheet.png"))
    lines += ["", f"run folder:    {run}"]
    lines += [f"report:        {run / run_files.REPORT}"] if (run / run_files.REPORT).is_file() else []
    lines += [f"explanations:  {picture}" for picture in pictures]
    if (run / run_files.TENSORBOARD).is_dir():
        lines.append(f"look further:  {python} -m tensorboard.main --host 127.0.0.1 --logdir {shlex.quote(str(run))}")
        lines.append("               and open http://127.0.0.1:6006/#custom_scalars: each AUROC beside the mean")
    if run_files.checkpoint(run).is_file():
        command = "chexpert" if shutil.which("chexpert") else f"{python} -m chexpert"
        lines.append(f"use the model: {command} predict {shlex.quote(str(run))} IMAGES OUTPUT.csv")
    return "\n".join(lines)


def describe_tta(gains: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each split: the mean AUROC without and with test-time augmentation, and their difference.

    Args:
        gains: ``tta`` of metrics.json; empty without test-time augmentation.

    >>> difference = {"value": 0.006, "ci_low": -0.002, "ci_high": 0.013}
    >>> mean = {"plain": 0.812, "tta": 0.818, "difference": difference, "over": ["Edema"]}
    >>> print(*describe_tta({"option": 10, "valid": {"auroc_mean": mean}}))
    tta=10, valid split: mean AUROC over 1 0.812 -> 0.818, difference +0.006 [-0.002, 0.013]
    """
    for split in run_files.EVALUATED_SPLITS:
        if split in gains:
            mean = gains[split]["auroc_mean"]
            values = " -> ".join(format_number(mean[key]) for key in ("plain", "tta"))
            difference = mean["difference"]
            sign = "" if is_undefined(difference["value"]) or difference["value"] < 0 else "+"
            change = f"difference {sign}{format_value(difference)}"
            yield f"tta={gains['option']}, {split} split: mean AUROC over {len(mean['over'])} {values}, {change}"
