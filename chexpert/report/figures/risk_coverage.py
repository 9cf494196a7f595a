"""The risk of the rows that a model decides, over the share that it decides, the surest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes

from chexpert.evaluation.selective.confidence import PLAIN
from chexpert.evaluation.selective.evaluate import MEAN
from chexpert.report.figures.roc import SIZE
from chexpert.report.figures.svg import FAINT, INK, plot_svg

COLORS = {"error": "#D55E00", "brier": "#0072B2"}
BAND = 0.18
"""Opacity of the intervals."""


@dataclass(frozen=True)
class RiskPanel:
    """Of an observation, or of the mean over them.

    Attributes:
        name: of the observation; "mean".
        diagram: inline SVG.
        losses: by loss its area and the difference from random deferral, with intervals.
    """

    name: str
    diagram: Markup
    losses: Mapping[str, Any]


def plot_risk_coverage(content: Mapping[str, Any], where: str, key: str) -> list[RiskPanel]:
    """Plot both risks over the coverage, of the mean and of each observation, by the plain confidence.

    Args:
        content: ``selective`` of an evaluation.
        where: the evaluation setting.
        key: of the SVG's ids.
    """
    parts = content["confidences"][PLAIN]
    order = [MEAN, *(name for name in parts if name != MEAN)]
    return [
        RiskPanel(
            name, plot_panel(content["coverages"], parts[name], f"{name}, {where}", f"{key}-{number}"), parts[name]
        )
        for number, name in enumerate(order)
    ]


def plot_panel(coverages: list[float], losses: Mapping[str, Any], title: str, key: str) -> Markup:
    """Plot the curves with their intervals; a gray line is the expected risk of random deferral."""

    def paint(axes: Axes) -> None:
        for loss, color in COLORS.items():
            own = [(share, risk) for share, risk in zip(coverages, losses[loss]["risks"], strict=True)
                   if None not in (risk["value"], risk["ci_low"], risk["ci_high"])]  # fmt: skip
            across, up = [share for share, _ in own], [risk["value"] for _, risk in own]
            low, high = ([risk[end] for _, risk in own] for end in ("ci_low", "ci_high"))
            axes.fill_between(across, low, high, color=color, alpha=BAND, linewidth=0)
            axes.plot(across, up, color=color)
            axes.plot([0, 1], [losses[loss]["risk"]["value"]] * 2, color=INK, alpha=FAINT, linewidth=1)
        axes.set(xlabel="coverage", ylabel="risk", xlim=(0, 1.02), ylim=(0, find_top(losses)))
        axes.set_xticks((0, 0.5, 1), ("0", ".5", "1"))

    return plot_svg(key, f"Risk-coverage curve: {title}", SIZE, paint)


def find_top(losses: Mapping[str, Any]) -> float:
    """Return the end of the axis of risks: above every curve and every interval."""
    risks = [risk for own in losses.values() for risk in own["risks"]]
    return 1.05 * max([0.02, *(risk[end] or 0 for risk in risks for end in ("value", "ci_high"))])
