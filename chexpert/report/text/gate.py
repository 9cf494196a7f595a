"""The gate of a run in a sentence."""

from pathlib import Path

from chexpert.runs import files as run_files
from chexpert.runs.gate_facts import read_gate_facts

METHODS = {
    "mahalanobis": "the Mahalanobis distance of the pooled features",
    "knn": "the distance of the pooled features from the fifth nearest training image",
}


def describe_gate(run: Path) -> str:
    """Return which gate a run has, and what it was fitted on.

    Raises:
        OSError: there is none.
        ValueError, KeyError, TypeError: it is damaged.
    """
    content = read_gate_facts(run / run_files.GATE)
    facts, kinds = content["facts"], [kind for kind in content["kinds"][1:] if kind != "lateral"]
    views = f"{', '.join(kinds)}, and lateral (from {facts['laterals']:,} laterals)"
    if "lateral" not in content["kinds"]:
        views = f"{', '.join(kinds)}; no check for laterals, since no lateral image was there to fit it on"
    return (
        f"{METHODS[content['method']]}, from {facts['images']:,} training images, its limit also from "
        f"{facts['held_out']:,} images of {facts['held_split']}; views: {views}"
    )
