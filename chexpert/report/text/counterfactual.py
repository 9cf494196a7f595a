"""The printed summary of counterfactual images."""

from collections.abc import Mapping
from math import exp
from typing import Any

from chexpert.report.text.values import format_number

LEAST_KEPT = 0.8
"""Share of the positive images that must stay positive in their reconstruction: below it a warning is printed."""


def describe_counterfactuals(content: Mapping[str, Any]) -> str:
    """Describe the manifest of counterfactual images: the reconstruction, then a line for each view.

    Args:
        content: of the manifest, see :func:`chexpert.inference.counterfactual.make_counterfactuals`.

    Returns:
        Lines of text.
    """
    name, whole = content["observation"], content["reconstruction"]
    own = whole["probabilities"][name]
    lines = [
        f"reconstruction: {format_number(whole['psnr'], 1)} dB, {name} changes by {own['change']:.2f} in the mean, "
        f"{format_number(own['kept'], 2)} of {own['positives']} positive images stay positive "
        f"({whole['images']} images)"
    ]
    if own["positives"] and own["kept"] < LEAST_KEPT:
        lines.append("warning: the autoencoder loses the finding, so the images can show the wrong change")
    return "\n".join([*lines, *(_describe_view(name, entry) for entry in content["views"])])


def _describe_view(name: str, entry: Mapping[str, Any]) -> str:
    first, last = (1 / (1 + exp(-entry["frames"][place]["logits"][name])) for place in (0, -1))
    start = 1 / (1 + exp(-entry["logits"][name]))
    missed = [side for side, reached in entry["reached"].items() if not reached]
    parts = [f"p = {start:.2f}, lowered {first:.2f}, raised {last:.2f}"]
    parts += [f"the others move by {format_number(entry['others_over_own'], 2)} of it"]
    if inside := entry["inside_mask"]:
        parts.append(f"{inside['share']:.2f} of the change in the outline of {inside['area']:.2f} of the image")
    parts += [f"not far enough: {', '.join(missed)}"] if missed else []
    return f"{entry['view']}: {'; '.join(parts)}"
