"""Pictures of a counterfactual: a strip of images, an animation, and the difference over the image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from chexpert.explain.counterfactual.latent_shift import Counterfactual
from chexpert.explain.plots.canvas import Canvas
from chexpert.explain.plots.overlay import plot_image
from chexpert.explain.plots.page import Panel, lay_out_page
from chexpert.explain.plots.scale import COLORS, Scale
from chexpert.explain.view import View

SIDE = 2.2  # inches of a panel's longer side
MILLISECONDS = 250  # of an image in the animation


def plot_strip(view: View, observation: str, found: Counterfactual, probabilities: Sequence[float]) -> Figure:
    """Plot the images from lowered to raised, each with its probability.

    Args:
        view: whose image it is.
        observation: name of the output.
        found: the F images.
        probabilities: F, of the observation.

    Returns:
        The page.
    """
    canvas = Canvas.of(view)
    mask = view.masks.get(observation)
    panels = [
        Panel(*canvas.size(SIDE), _title(step, p), plot_image(_place(canvas, image), mask if step == 0 else None))
        for image, step, p in zip(found.images, found.steps, probabilities, strict=True)
    ]
    return lay_out_page(f"{observation} lowered and raised: {view.name.replace('_', ' ')}", [panels])


def plot_difference(view: View, observation: str, found: Counterfactual, probabilities: Sequence[float]) -> Figure:
    """Plot the image, the lowered one, and what the image has more (red) or less (blue) than the lowered one."""
    canvas, mask = Canvas.of(view), view.masks.get(observation)
    difference = 255 * found.difference
    scale = Scale.of([difference])
    start = found.steps.index(0.0)

    def plot(axis: Axes) -> None:
        plot_image(canvas, mask)(axis)
        shares = canvas.place(scale.shares(difference))
        axis.imshow(shares, cmap=COLORS, vmin=-1, vmax=1, interpolation="nearest", zorder=1)

    width, height = canvas.size(SIDE)
    panels = [
        Panel(width, height, _title(0.0, probabilities[start]), plot_image(_place(canvas, found.images[start]), mask)),
        Panel(width, height, _title(found.steps[0], probabilities[0]), plot_image(_place(canvas, found.images[0]))),
        Panel(width, height, "the image less the lowered one", plot, scale.bar("gray levels, of 255")),
    ]
    return lay_out_page(
        f"{observation}: {view.name.replace('_', ' ')}\nred: brighter than lowered; blue: darker", [panels]
    )


def write_animation(path: Path, view: View, found: Counterfactual, probabilities: Sequence[float]) -> None:
    """Write a GIF that goes from lowered to raised and back, without end."""
    canvas = Canvas.of(view)
    frames = [
        _annotate(_place(canvas, image).image, f"p = {p:.2f}")
        for image, p in zip(found.images, probabilities, strict=True)
    ]
    frames += frames[-2:0:-1]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0)


def _place(canvas: Canvas, image: np.ndarray) -> Canvas:
    """An image of the model (H, W) in [0, 1] in the proportions of the file's."""
    return Canvas((255 * canvas.place(image)).round().clip(0, 255).astype(np.uint8), canvas.view)


def _title(step: float, probability: float) -> str:
    return f"{'image' if step == 0 else 'lowered' if step < 0 else 'raised'}\np = {probability:.2f}"


def _annotate(image: np.ndarray, text: str) -> Image.Image:
    frame = Image.fromarray(image)
    pen = ImageDraw.Draw(frame)
    pen.rectangle((0, 0, 8 + 6 * len(text), 14), fill=0)
    pen.text((4, 2), text, fill=255)
    return frame
