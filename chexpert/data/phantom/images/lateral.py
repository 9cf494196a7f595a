"""The lateral view: a simple silhouette, the patient facing the left of the picture, with most of the findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from chexpert.data.phantom.images.body import Body, sample_body
from chexpert.data.phantom.images.canvas import Canvas, Layer, Points, bend, ellipse, ribbon, round_off
from chexpert.data.phantom.images.findings.side import SIDE_PAINTERS
from chexpert.data.phantom.images.frontal import place_body, place_canvas

if TYPE_CHECKING:
    from chexpert.data.phantom.images.radiograph import Radiograph


class Lateral:
    """A lateral radiograph of `size` pixels on its short side."""

    def __init__(self, radiograph: Radiograph, size: int) -> None:
        self.radiograph, self.canvas = radiograph, place_canvas(radiograph, size)
        self.body = sample_body(*place_body(radiograph), female=radiograph.sex == "Female", supine=False)

    def thickness(self, doses: Mapping[str, float]) -> Layer:
        """Return the attenuation with the findings of these doses, (H, W)."""
        canvas, body = self.canvas, self.body
        lung = canvas.fill([_outline_lung(body)], 0.016)
        heart = canvas.fill([_outline_heart(body, doses.get("Cardiomegaly", 0.0))], 0.022)
        layer = _paint_trunk(canvas, body) + _paint_bones(canvas, body)
        layer += (0.26 + doses.get("Cardiomegaly", 0.0)) * heart * lung
        layer -= lung * (body.air * 0.85 - _paint_texture(canvas, self.radiograph.stream("texture")))
        layer += 0.12 * canvas.fill([_outline_dome(body, 0.05)], 0.016) * lung
        layer -= 0.14 * canvas.fill([_outline_windpipe()], 0.014)
        for name, paint in SIDE_PAINTERS.items():
            if name in doses:
                rng = self.radiograph.stream(f"{name}, lateral", level="study")
                layer += paint(canvas, body, rng, doses[name]) * (1 if name == "Support Devices" else lung)
        return layer


def _outline_lung(body: Body) -> Points:
    top, dome = body.top, body.domes[0] + 0.02
    corners = [
        (0.02, top + 0.05), (0.22, top), (0.42, top + 0.12), (0.56, -0.42), (0.62, -0.15), (0.62, 0.15),
        (0.58, dome + 0.16), (0.55, dome + 0.30), (0.55, dome + 0.30), (0.46, dome + 0.20), (0.28, dome + 0.03),
        (0.05, dome - 0.07), (-0.20, dome - 0.07), (-0.42, dome + 0.01), (-0.52, dome + 0.10), (-0.54, dome + 0.08),
        (-0.52, -0.02), (-0.46, -0.25), (-0.36, -0.42), (-0.16, -0.55),
    ]  # fmt: skip
    return round_off(np.array(corners))


def _outline_heart(body: Body, growth: float) -> Points:
    ratio = (body.heart_ratio + growth) / 0.45
    dome = body.domes[0]
    corners = [
        (-0.30, -0.20), (-0.12, -0.26), (0.06, -0.18), (0.10 + 0.12 * (ratio - 1), 0.0), (0.13 * ratio, dome - 0.06),
        (0.02, dome + 0.06), (-0.40, dome + 0.08), (-0.52, dome + 0.02), (-0.47, dome - 0.16),
        (-0.42, -0.06 - 0.10 * (ratio - 1)),
    ]  # fmt: skip
    return round_off(np.array(corners))


def _outline_dome(body: Body, drop: float) -> Points:
    """The far half of the diaphragm, a little higher than the near one."""
    dome = body.domes[0] - drop
    top = [
        (-0.6, dome + 0.12),
        (-0.35, dome),
        (0.0, dome - 0.06),
        (0.3, dome + 0.04),
        (0.5, dome + 0.22),
        (0.6, dome + 0.36),
    ]
    return np.array([*bend(np.array(top)), (0.6, 1.5), (-0.6, 1.5)])


def _outline_windpipe() -> Points:
    return np.array([(-0.03, -1.1), (0.04, -1.1), (0.11, -0.28), (0.05, -0.26)])


def _paint_texture(canvas: Canvas, rng: np.random.Generator) -> Layer:
    """Vessels that leave the hilum, and mottle."""
    angle = rng.uniform(0, 2 * np.pi, 26)
    bent = angle[:, None] + np.cumsum(rng.normal(0, 0.18, (26, 6)), 1)
    steps = np.stack([np.cos(bent), np.sin(bent)], -1) * rng.uniform(0.03, 0.07, (26, 1, 1))
    lines = np.array([0.05, -0.10]) + np.cumsum(steps, 1)
    hilum = canvas.fill([ellipse(0.05, -0.12, 0.075, 0.09)], 0.03)
    return 0.06 * canvas.stroke(lines, 0.012, 0.008) + 0.16 * hilum + 0.03 * canvas.noise(rng, 0.06)


def _trace_spine() -> Points:
    return bend(np.array([(0.20, -1.25), (0.34, -0.80), (0.50, -0.35), (0.54, 0.05), (0.46, 0.55), (0.30, 1.25)]))


def _paint_bones(canvas: Canvas, body: Body) -> Layer:
    """Spine with its discs, breast bone, and the ribs of both sides."""
    spine = _trace_spine()
    even = np.linspace(0, len(spine) - 1, 18).astype(int)
    along = np.gradient(spine, axis=0)[even]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    corners = [(-0.078, -0.048), (0.078, -0.048), (0.070, 0.0), (0.078, 0.048), (-0.078, 0.048), (-0.070, 0.0)]
    blocks = [
        spine[i] + np.array([a * n + b * t for a, b in corners]) for i, n, t in zip(even, across, along, strict=True)
    ]
    t, k = np.linspace(0, 1, 16), np.arange(8)[:, None]
    ribs = np.stack([0.60 - 1.05 * t + 0 * k, body.top + 0.02 + 0.145 * k + 0.34 * t**1.2 + 0.02 * np.sin(9 * k)], -1)
    sternum = bend(np.array([(-0.24, -0.60), (-0.44, -0.36), (-0.56, -0.05), (-0.60, 0.16)]))
    layer = 0.12 * canvas.fill([ribbon(spine, 0.17)], 0.014) + 0.13 * canvas.fill(blocks, 0.008)
    layer += 0.16 * canvas.fill([ribbon(sternum, 0.05)], 0.014)
    return layer + 0.07 * canvas.fill(ribbon(ribs, 0.045), 0.007) - 0.035 * canvas.fill(ribbon(ribs, 0.024), 0.006)


def _paint_trunk(canvas: Canvas, body: Body) -> Layer:
    """Soft tissue with the raised arms above the neck, (H, W)."""
    front, back = -0.64 - 0.07 * body.fat - 0.10 * body.breast, 0.76 + 0.05 * body.fat
    half = [
        (-0.10, -1.5), (-0.30, -0.80), (-0.42, -0.55), (-0.60, -0.25), (front, 0.08), (-0.70, 0.30), (-0.70, 1.5),
        (0.62, 1.5), (0.70, 0.6), (back, 0.1), (back, -0.35), (0.66, -0.70), (0.50, -0.95), (0.46, -1.5),
    ]  # fmt: skip
    outline = round_off(np.array(half))
    edge, depth = canvas.fill([outline], 0.012), canvas.fill([outline], 0.10)
    shoulder = canvas.fill([ellipse(0.22, -0.88, 0.42, 0.28)], 0.08)
    belly = canvas.fill([np.array([(-1, body.domes[0] + 0.1), (1, body.domes[0] + 0.35), (1, 2), (-1, 2)])], 0.08)
    return edge * (0.38 + 0.62 * depth + 0.45 * shoulder + 0.28 * belly)
