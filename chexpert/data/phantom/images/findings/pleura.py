"""What lies between lung and chest wall: Pleural Effusion, Pneumothorax, Pleural Other."""

import numpy as np

from chexpert.data.phantom.images.anatomy import Chest
from chexpert.data.phantom.images.body import outline_lung
from chexpert.data.phantom.images.canvas import Layer


def paint_effusion(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """Paint fluid at one or both bases with a meniscus that rises towards the chest wall and blunts the angle."""
    first = int(rng.choice([-1, 1]))
    both = rng.random() < 0.3
    layer = np.zeros(chest.canvas.shape, np.float32)
    for side, share in ((first, 1.0), (-first, 0.7)):
        if side == first or both:
            layer = np.maximum(layer, _pool(chest, side, share * (0.25 + 0.75 * severity)))
    return dose * layer


def _pool(chest: Chest, side: int, amount: float) -> Layer:
    across = np.linspace(0.0, 1.0, 20)
    bottom = chest.body.domes[(side + 1) // 2] + 0.2
    level = bottom - 0.12 - 0.46 * amount * (0.40 + 0.60 * across**2)
    surface = np.stack([side * across * (chest.body.width + 0.02), level], 1)
    edge = np.array([(side * (chest.body.width + 0.02), bottom), (0.0, bottom)])
    fluid = chest.canvas.fill([np.concatenate([surface, edge])], 0.02)
    return fluid * chest.free_lungs


def paint_pneumothorax(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """Paint free air over an apex, more lucent than lung and without its vessels, and the line of the pleura."""
    side = int(rng.choice([-1, 1]))
    gap = 0.07 + 0.13 * severity + rng.uniform(0, 0.02)
    outline = outline_lung(chest.body, side)
    # The collapsed lung keeps to its root: the edge moves most at the apex and not at all below the middle.
    fall = np.clip((0.15 - outline[:, 1]) / (0.15 - chest.body.top), 0, 1)[:, None]
    sunk = outline + fall * gap * np.array([-0.75 * side, 1.0])
    inner, line = chest.canvas.fill([sunk], 0.006), chest.canvas.stroke([sunk], 0.009)
    free = np.clip(chest.canvas.fill([outline], 0.006) - inner, 0, 1)
    upper = np.clip((0.05 - chest.canvas.grid[1]) / 0.1, 0, 1) * chest.lungs
    line *= np.clip((np.abs(chest.canvas.grid[0]) - 0.18) / 0.03, 0, 1)
    return upper * (0.55 * dose * line - free * (dose + chest.texture))


def paint_pleural_cap(chest: Chest, rng: np.random.Generator, severity: float, dose: float) -> Layer:
    """Paint thickened pleura: a rind along the apex and upper chest wall of one side, its inner border wavy."""
    side = int(rng.choice([-1, 1]))
    outline = outline_lung(chest.body, side)
    phase, thick = rng.uniform(0, 2 * np.pi), 0.05 + 0.05 * severity
    wave = 1 + 0.35 * np.sin(14 * outline[:, 1:] + phase)
    inner = outline + thick * wave * np.array([-0.6 * side, 0.9])
    rind = np.clip(chest.canvas.fill([outline], 0.008) - chest.canvas.fill([inner], 0.012), 0, 1)
    u, v = chest.canvas.grid
    upper = np.clip((-0.28 - v) / 0.12, 0, 1) * np.clip((side * u - 0.16) / 0.06, 0, 1)
    return dose * rind * upper * chest.lungs
