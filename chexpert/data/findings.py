"""Findings of the phantom: each paints an attenuation, (H, W) >= 0, that is added to the anatomy.

Cardiomegaly is the exception: it is not a layer but a wider and denser heart (`grow_heart`).
"""

from collections.abc import Callable

import numpy as np

from chexpert.data.anatomy import Body, Chest
from chexpert.data.canvas import Layer, Points, bend, ellipse

STRENGTH = {
    "Atelectasis": 0.75,
    "Cardiomegaly": 0.14,
    "Consolidation": 0.75,
    "Edema": 0.165,
    "Pleural Effusion": 0.50,
    "Support Devices": 0.40,
}
"""Attenuation at severity 1 (Cardiomegaly: growth of the cardiothoracic ratio).

Set by trial so that a small network learns every finding but none to the end: `python train.py experiment=demo`
(resnet10t from scratch, 7 epochs, phantom and training of seed 0) ends at a validation AUROC of .92 Atelectasis, .86
Cardiomegaly, .87 Consolidation, .92 Edema, .94 Pleural Effusion, .90 in the mean. They were chosen on those 240 films,
in one run each: another seed gives other figures.
"""

FAINTEST = 0.45
"""Share of the strength that is left at severity 0+: a positive film must show more than the mask's threshold."""


def dose(name: str, severity: float) -> float:
    """Attenuation (or growth) of a finding: `FAINTEST` to 1 of its strength, 0 where severity is 0."""
    return STRENGTH[name] * (FAINTEST + (1 - FAINTEST) * severity) if severity > 0 else 0.0


def grow_heart(body: Body, severity: float) -> tuple[float, float]:
    """Cardiothoracic ratio and relative depth of the heart; a dilated heart is thicker too, so its inside is denser."""
    growth = dose("Cardiomegaly", severity)
    return body.heart_ratio + growth, 1 + 2.0 * growth


def paint_effusion(chest: Chest, rng: np.random.Generator, severity: float) -> Layer:
    """Fluid at one or both bases with a meniscus that rises towards the chest wall and blunts the angle."""
    first = int(rng.choice([-1, 1]))
    both = rng.random() < 0.3
    layer = np.zeros(chest.canvas.shape, np.float32)
    for side, share in ((first, 1.0), (-first, 0.7)):
        if side == first or both:
            layer = np.maximum(layer, _pool(chest, side, share * (0.25 + 0.75 * severity)))
    return dose("Pleural Effusion", severity) * layer


