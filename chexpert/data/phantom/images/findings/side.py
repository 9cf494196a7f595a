"""Findings as a lateral view shows them, in simple strokes; those that are not here change it little or not at all.

Each paints a layer of attenuation, (H, W), that `lateral` confines to the lungs (devices excepted).
"""

from collections.abc import Callable

import numpy as np

from chexpert.data.phantom.images.body import Body
from chexpert.data.phantom.images.canvas import Canvas, Layer, bend


def _paint_atelectasis(canvas: Canvas, body: Body, rng: np.random.Generator, dose: float) -> Layer:
    line = np.array([(0.05, 0.18), (0.45, 0.22 + rng.uniform(-0.06, 0.1))])
    return 0.7 * dose * canvas.stroke([line], 0.07, 0.014)


def _paint_consolidation(canvas: Canvas, body: Body, rng: np.random.Generator, dose: float) -> Layer:
    far = _distance(canvas, rng, 0.22) + 0.3 * canvas.noise(rng, 0.10)
    return np.asarray(0.8 * dose * np.clip(1.6 * (1 - far), 0, 1), np.float32)


def _paint_edema(canvas: Canvas, body: Body, rng: np.random.Generator, dose: float) -> Layer:
    u, v = canvas.grid
    far = ((u - 0.05) / 0.42) ** 2 + ((v + 0.05) / 0.45) ** 2
    return 1.4 * dose * np.clip(1.5 * (1 - far), 0, 1) * (0.8 + 0.3 * canvas.noise(rng, 0.06))


def _paint_lesion(canvas: Canvas, body: Body, rng: np.random.Generator, dose: float) -> Layer:
    return np.float32(dose) * np.sqrt(np.clip(1 - _distance(canvas, rng, 0.07), 0, 1))


def _paint_effusion(canvas: Canvas, body: Body, rng: np.random.Generator, dose: float) -> Layer:
    """Fluid first fills the sulcus behind the dome, below the level of what a frontal radiograph shows."""
    level = body.domes[0] + 0.22 - 0.55 * dose
    surface = [(0.70, level - 0.10), (0.50, level), (0.30, level + 0.03), (0.0, level + 0.06)]
    pool = np.array([*bend(np.array(surface)), (0.0, 1.0), (0.70, 1.0)])
    return 1.2 * dose * canvas.fill([pool], 0.02)


def _paint_devices(canvas: Canvas, body: Body, rng: np.random.Generator, dose: float) -> Layer:
    """A lead into the heart and a monitor wire on the skin."""
    ends = rng.normal(0, 0.08, 4)
    lead = [(-0.45 + ends[0], -0.9), (-0.20, -0.5), (-0.05, -0.2), (-0.22, 0.18)]
    wire = [(-0.62, -0.3 + ends[1]), (-0.50 + ends[2], 0.2), (-0.55 + ends[3], 1.2)]
    return 0.45 * dose * canvas.stroke([bend(np.array(lead)), bend(np.array(wire))], 0.012)


def _distance(canvas: Canvas, rng: np.random.Generator, radius: float) -> Layer:
    """Squared distance of every pixel from a place in the lungs, in radii."""
    u, v = canvas.grid
    at_u, at_v = rng.uniform(-0.15, 0.42), rng.uniform(-0.35, 0.10)
    return np.asarray(((u - at_u) ** 2 + (v - at_v) ** 2) / radius**2, np.float32)


SIDE_PAINTERS: dict[str, Callable[[Canvas, Body, np.random.Generator, float], Layer]] = {
    "Atelectasis": _paint_atelectasis,
    "Consolidation": _paint_consolidation,
    "Edema": _paint_edema,
    "Lung Lesion": _paint_lesion,
    "Pleural Effusion": _paint_effusion,
    "Support Devices": _paint_devices,
}
