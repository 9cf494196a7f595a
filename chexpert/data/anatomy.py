"""A drawn chest without findings, in the body coordinates of `chexpert.data.canvas`.

Layers are attenuations: they add up, and `chexpert.data.film` turns their sum into gray values.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chexpert.data.canvas import Canvas, Layer, Points, ellipse, ribbon, round_off


@dataclass(frozen=True)
class Body:
    """Measures of one patient at one study, in body units."""

    width: float  # half width of the rib cage at the costophrenic angles
    top: float  # v of the lung apices
    domes: tuple[float, float]  # v of the right and the left diaphragm dome
    heart_ratio: float  # cardiothoracic ratio without Cardiomegaly
    air: float  # attenuation that the lungs lack
    fat: float
    knob: float  # radius of the aortic knob
    slope: float  # how far the shoulders fall
    breast: float  # 0 for none
    bubble: float  # radius of the stomach's gas bubble
    tilt: float  # how steeply the ribs fall


def draw_body(patient: np.random.Generator, study: np.random.Generator, *, female: bool, supine: bool) -> Body:
    """Draw a patient's measures and what changes from study to study (breath, exposure of the lungs).

    An AP film of a lying patient has higher domes and a heart magnified by about 8 %, an honest nuisance.
    """
    breath = study.normal(0, 0.025) - 0.03 * supine
    right = patient.normal(0.30, 0.03) + breath
    return Body(
        width=float(np.clip(patient.normal(0.69, 0.025), 0.62, 0.76)),
        top=patient.normal(-0.77, 0.02),
        domes=(right, right + patient.normal(0.045, 0.02)),
        heart_ratio=float(np.clip(patient.normal(0.435, 0.022), 0.37, 0.50) * (1.06 if supine else 1.0)),
        air=float(np.clip(patient.normal(0.82, 0.04) + study.normal(0, 0.03), 0.66, 0.96)),
        fat=patient.uniform(0, 1),
        knob=patient.normal(0.085, 0.012),
        slope=patient.normal(0.22, 0.04),
        breast=patient.uniform(0.3, 1) if female else 0.0,
        bubble=patient.uniform(0.03, 0.10),
        tilt=patient.normal(0.20, 0.03),
    )


def outline_lung(body: Body, side: int) -> Points:
    """Outline of the right (`side` = -1, on the picture's left) or the left (+1) lung, as if there were no heart."""
    w, top, dome = body.width, body.top, body.domes[(side + 1) // 2]
    tip = (w, dome + 0.17)
    corners = [
        (0.13, top + 0.16), (0.18, top + 0.03), (0.29, top - 0.01), (0.42, top + 0.07),
        (0.77 * w, top + 0.30), (0.91 * w, -0.14), (0.97 * w, 0.10), tip, tip, tip,
        (0.93 * w, dome + 0.08), (0.78 * w, dome + 0.01), (0.55 * w, dome - 0.02), (0.33 * w, dome + 0.02),
        (0.11, dome + 0.09), (0.13, 0.05), (0.13, -0.16), (0.12, -0.26), (0.15, -0.44),
    ]  # fmt: skip
    return round_off(np.array(corners)) * [side, 1]


def outline_heart(body: Body, ratio: float) -> Points:
    """Outline of a heart whose width is `ratio` of the inner width of the rib cage (the cardiothoracic ratio)."""
    grown = ratio / 0.45
    right, left = 0.30 * ratio * 2 * body.width, 0.70 * ratio * 2 * body.width
    floor = max(body.domes) + 0.07
    roof = -0.20 - 0.08 * (grown - 1)
    corners = [
        (-0.10, roof), (-0.80 * right, roof + 0.17), (-1.03 * right, 0.10), (-1.0 * right, floor - 0.12),
        (-0.6 * right, floor + 0.02), (0.4 * left, floor + 0.05), (0.85 * left, floor + 0.02),
        (1.03 * left, floor - 0.07), (1.03 * left, floor - 0.17), (0.83 * left, 0.06 - 0.06 * (grown - 1)),
        (0.50 * left, roof + 0.08), (0.12, roof),
    ]  # fmt: skip
    return round_off(np.array(corners))


def draw_ribs(canvas: Canvas, body: Body) -> Layer:
    """Posterior ribs (nearly level, falling at the side) and the fainter anterior ones (running down to the middle)."""
    t, k = np.linspace(0, 1, 24), np.arange(10)[:, None]
    level = body.top + 0.06 + 0.128 * k
    reach = body.width * np.clip(0.62 + 0.14 * k, 0, 1.03)
    back = np.stack(
        [0.06 + (reach - 0.06) * np.sin(t * np.pi / 2), level - 0.07 * np.sin(t * 2.6) + body.tilt * t**3], -1
    )
    front = np.stack([reach * (1.0 - 0.52 * t**1.3), level + body.tilt + 0.26 * t], -1)[:7]
    back, front = (np.concatenate([lines, lines * [-1, 1]]) for lines in (back, front))
    layer = canvas.fill(ribbon(back, 0.056), 0.006)
    layer -= 0.45 * canvas.fill(ribbon(back, 0.030), 0.008)  # marrow between two bright rims
    return layer + 0.45 * canvas.fill(ribbon(front, 0.060), 0.012)


def draw_vessels(canvas: Canvas, rng: np.random.Generator) -> Layer:
    """Branching vessels that leave the two hila and thin out towards the chest wall, (H, W) in [0, 1]."""
    side = np.repeat([-1.0, 1.0], 9)
    angle = np.tile(np.linspace(-1.35, 1.5, 9), 2) + rng.normal(0, 0.15, 18)
    start = np.stack([0.14 * side, -0.06 + 0.07 * angle], 1) + rng.normal(0, 0.02, (18, 2))
    layer = np.zeros(canvas.shape, np.float32)
    for length, width, weight in ((0.30, 0.022, 1.0), (0.22, 0.014, 0.7), (0.14, 0.008, 0.5)):
        turns = angle[:, None] + np.cumsum(rng.normal(0, 0.20, (len(angle), 6)), 1)
        step = length / 6 * rng.uniform(0.7, 1.2, (len(angle), 1))
        path = np.stack([side[:, None] * np.cos(turns), np.sin(turns)], -1) * step[..., None]
        lines = np.concatenate([start[:, None], start[:, None] + np.cumsum(path, 1)], 1)
        layer += np.float32(weight) * canvas.stroke(lines, width, 0.005)
        fork = rng.integers(3, 7, len(angle))
        start = np.repeat(lines[np.arange(len(angle)), fork], 2, axis=0)
        angle = np.repeat(angle, 2) + np.tile([-0.45, 0.4], len(angle)) + rng.normal(0, 0.15, 2 * len(angle))
        side = np.repeat(side, 2)
    return np.minimum(layer, 1)


def draw_bones(canvas: Canvas, body: Body) -> Layer:
    """Clavicles, shoulder blades, heads of the upper arms and the spine, (H, W)."""
    t = np.linspace(0, 1, 20)
    rise = 0.15 + 0.3 * body.slope
    collar = np.stack([0.06 + 0.80 * t, body.top + 0.27 - rise * t - 0.05 * np.sin(2 * np.pi * t)], 1)
    blade = round_off(np.array([(0.66, -0.62), (0.92, -0.60), (0.80, -0.30), (0.68, 0.02), (0.63, -0.25)]))
    arm = ellipse(1.02, body.top + body.slope + 0.02, 0.10, 0.11)
    spine = np.array([(-0.075, -1.5), (0.075, -1.5), (0.095, 1.5), (-0.095, 1.5)])
    _, v = canvas.grid
    layer = 0.16 * canvas.fill(_both(ribbon(collar, 0.06)), 0.007)
    layer -= 0.07 * canvas.fill(_both(ribbon(collar, 0.03)), 0.010)
    layer += 0.08 * canvas.fill(_both(blade), 0.010) + 0.14 * canvas.fill(_both(arm), 0.020)
    return layer + canvas.fill([spine], 0.012) * (0.13 + 0.035 * np.cos(v * np.float32(2 * np.pi / 0.13)))


def _both(outline: Points) -> list[Points]:
    return [outline * [-1, 1], outline]


def draw_trunk(canvas: Canvas, body: Body, solid: Layer) -> Layer:
    """Soft tissue of neck, shoulders, arms, chest and belly, (H, W), thinner towards the edge.

    `solid` is 0 where there is lung: it lies before and behind what is under the diaphragm.
    """
    flank, fall = body.width + 0.10 + 0.08 * body.fat, body.top + body.slope
    half = [
        (0.24, -1.6), (0.24, body.top - 0.22), (0.42, body.top - 0.13), (0.95, fall - 0.26), (1.18, fall - 0.10),
        (1.30, 0.3), (1.36, 1.0), (1.12, 1.0), (1.05, 0.2), (0.99, -0.10), (flank + 0.05, -0.14),
        (flank, 0.2), (flank, 1.6),
    ]  # fmt: skip
    points = round_off(np.array(half + [(-u, v) for u, v in half[::-1]]))
    edge = canvas.fill([points], 0.012)
    depth = canvas.fill([points], 0.10)
    middle = canvas.fill([ellipse(0, 0.2, 0.48, 1.2)], 0.22)
    return edge * (0.28 + 0.40 * depth + (0.62 + 0.10 * body.fat) * middle + 0.22 * _draw_belly(canvas, body) * solid)


def _draw_belly(canvas: Canvas, body: Body) -> Layer:
    right, left = body.domes
    w = body.width
    top = [
        (-1.4, right + 0.3), (-w, right + 0.14), (-0.8 * w, right + 0.02), (-0.5 * w, right - 0.01),
        (-0.1, right + 0.06), (0.1, left + 0.06),
        (0.5 * w, left - 0.01), (0.8 * w, left + 0.02), (w, left + 0.14), (1.4, left + 0.3),
    ]  # fmt: skip
    return canvas.fill([np.array([*top, (1.4, 1.8), (-1.4, 1.8)])], 0.03)


@dataclass(frozen=True)
class Chest:
    """A body on its canvas, with the lungs that most findings are confined to."""

    canvas: Canvas
    body: Body

    @cached_property
    def lungs(self) -> Layer:
        """Both lungs as if there were no heart, (H, W) in [0, 1]."""
        return self.canvas.fill([outline_lung(self.body, -1), outline_lung(self.body, 1)], 0.011)

    @cached_property
    def free_lungs(self) -> Layer:
        """The lungs, and a fifth of them behind the heart (of its size without Cardiomegaly), (H, W) in [0, 1]."""
        heart = self.canvas.fill([outline_heart(self.body, self.body.heart_ratio)], 0.014)
        return self.lungs * (1 - 0.8 * heart)
