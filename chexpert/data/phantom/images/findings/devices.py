"""Support Devices: what was put on or into the patient."""

import numpy as np

from chexpert.data.phantom.images.anatomy import Chest
from chexpert.data.phantom.images.canvas import Layer, Points, bend, ellipse


def paint_devices(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """Paint one to three of: pacemaker with lead, central line, breathing tube, monitor wires."""
    kinds = rng.permutation(4)[: rng.integers(1, 4)]
    layer = np.zeros(chest.canvas.shape, np.float32)
    for kind in kinds:
        layer = np.maximum(layer, (_pacemaker, _central_line, _tube, _wires)[kind](chest, rng))
    return dose * layer


def _curve(*points: tuple[float, float]) -> Points:
    return bend(np.array(points))


def _pacemaker(chest: Chest, rng: np.random.Generator) -> Layer:
    side = int(rng.choice([-1, 1], p=[0.2, 0.8]))
    u, v = side * rng.uniform(0.50, 0.62), rng.uniform(-0.52, -0.42)
    lead = _curve((u, v), (side * 0.25, -0.55), (-0.08, -0.35), (-0.10, 0.05), (rng.uniform(0.12, 0.24), 0.26))
    case = chest.canvas.fill([ellipse(u, v, 0.095, 0.075)], 0.006)
    case -= 0.25 * chest.canvas.fill([ellipse(u, v - 0.03, 0.06, 0.022)], 0.005)  # the header is less dense
    return np.maximum(case, 0.6 * chest.canvas.stroke([lead], 0.012))


def _central_line(chest: Chest, rng: np.random.Generator) -> Layer:
    side = int(rng.choice([-1, 1], p=[0.75, 0.25]))
    end = (-0.09, rng.uniform(-0.15, 0.05))
    line = _curve((side * rng.uniform(0.25, 0.6), -1.1), (side * 0.30, -0.75), (-0.07, -0.48), end)
    return 0.5 * chest.canvas.stroke([line], 0.012)


def _tube(chest: Chest, rng: np.random.Generator) -> Layer:
    u = rng.normal(0, 0.012)
    line = _curve((u, -1.2), (u, -0.75), (u + 0.01, rng.uniform(-0.45, -0.34)))
    return 0.45 * chest.canvas.stroke([line], 0.024)


def _wires(chest: Chest, rng: np.random.Generator) -> Layer:
    lines, pads = [], []
    for u, v in ((-0.55, -0.60), (0.55, -0.60), (0.58, 0.40)):
        u, v = u + rng.normal(0, 0.05), v + rng.normal(0, 0.05)
        middle = (u * rng.uniform(0.6, 1.2), v + rng.uniform(0.15, 0.4))
        lines.append(_curve((u, v), middle, (u + rng.normal(0, 0.2), 1.2)))
        pads.append(ellipse(u, v, 0.028, 0.028))
    return np.maximum(0.8 * chest.canvas.fill(pads, 0.005), 0.45 * chest.canvas.stroke(lines, 0.010))
