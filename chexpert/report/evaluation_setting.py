"""Describe the evaluation setting of a run's metrics in words."""

from collections.abc import Mapping
from typing import Any

from chexpert.evaluation import describe_level
from chexpert.report.run_data import RunData
from chexpert.report.text.values import describe_resamples
from chexpert.runs.synthetic import WORDS, is_synthetic_run


def describe_rows(run_data: RunData, split: str) -> str:
    """Describe the rows of a split, and if they are synthetic: "valid split, single views, n = 242"."""
    level, views = run_data.level(split)
    rows = describe_level({"level": level, "views": views})
    n = (run_data.evaluations.get(split) or run_data.metrics[split])["n"]
    return f"{split} split, {rows}, n = {n:,}" + f", {WORDS}" * is_synthetic(run_data, split)


def is_synthetic(run_data: RunData, split: str | None = None) -> bool:
    """Return whether the images of a split, or of any, are synthetic."""
    return is_synthetic_run(run_data.data, run_data.config, split)


def describe_labels(run_data: RunData, split: str) -> str:
    """Describe the source of a split's labels: "labels of valid.csv"."""
    labels = run_data.evaluations.get(split, {}).get("labels_of") or run_data.metrics[split].get("labels")
    source = f"labels of {labels}" if labels else "labels of a file that the run does not name"
    return source + ", blank as negative" * (split == "dev")


def describe_choice(run_data: RunData, split: str) -> str:
    """Describe how the epoch was chosen, as a clause."""
    if "epoch_chosen_on" not in run_data.metrics:
        return "how the epoch was chosen is not recorded"
    if run_data.chosen_on is None:
        return "nothing was trained here, so no epoch was chosen"
    if run_data.chosen_on == split:
        return f"the epoch was chosen on this same {split} split, so the value is optimistic"
    return f"the epoch was chosen on the {run_data.chosen_on} split"


def describe_interval(content: Mapping[str, Any]) -> str:
    """Describe an interval: "95 % interval, 1,000 resamples of 239 studies", with a no-break space."""
    if not content:
        return "without intervals"
    return f"95\u00a0% interval, {describe_resamples(content)}"