def _pool(chest: Chest, side: int, amount: float) -> Layer:
    across = np.linspace(0.0, 1.0, 20)
    bottom = chest.body.domes[(side + 1) // 2] + 0.2
    level = bottom - 0.12 - 0.46 * amount * (0.40 + 0.60 * across**2)
    surface = np.stack([side * across * (chest.body.width + 0.02), level], 1)
    edge = np.array([(side * (chest.body.width + 0.02), bottom), (0.0, bottom)])
    fluid = chest.canvas.fill([np.concatenate([surface, edge])], 0.02)
    return fluid * chest.free_lungs


def paint_edema(chest: Chest, rng: np.random.Generator, severity: float) -> Layer:
    """Haze on both sides of the hila, mottled, with short level lines (Kerley B) at the lateral bases."""
    u, v = chest.canvas.grid
    haze = np.zeros(chest.canvas.shape, np.float32)
    for side in (-1, 1):
        far = ((u - side * 0.32) / 0.26) ** 2 + ((v + 0.07) / 0.38) ** 2
        haze = np.maximum(haze, np.clip(2.0 * (1 - far), 0, 1))
    mottle = np.clip(0.8 + 0.3 * chest.canvas.noise(rng, 0.06), 0.2, 1.5)
    w = chest.body.width
    levels = [(side, level) for side in (-1, 1) for level in rng.uniform(0.0, 0.26, 4)]
    lines = [np.array([(side * 0.80 * w, level), (side * 0.93 * w, level + 0.01)]) for side, level in levels]
    return dose("Edema", severity) * (haze * mottle * chest.free_lungs + 0.5 * chest.canvas.stroke(lines, 0.008))


def paint_consolidation(chest: Chest, rng: np.random.Generator, severity: float) -> Layer:
    """One ragged patch somewhere in a lung."""
    side = int(rng.choice([-1, 1]))
    u, v = chest.canvas.grid
    at_u, at_v = side * rng.uniform(0.28, 0.52), rng.uniform(-0.42, 0.18)
    ru, rv = rng.uniform(0.17, 0.25), rng.uniform(0.17, 0.28)
    far = ((u - at_u) / ru) ** 2 + ((v - at_v) / rv) ** 2 + 0.30 * chest.canvas.noise(rng, 0.10)
    patch = np.clip(1.6 * (1 - far), 0, 1) * np.clip(0.95 + 0.1 * chest.canvas.noise(rng, 0.05), 0.5, 1.2)
    return dose("Consolidation", severity) * patch * chest.free_lungs


def paint_atelectasis(chest: Chest, rng: np.random.Generator, severity: float) -> Layer:
    """Two or three oblique bands above a dome with a faint wedge of collapsed lung between them."""
    side = int(rng.choice([-1, 1]))
    dome = chest.body.domes[(side + 1) // 2]
    layer = np.zeros(chest.canvas.shape, np.float32)
    for _ in range(rng.integers(2, 4)):
        start = np.array([rng.uniform(0.25, 0.35), dome - rng.uniform(0.08, 0.32)])
        line = start + np.linspace(0, 1, 8)[:, None] * [rng.uniform(0.26, 0.38), rng.uniform(-0.05, 0.12)]
        layer = np.maximum(layer, chest.canvas.stroke([line * [side, 1]], rng.uniform(0.06, 0.085), 0.012))
    wedge = np.array([(0.12, dome - 0.28), (0.66, dome + 0.06), (0.12, dome + 0.08)]) * [side, 1]
    layer = np.maximum(layer, 0.7 * chest.canvas.fill([wedge], 0.03))
    return dose("Atelectasis", severity) * layer * chest.lungs


def paint_devices(chest: Chest, rng: np.random.Generator, severity: float) -> Layer:
    """One to three of: pacemaker with lead, central line, breathing tube, monitor wires."""
    kinds = rng.permutation(4)[: rng.integers(1, 4)]
    layer = np.zeros(chest.canvas.shape, np.float32)
    for kind in kinds:
        layer = np.maximum(layer, (_pacemaker, _central_line, _tube, _wires)[kind](chest, rng))
    return STRENGTH["Support Devices"] * layer


def _curve(*points: tuple[float, float]) -> Points:
    return bend(np.array(points))


def _pacemaker(chest: Chest, rng: np.random.Generator) -> Layer:
    side = int(rng.choice([-1, 1], p=[0.2, 0.8]))
    u, v = side * rng.uniform(0.50, 0.62), rng.uniform(-0.52, -0.42)
    lead = _curve((u, v), (side * 0.25, -0.55), (-0.08, -0.35), (-0.10, 0.05), (rng.uniform(0.12, 0.24), 0.26))
    return np.maximum(chest.canvas.fill([ellipse(u, v, 0.095, 0.075)], 0.006), 0.6 * chest.canvas.stroke([lead], 0.012))


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
        bend = (u * rng.uniform(0.6, 1.2), v + rng.uniform(0.15, 0.4))
        lines.append(_curve((u, v), bend, (u + rng.normal(0, 0.2), 1.2)))
        pads.append(ellipse(u, v, 0.028, 0.028))
    return np.maximum(0.8 * chest.canvas.fill(pads, 0.005), 0.45 * chest.canvas.stroke(lines, 0.010))


PAINTERS: dict[str, Callable[[Chest, np.random.Generator, float], Layer]] = {
    "Atelectasis": paint_atelectasis,
    "Consolidation": paint_consolidation,
    "Edema": paint_edema,
    "Pleural Effusion": paint_effusion,
    "Support Devices": paint_devices,
}
