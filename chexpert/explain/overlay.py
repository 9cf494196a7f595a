"""Pictures of attribution maps: observation, probability, truth, method and layer stand on each."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage

from chexpert.explain.attribution import Attribution

# Perceptually even, dark to bright: more light means more evidence, also without colour vision.
COLOURS = "inferno"


@dataclass(frozen=True)
class Explanation:
    """An attribution with what a reader of its picture must know.

    Attributes:
        view: path of the view as the CSV has it.
        gray: (H, W) uint8, the film as the model sees it.
        observation: name of the explained output.
        probability: of that observation, in [0, 1].
        truth: the label as it is: 1, 0, or None where it is blank or uncertain.
        attribution: the explainer's result.
    """

    view: str
    gray: np.ndarray
    observation: str
    probability: float
    truth: int | None
    attribution: Attribution

    @property
    def title(self) -> str:
        """Observation, probability and true label."""
        truth = {1: "present", 0: "absent", None: "not labelled"}[self.truth]
        return f"{self.observation}  p = {self.probability:.2f}  (true: {truth})"


def draw_picture(explanation: Explanation) -> Figure:
    """The film beside its overlay with the scale of the colours."""
    manifest = explanation.attribution.manifest
    members = explanation.attribution.members
    figure = Figure(figsize=(8, 4.4 + (2.2 if members else 0)), layout="constrained")
    rows = figure.subfigures(2 if members else 1, 1, height_ratios=(2, 1)[: 2 if members else 1], squeeze=False)[:, 0]
    top = rows[0]
    plain, overlaid = top.subplots(1, 2)
    _show_film(plain, explanation.gray)
    plain.set_title("film as the model sees it", fontsize=9)
    image = _show_overlay(overlaid, explanation)
    layers = manifest["layer"]
    layer = " + ".join(layers.values()) if isinstance(layers, dict) else layers
    overlaid.set_title(textwrap.fill(f"{manifest['explainer']}: {layer}", 60), fontsize=9 if len(layer) < 120 else 6)
    figure.suptitle(explanation.title)
    bar = top.colorbar(image, ax=overlaid, fraction=0.046)
    bar.set_label("positive evidence, share of its maximum")
    if members:
        _show_members(rows[1], explanation)
    return figure


def _show_members(figure: SubFigure, explanation: Explanation) -> None:
    """One small overlay a member, on the scale of the strongest, so that a silent member looks silent."""
    members = explanation.attribution.members
    greatest = max(float(signed.max()) for signed in members.values())
    for axis, (name, signed) in zip(figure.subplots(1, len(members), squeeze=False)[0], members.items(), strict=True):
        _show_film(axis, explanation.gray)
        shares = np.maximum(signed, 0) / greatest if greatest > 0 else np.zeros_like(signed)
        axis.imshow(shares, cmap=COLOURS, vmin=0, vmax=1, alpha=0.65 * shares)
        axis.set_title(f"member {name}", fontsize=8)


def draw_sheet(explanations: Sequence[Explanation]) -> Figure:
    """A grid of overlays, one row a view: its film, then its observations."""
    views = Counter(e.view for e in explanations)
    columns = max(views.values())
    figure = Figure(figsize=(2.6 * (columns + 1), 2.9 * len(views)), layout="constrained")
    axes = figure.subplots(len(views), columns + 1, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for row, view in zip(axes, views, strict=True):
        own = [e for e in explanations if e.view == view]
        _show_film(row[0], own[0].gray)
        row[0].set_title("/".join(Path(view).parts[-3:-1]), fontsize=8)
        for axis, explanation in zip(row[1:], own, strict=False):
            _show_overlay(axis, explanation)
            axis.set_title(explanation.title.replace("  p", "\np"), fontsize=8)
    return figure


def _show_film(axis: Axes, gray: np.ndarray) -> None:
    axis.imshow(gray, cmap="gray", vmin=0, vmax=255)
    axis.set_axis_off()


def _show_overlay(axis: Axes, explanation: Explanation) -> AxesImage:
    """Opacity follows the evidence, so that the film stays readable where there is none."""
    _show_film(axis, explanation.gray)
    shares = explanation.attribution.map
    image = axis.imshow(shares, cmap=COLOURS, vmin=0, vmax=1, alpha=0.65 * shares)
    if not explanation.attribution.has_evidence:
        axis.text(0.5, 0.5, "no positive evidence", transform=axis.transAxes, ha="center", color="white")
    return image
