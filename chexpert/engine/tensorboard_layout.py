"""The charts of TensorBoard's page "Custom scalars", from the top, by the tags that they plot."""

import re
from collections.abc import Sequence

Layout = dict[str, dict[str, list]]
"""Charts by category and title, as ``add_custom_scalars`` takes them."""


def make_layout(observations: Sequence[str]) -> Layout:
    """Return the charts: the mean AUROC first, then each observation, each in a chart of its own to compare runs.

    Args:
        observations: in the order of their charts; the first screen holds about the first five.
    """
    return {
        "AUROC": {
            "mean": chart("val/auroc_mean"),
            **{name: chart(f"val/auroc/{name}") for name in observations},
        },
        "loss": {
            "training and validation": chart("train/loss", "val/loss"),
            "learning rate": ["Multiline", ["^lr-"]],
        },
    }


def order(observations: Sequence[str], first: Sequence[str]) -> list[str]:
    """Sort the observations: those that the mean is over come first.

    >>> order(["Fracture", "Edema"], ["Edema"])
    ['Edema', 'Fracture']
    """
    return sorted(observations, key=lambda name: name not in first)


def chart(*tags: str) -> list:
    """Return a chart of exactly these tags."""
    return ["Multiline", [f"^{re.escape(tag)}$" for tag in tags]]
