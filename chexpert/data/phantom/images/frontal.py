"""The frontal view: anatomy and findings put together, each part painted once for all pictures of a radiograph."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from chexpert.data.phantom.images.anatomy import Chest, paint_belly, paint_bones, paint_soft_parts, paint_trunk
from chexpert.data.phantom.images.body import outline_heart, outline_lung, outline_mediastinum, sample_body
from chexpert.data.phantom.images.canvas import Canvas, Layer
from chexpert.data.phantom.images.findings import GROWN, PAINTERS

if TYPE_CHECKING:
    from chexpert.data.phantom.images.radiograph import Radiograph


class Frontal:
    """A frontal radiograph of `size` pixels on its short side."""

    def __init__(self, radiograph: Radiograph, size: int) -> None:
        self.radiograph, self.chest = radiograph, _place(radiograph, size)
        self._findings: dict[str, Layer] = {}
        self._grown: dict[tuple[float, ...], Layer] = {}

    def thickness(self, doses: Mapping[str, float]) -> Layer:
        """Return the attenuation with the findings of these doses, (H, W).

        The sum has a fixed order, so it is exact.
        """
        layer = self._anatomy(*(doses.get(name, 0.0) for name in GROWN)).copy()
        for name in PAINTERS:
            if name in doses:
                layer += self._finding(name, doses[name])
        return layer

    def _finding(self, name: str, dose: float) -> Layer:
        if name not in self._findings:
            rng = self.radiograph.stream(name, level="study")
            self._findings[name] = PAINTERS[name](self.chest, rng, self.radiograph.severity[name], dose)
        return self._findings[name]

    def _anatomy(self, heart: float, vessels: float) -> Layer:
        """The chest with a cardiothoracic ratio grown by `heart` and a mediastinum widened by `vessels` a side."""
        if (heart, vessels) not in self._grown:
            canvas, body = self.chest.canvas, self.chest.body
            muscle = canvas.fill([outline_heart(body, body.heart_ratio + heart)], 0.014)
            trunk = canvas.fill([outline_mediastinum(body, vessels)], 0.012)
            aired = self.chest.lungs * (1 - np.maximum(muscle, np.float32(0.88) * trunk))
            # A dilated heart is thicker too, so its inside is denser; a wide mediastinum likewise.
            layer = self._still + np.float32(0.05 + heart) * muscle + np.float32(0.06 + 1.2 * vessels) * trunk
            layer -= aired * self._air
            self._grown[heart, vessels] = layer - self._belly * aired
        return self._grown[heart, vessels]

    @cached_property
    def _air(self) -> Layer:
        body = self.chest.body
        core = self.chest.canvas.fill([outline_lung(body, -1), outline_lung(body, 1)], 0.08)
        return np.float32(body.air) * (np.float32(0.62) + np.float32(0.38) * core) - self.chest.texture

    @cached_property
    def _belly(self) -> Layer:
        """What the lungs lack where they hang before and behind the diaphragm."""
        return np.float32(0.22) * paint_belly(self.chest.canvas, self.chest.body) * self._trunk[1]

    @cached_property
    def _trunk(self) -> tuple[Layer, Layer]:
        return paint_trunk(self.chest.canvas, self.chest.body)

    @cached_property
    def _still(self) -> Layer:
        """Everything that no finding changes."""
        chest = self.chest
        layer = self._trunk[0] + self._belly + paint_bones(chest.canvas, chest.body)
        layer += np.float32(0.13 * chest.body.ribs) * chest.ribs * (0.40 + 0.60 * chest.lungs)
        parts = paint_soft_parts(chest.canvas, chest.body, self.radiograph.stream("gas", level="study"))
        layer += parts
        return layer


def place_canvas(radiograph: Radiograph, size: int) -> Canvas:
    """Sample the shape of a radiograph and where the patient stands on it."""
    rng = radiograph.stream("view")
    long = round(size * rng.uniform(1.0, 1.22))
    shape = (size, long) if rng.random() < 0.6 else (long, size)
    return Canvas(
        shape,
        rotation=float(np.deg2rad(rng.normal(0, 2))),
        scale=rng.uniform(1.06, 1.20),
        shift=(rng.normal(0, 0.03), rng.normal(0.03, 0.03)),
    )


def place_body(radiograph: Radiograph) -> tuple[np.random.Generator, np.random.Generator]:
    """Return the random numbers of the patient's measures and of their changes by the study."""
    return radiograph.stream("patient", level="patient"), radiograph.stream("study", level="study")


def _place(radiograph: Radiograph, size: int) -> Chest:
    body = sample_body(*place_body(radiograph), female=radiograph.sex == "Female", supine=radiograph.position == "AP")
    return Chest(
        place_canvas(radiograph, size),
        body,
        radiograph.stream("vessels", level="patient"),
        radiograph.stream("texture"),
    )
