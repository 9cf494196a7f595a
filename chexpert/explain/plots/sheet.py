"""Many explanations at a glance."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chexpert.explain.explanation import Explanation
from chexpert.explain.plots.canvas import Canvas
from chexpert.explain.plots.overlay import Evidence, legend, plot_image
from chexpert.explain.plots.page import Panel, lay_out_page
from chexpert.explain.plots.scale import Scale

SIDE = 2.6  # inches of a panel's longer side


def plot_view_sheet(methods: Mapping[str, Sequence[Explanation]]) -> Figure:
    """Plot one view: a row for each observation, with its image and the maps of all explainers.

    The finding is outlined where it has a mask.

    Args:
        methods: by explainer, the explanations of the view's observations, of all explainers in the same order.

    Returns:
        The sheet.
    """
    scales = {name: find_scale(explanations) for name, explanations in methods.items()}
    observations = list(zip(*methods.values(), strict=True))
    canvas = Canvas.of(observations[0][0].view)
    rows = []
    for number, row in enumerate(observations):
        first, last = number == 0, number == len(observations) - 1
        panels = [_panel(canvas, row[0].title, plot_image(canvas, row[0].mask))]
        for explanation in row:
            title = f"{explanation.explainer}: {explanation.layer}" if first else explanation.explainer
            panels.append(_explained(canvas, explanation, title, scales[explanation.explainer], last))
        rows.append(panels)
    return lay_out_page(f"{canvas.view.name}\n{legend(row[0] for row in observations)}", rows)


def plot_explainer_sheet(views: Sequence[Sequence[Explanation]]) -> Figure:
    """Plot one explainer: a row for each view, with its image and the maps of the explained observations.

    Args:
        views: explanations by one explainer, those of each view together; no view is without one.

    Returns:
        The sheet.
    """
    rows = []
    for explanations in views:
        canvas, scale = Canvas.of(explanations[0].view), find_scale(explanations)
        panels = [_panel(canvas, canvas.view.name.replace("_", " "), plot_image(canvas))]
        panels += [_explained(canvas, e, e.title, scale, last=e is explanations[-1]) for e in explanations]
        rows.append(panels)
    first = views[0][0]
    signs = legend(explanation for explanations in views for explanation in explanations)
    return lay_out_page(f"{first.explainer}: {first.layer}\n{signs}", rows)


def find_scale(explanations: Iterable[Explanation]) -> Scale:
    """Return the color scale that the observations of a view share.

    Args:
        explanations: explanations of one view by one explainer.

    Returns:
        The scale of all their raw maps.
    """
    return Scale.of(explanation.attribution.signed for explanation in explanations)


def _panel(canvas: Canvas, title: str, plot: Callable[[Axes], object]) -> Panel:
    return Panel(*canvas.size(SIDE), title, plot)


def _explained(canvas: Canvas, explanation: Explanation, title: str, scale: Scale, last: bool) -> Panel:
    evidence = Evidence(canvas, explanation.attribution.signed, scale, explanation.mask)
    return Panel(*canvas.size(SIDE), title, evidence.plot, scale.bar(explanation.unit) if last else None)
