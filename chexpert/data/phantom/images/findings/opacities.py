"""What fills or shrinks the air of a lung: Edema, Consolidation, Atelectasis, Lung Lesion."""

import numpy as np

from chexpert.data.phantom.images.anatomy import Chest
from chexpert.data.phantom.images.canvas import Layer


def paint_edema(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """Paint haze on both sides of the hila, mottled, with short level lines (Kerley B) at the lateral bases."""
    u, v = chest.canvas.grid
    far = ((np.abs(u) - 0.32) / 0.26) ** 2 + ((v + 0.07) / 0.38) ** 2
    haze = np.clip(2.0 * (1 - far), 0, 1)
    mottle = np.clip(0.8 + 0.3 * chest.canvas.noise(rng, 0.06), 0.2, 1.5)
    w = chest.body.width
    levels = [(side, level) for side in (-1, 1) for level in rng.uniform(0.0, 0.26, 4)]
    lines = [np.array([(side * 0.80 * w, level), (side * 0.93 * w, level + 0.01)]) for side, level in levels]
    return dose * (haze * mottle * chest.free_lungs + 0.5 * chest.canvas.stroke(lines, 0.008))


def paint_consolidation(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """Paint one ragged patch somewhere in a lung."""
    side = int(rng.choice([-1, 1]))
    u, v = chest.canvas.grid
    at_u, at_v = side * rng.uniform(0.28, 0.52), rng.uniform(-0.42, 0.18)
    ru, rv = rng.uniform(0.17, 0.25), rng.uniform(0.17, 0.28)
    far = ((u - at_u) / ru) ** 2 + ((v - at_v) / rv) ** 2 + 0.30 * chest.canvas.noise(rng, 0.10)
    patch = np.clip(1.6 * (1 - far), 0, 1) * np.clip(0.95 + 0.1 * chest.canvas.noise(rng, 0.05), 0.5, 1.2)
    return dose * patch * chest.free_lungs


def paint_atelectasis(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """Paint two or three oblique bands above a dome with a faint wedge of collapsed lung between them."""
    side = int(rng.choice([-1, 1]))
    dome = chest.body.domes[(side + 1) // 2]
    layer = np.zeros(chest.canvas.shape, np.float32)
    for _ in range(rng.integers(2, 4)):
        start = np.array([rng.uniform(0.25, 0.35), dome - rng.uniform(0.08, 0.32)])
        line = start + np.linspace(0, 1, 8)[:, None] * [rng.uniform(0.26, 0.38), rng.uniform(-0.05, 0.12)]
        layer = np.maximum(layer, chest.canvas.stroke([line * [side, 1]], rng.uniform(0.06, 0.085), 0.012))
    wedge = np.array([(0.12, dome - 0.28), (0.66, dome + 0.06), (0.12, dome + 0.08)]) * [side, 1]
    layer = np.maximum(layer, 0.7 * chest.canvas.fill([wedge], 0.045))
    return dose * layer * chest.lungs


def paint_lesion(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """Paint a sphere of one to three centimeters (a body unit is about 17 cm) somewhere in the free lung."""
    side = int(rng.choice([-1, 1]))
    radius = rng.uniform(0.035, 0.055) + 0.035 * severity
    at_u, at_v = side * rng.uniform(0.36, 0.55), rng.uniform(-0.48, 0.04)
    u, v = chest.canvas.grid
    depth = np.clip(1 - ((u - at_u) ** 2 + (v - at_v) ** 2) / radius**2, 0, 1)
    return np.float32(dose) * np.sqrt(depth) * chest.free_lungs
