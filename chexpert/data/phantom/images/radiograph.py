"""One synthetic radiograph: gray values and exact masks, a function of its address and severities alone.

The mask of a finding is where the finding changes the picture: the radiograph is painted with it and without it, from
the same random streams, and the difference is thresholded. A mask of the painted shape instead would miss up to a third
of what the finding changes, and punish an explanation that is right.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from chexpert.data.phantom.images.canvas import Layer
from chexpert.data.phantom.images.exposure import add_grain, expose
from chexpert.data.phantom.images.findings import GROWN, PAINTED, dose
from chexpert.data.phantom.images.frontal import Frontal
from chexpert.data.phantom.images.lateral import Lateral
from chexpert.data.random_streams import open_stream

VISIBLE = 0.02  # of the full gray range: what a mask holds at least
OPACITIES = ("Atelectasis", "Consolidation", "Edema", "Lung Lesion", "Pneumonia")
CHILDREN = {
    "Consolidation": ("Consolidation", "Pneumonia"),
    "Pneumonia": ("Consolidation", "Pneumonia"),
    "Lung Opacity": OPACITIES,
    "Enlarged Cardiomediastinum": ("Enlarged Cardiomediastinum", "Cardiomegaly"),
}
"""Observations that several findings make, by the tree of Irvin 2019 (Fig. 1); all others are one finding."""


def findings_of(observation: str) -> tuple[str, ...]:
    """Return the findings that must be gone for the observation to be gone: any of them paints it.

    >>> findings_of("Edema"), findings_of("Pneumonia")
    (('Edema',), ('Consolidation', 'Pneumonia'))
    """
    return CHILDREN.get(observation, (observation,))


@dataclass(frozen=True)
class Radiograph:
    """Address of one radiograph and the severity in [0, 1] of each finding on it; 0 or unnamed is absent."""

    seed: int
    split: str
    patient: int
    study: int
    view: int
    sex: str
    position: str  # AP or PA; "" makes it a lateral
    severity: Mapping[str, float]
    strength: Mapping[str, float] = field(default_factory=dict)  # factor on the dose of a finding, 1 where unnamed

    @property
    def lateral(self) -> bool:
        """Return whether it shows the patient from the side."""
        return not self.position

    def stream(self, name: str, *, level: str = "view") -> np.random.Generator:
        """Return random numbers for one purpose, shared by all images of a patient or study if `level` is that."""
        study = self.study if level in ("study", "view") else 0
        view = self.view if level == "view" else 0
        return open_stream(self.seed, self.split, self.patient, study, view, purpose=name)

    def doses(self, without: Collection[str] = ()) -> dict[str, float]:
        """Return the dose of each painted finding that is there and not switched off."""
        there = {name: self.severity.get(name, 0.0) for name in PAINTED if name not in without}
        return {name: dose(name, much) * self.strength.get(name, 1.0) for name, much in there.items() if much > 0}

    def off(self, observation: str) -> "Radiograph":
        """Return the same radiograph without an observation: the exact counterfactual, down to the grain."""
        gone = dict.fromkeys(findings_of(observation), 0.0)
        return replace(self, severity={**self.severity, **gone})


class Painting:
    """A radiograph painted at a short side of `size` pixels; the parts that its pictures share are painted once."""

    def __init__(self, radiograph: Radiograph, size: int) -> None:
        self.radiograph = radiograph
        self._scene = (Lateral if radiograph.lateral else Frontal)(radiograph, size)

    @cached_property
    def image(self) -> Layer:
        """The radiograph without grain, (H, W) in [0, 1]."""
        return self.paint()

    def paint(self, without: Collection[str] = ()) -> Layer:
        """Paint the radiograph without grain and without some findings; everything else stays as it is."""
        thickness = self._scene.thickness(self.radiograph.doses(without))
        return expose(self.radiograph.stream("marker"), np.maximum(thickness, 0), self.radiograph.position)

    def develop(self) -> NDArray[np.uint8]:
        """Return the radiograph with its grain, (H, W), 0-255."""
        return add_grain(self.radiograph.stream("grain"), self.image)

    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Return the mask (H, W) of each painted finding, by name.

        It is where the finding changes the radiograph by more than `VISIBLE`, one pixel wider.

        Cardiomegaly and Enlarged Cardiomediastinum: the convex hull of the difference. A wider heart changes its
        margins most; the hull is the whole enlarged heart, which is what CheXlocalize's radiologists outline.
        A finding that changes nothing by so much (a low `strength`) has no mask.
        """
        changes = {name: np.abs(self.image - self.paint([name])) for name in self.radiograph.doses()}
        masks = {name: _mask(change, hull=name in GROWN) for name, change in changes.items()}
        return {name: mask for name, mask in masks.items() if mask.any()}


def join_masks(masks: Mapping[str, NDArray[np.bool_]], findings: Iterable[str]) -> NDArray[np.bool_] | None:
    """Return the union of the masks of some findings, None where there is none of them."""
    found = [masks[name] for name in findings if name in masks]
    return np.logical_or.reduce(found) if found else None


def _mask(change: Layer, *, hull: bool) -> NDArray[np.bool_]:
    mask = (change > VISIBLE).astype(np.uint8)
    if hull and mask.any():
        cv2.fillConvexPoly(mask, cv2.convexHull(cv2.findNonZero(mask)), 1)
    return cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(bool)
