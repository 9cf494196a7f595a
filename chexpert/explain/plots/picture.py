"""The picture of one explanation: the image, the map over it, and below them the members of a combined model."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from chexpert.explain.explanation import Explanation
from chexpert.explain.plots.canvas import Canvas
from chexpert.explain.plots.overlay import Evidence, legend, plot_image
from chexpert.explain.plots.page import Bar, Panel, lay_out_page
from chexpert.explain.plots.scale import DISAGREEMENT, Scale
from chexpert.explain.regions import Box

SIDE, SMALL = 4.2, 2.0  # inches of a panel's longer side; of a member's
A_ROW = 4  # members beside each other


def plot_picture(explanation: Explanation, scale: Scale, boxes: Sequence[Box] = ()) -> Figure:
    """Plot the image beside its map, with a panel for each member of a combined model.

    Args:
        explanation: the explanation to plot.
        scale: color scale, the same for all observations of the view.
        boxes: around regions of the map, plotted over it.

    Returns:
        The picture; its title has the observation, its probability and true label, and the name of the view.
    """
    canvas = Canvas.of(explanation.view)
    width, height = canvas.size(SIDE)
    panel = Panel(width, height, "the image", plot_image(canvas, explanation.mask))
    shown = Evidence(canvas, explanation.attribution.signed, scale, explanation.mask, boxes=boxes)
    title = f"{explanation.explainer}: {explanation.layer}"
    overlay = Panel(width, height, title, shown.plot, scale.bar(explanation.unit))
    head = "\n".join(
        [explanation.title.replace("\n", ", "), explanation.view.name, legend([explanation], boxed=bool(boxes))]
    )
    members = list(_member_panels(explanation, canvas)) if explanation.attribution.members else []
    return lay_out_page(head, [(panel, overlay), *(members[k : k + A_ROW] for k in range(0, len(members), A_ROW))])


def _member_panels(explanation: Explanation, canvas: Canvas) -> Iterator[Panel]:
    """One small overlay a member, all on the scale of the strongest, so that a silent member looks silent."""
    attribution, size = explanation.attribution, canvas.size(SMALL)
    scale = Scale.of(attribution.members.values())
    for name, signed in attribution.members.items():
        yield Panel(*size, f"member {name}", Evidence(canvas, signed, scale).plot, scale.bar(explanation.unit))
    assert attribution.disagreement is not None
    shown = Evidence(canvas, attribution.disagreement, scale, spread=True)
    bar = Bar(DISAGREEMENT, 0, scale.limit, "standard deviation over members")
    yield Panel(*size, "disagreement of the members", shown.plot, bar)
