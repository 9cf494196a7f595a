"""The parts of a painted frontal chest without findings, in the coordinates of `canvas`.

Layers are attenuations: they add up, and `exposure` turns their sum into gray values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from chexpert.data.phantom.images.body import Body, outline_heart, outline_lung
from chexpert.data.phantom.images.canvas import Canvas, Layer, Points, bend, ellipse, ribbon, round_off


@dataclass(frozen=True)
class Chest:
    """A body on its canvas, with the parts that findings are confined to or change."""

    canvas: Canvas
    body: Body
    vessels: np.random.Generator = field(repr=False)
    mottle: np.random.Generator = field(repr=False)

    @cached_property
    def texture(self) -> Layer:
        """Texture of lung tissue, (H, W): vessels and fine mottle."""
        noise = self.canvas.noise(self.mottle, 0.05), self.canvas.noise(self.mottle, 0.25)
        return 0.10 * paint_vessels(self.canvas, self.vessels) + 0.02 * noise[0] + 0.03 * noise[1]

    @cached_property
    def lungs(self) -> Layer:
        """Both lungs as if there were no heart, (H, W) in [0, 1]."""
        return self.canvas.fill([outline_lung(self.body, -1), outline_lung(self.body, 1)], 0.011)

    @cached_property
    def free_lungs(self) -> Layer:
        """The lungs, and a fifth of them behind the heart (of its size without Cardiomegaly), (H, W) in [0, 1]."""
        heart = self.canvas.fill([outline_heart(self.body, self.body.heart_ratio)], 0.014)
        return self.lungs * (1 - 0.8 * heart)

    @cached_property
    def ribs(self) -> Layer:
        """Ribs with their two bright rims, (H, W)."""
        return paint_ribs(self.canvas, self.body)


def trace_ribs(body: Body) -> tuple[Points, Points]:
    """Return the middle lines, (ribs, points, 2), of posterior and anterior ribs of the left side (u > 0).

    The posterior ones are nearly level and fall at the side; the anterior ones run down to the middle.
    """
    t, k = np.linspace(0, 1, 24), np.arange(10)[:, None]
    level = body.top + 0.05 + 0.118 * k + 0.0015 * k**2
    reach = body.width * np.clip(0.60 + 0.15 * k, 0, 1.03)
    back = np.stack(
        [0.06 + (reach - 0.06) * np.sin(t * np.pi / 2), level - 0.07 * np.sin(t * 2.6) + body.tilt * t**3], -1
    )
    front = np.stack([reach * (1.0 - 0.50 * t**1.3), level + body.tilt + 0.27 * t], -1)[:7]
    return back, front


def paint_ribs(canvas: Canvas, body: Body) -> Layer:
    """Paint posterior ribs and the fainter anterior ones of both sides."""
    back, front = (np.concatenate([lines, lines * [-1, 1]]) for lines in trace_ribs(body))
    layer = canvas.fill(ribbon(back, 0.054), 0.006)
    layer -= 0.50 * canvas.fill(ribbon(back, 0.030), 0.007)  # marrow between two bright rims
    return layer + 0.40 * canvas.fill(ribbon(front, 0.060), 0.012)


def paint_vessels(canvas: Canvas, rng: np.random.Generator) -> Layer:
    """Paint branching vessels that leave the hila and thin out towards the chest wall, (H, W) in [0, 1]."""
    side = np.repeat([-1.0, 1.0], 9)
    angle = np.tile(np.linspace(-1.35, 1.5, 9), 2) + rng.normal(0, 0.15, 18)
    start = np.stack([0.14 * side, -0.08 + 0.07 * angle], 1) + rng.normal(0, 0.02, (18, 2))
    strokes: list[tuple[Points, float, float]] = []
    for length, width, ink in ((0.20, 0.026, 1.0), (0.20, 0.016, 0.8), (0.17, 0.010, 0.65), (0.12, 0.006, 0.55)):
        turns = angle[:, None] + np.cumsum(rng.normal(0, 0.20, (len(angle), 6)), 1)
        step = length / 6 * rng.uniform(0.7, 1.2, (len(angle), 1))
        path = np.stack([side[:, None] * np.cos(turns), np.sin(turns)], -1) * step[..., None]
        lines = np.concatenate([start[:, None], start[:, None] + np.cumsum(path, 1)], 1)
        strokes += [(line, width, ink) for line in lines]
        fork = rng.integers(3, 7, len(angle))
        start = np.repeat(lines[np.arange(len(angle)), fork], 2, axis=0)
        angle = np.repeat(angle, 2) + np.tile([-0.45, 0.4], len(angle)) + rng.normal(0, 0.15, 2 * len(angle))
        side = np.repeat(side, 2)
    lines_, widths, inks = zip(*strokes[::-1], strict=True)
    return canvas.stroke(lines_, widths, 0.004, inks)


def paint_bones(canvas: Canvas, body: Body) -> Layer:
    """Paint clavicles, shoulder blades, upper arms and the spine, (H, W)."""
    t = np.linspace(0, 1, 20)
    rise = 0.15 + 0.3 * body.slope
    collar = np.stack([0.06 + 0.80 * t, body.top + 0.27 - rise * t - 0.05 * np.sin(2 * np.pi * t)], 1)
    blade = round_off(np.array([(0.66, -0.62), (0.92, -0.60), (0.80, -0.30), (0.68, 0.02), (0.63, -0.25)]))
    ridge = bend(np.array([(0.74, -0.62), (0.64, -0.45), (0.64, -0.20), (0.68, 0.02), (0.80, -0.30)]))
    shoulder = body.top + body.slope
    arm = [ellipse(1.00, shoulder + 0.02, 0.095, 0.10)]
    shaft = [np.array([(0.97, shoulder + 0.05), (1.07, shoulder + 0.05), (1.20, 0.7), (1.12, 0.7)])]
    layer = 0.17 * canvas.fill(_both([ribbon(collar, 0.06)]), 0.007)
    layer -= 0.09 * canvas.fill(_both([ribbon(collar, 0.032)]), 0.008)
    layer += 0.07 * canvas.fill(_both([blade]), 0.010) + 0.07 * canvas.stroke(_both([ridge]), 0.014, 0.008)
    return layer + 0.15 * canvas.fill(_both(arm + shaft), 0.014) + _paint_spine(canvas)


def _paint_spine(canvas: Canvas) -> Layer:
    """A column of vertebrae: bodies brighter than the discs between them, two pedicles each."""
    levels = np.linspace(-1.1, 1.1, 18)
    half, gap = 0.062 + 0.018 * (levels + 1.1), 0.043
    bodies = [
        np.array([(-w, v - gap), (w, v - gap), (0.92 * w, v), (w, v + gap), (-w, v + gap), (-0.92 * w, v)])
        for w, v in zip(half, levels, strict=True)
    ]
    pedicles = [
        ellipse(side * 0.62 * w, v - 0.012, 0.014, 0.020) for w, v in zip(half, levels, strict=True) for side in (-1, 1)
    ]
    processes = [ellipse(0, v + 0.035, 0.012, 0.028) for v in levels]
    column = np.array([(-0.06, -1.5), (0.06, -1.5), (0.10, 1.5), (-0.10, 1.5)])
    return (
        0.08 * canvas.fill([column], 0.014)
        + 0.07 * canvas.fill(bodies, 0.008)
        + 0.05 * canvas.fill(pedicles + processes, 0.006)
    )


def _both(outlines: Sequence[Points]) -> list[Points]:
    return [outline * [side, 1] for outline in outlines for side in (-1, 1)]


def paint_trunk(canvas: Canvas, body: Body) -> tuple[Layer, Layer]:
    """Paint soft tissue of neck, shoulders, arms, chest and belly, thinner towards the edge.

    Its outline is the second layer, both (H, W).
    """
    flank, fall = body.width + 0.10 + 0.08 * body.fat, body.top + body.slope
    half = [
        (0.22, -1.6), (0.23, body.top - 0.22), (0.42, body.top - 0.13), (0.95, fall - 0.26), (1.18, fall - 0.10),
        (1.30, 0.3), (1.36, 1.0), (1.12, 1.0), (1.05, 0.2), (0.99, -0.10), (flank + 0.05, -0.14),
        (flank, 0.2), (flank, 1.6),
    ]  # fmt: skip
    points = round_off(np.array(half + [(-u, v) for u, v in half[::-1]]))
    edge = canvas.fill([points], 0.012)
    depth = canvas.fill([points], 0.10)
    middle = canvas.fill([ellipse(0, 0.2, 0.48, 1.2)], 0.22)
    return edge * (0.28 + 0.40 * depth + (0.50 + 0.10 * body.fat) * middle), edge


def paint_belly(canvas: Canvas, body: Body) -> Layer:
    """Paint the belly under the diaphragm, (H, W) in [0, 1]."""
    right, left = body.domes
    w = body.width
    top = [
        (-w - 0.10, 1.8), (-w - 0.03, right + 0.34), (-w, right + 0.14), (-0.8 * w, right + 0.02),
        (-0.5 * w, right - 0.01),
        (-0.1, right + 0.06), (0.1, left + 0.06),
        (0.5 * w, left - 0.01), (0.8 * w, left + 0.02), (w, left + 0.14),
        (w + 0.03, left + 0.34), (w + 0.10, 1.8),
    ]  # fmt: skip
    return canvas.fill([np.array(top)], 0.045)


def paint_soft_parts(canvas: Canvas, body: Body, rng: np.random.Generator) -> Layer:
    """Paint hila, windpipe, gas in stomach and bowel, breasts, (H, W); gas is negative."""
    pipe = np.array([(-0.035, -1.4), (0.035, -1.4), (0.03, -0.36), (0.10, -0.24), (0.07, -0.22), (-0.005, -0.31),
                     (-0.08, -0.21), (-0.11, -0.23), (-0.04, -0.36)])  # fmt: skip
    u, v = 0.36 + rng.normal(0, 0.04), body.domes[1] + 0.10 + body.bubble
    turn = rng.uniform(0, 2 * np.pi)
    wobble = 1 + 0.18 * np.sin(3 * np.linspace(0, 2 * np.pi, 48, endpoint=False) + turn)[:, None]
    stomach = (ellipse(0, 0, 1.5 * body.bubble, 0.75 * body.bubble) * wobble) + [u, v]
    bowel = [
        ellipse(at, 0.80 + rng.normal(0, 0.05), rng.uniform(0.03, 0.07), rng.uniform(0.02, 0.05))
        for at in rng.uniform(-0.45, 0.5, 4)
    ]
    hila = canvas.fill([ellipse(-0.165, -0.09, 0.045, 0.11), ellipse(0.165, -0.13, 0.045, 0.09)], 0.03)
    layer = 0.12 * hila - 0.22 * canvas.fill([pipe], 0.012)
    layer -= canvas.fill([stomach], 0.014) * 0.34 + canvas.fill(bowel, 0.02) * 0.16
    if body.breast:
        breasts = [ellipse(side * 0.47, 0.26, 0.30, 0.27) for side in (-1, 1)]
        layer += 0.13 * body.breast * canvas.fill(breasts, 0.02)
    return layer
