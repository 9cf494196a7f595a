"""A synthetic frontal chest film: gray values and exact masks, a function of its address and severities alone.

The mask of a finding is where the finding changes the picture: the film is drawn with it and without it, from the
same random streams, and the difference is thresholded. A mask taken from the drawn shape instead would miss up to
a third of what the finding changes, and punish an explanation that is right.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from chexpert.data.anatomy import (
    Body,
    Chest,
    draw_body,
    draw_bones,
    draw_ribs,
    draw_trunk,
    draw_vessels,
    outline_heart,
    outline_lung,
)
from chexpert.data.canvas import Canvas, Layer, ellipse
from chexpert.data.findings import PAINTERS, grow_heart

DRAWN = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion", "Support Devices")
VISIBLE = 0.02  # of the full gray range: what a mask holds at least
_STREAMS = ("person", "margins", "report", "patient", "vessels", "study", "view", "texture", "marker", "grain", *DRAWN)
_SPLITS = ("train", "valid")


@dataclass(frozen=True)
class Film:
    """Address of one film and what is to be seen on it. `severity` maps each of `DRAWN` to [0, 1]; 0 is absent."""

    seed: int
    split: str
    patient: int
    study: int
    view: int
    sex: str
    position: str  # AP or PA
    severity: Mapping[str, float]

    def stream(self, name: str, *, level: str = "view") -> np.random.Generator:
        """Random numbers for one purpose, shared by all films of the same patient or study where `level` says so."""
        study = self.study if level in ("study", "view") else 0
        view = self.view if level == "view" else 0
        return open_stream(self.seed, self.split, self.patient, study, view, purpose=name)


def open_stream(seed: int, split: str, *address: int, purpose: str) -> np.random.Generator:
    """A generator that depends on nothing but its arguments, so order and number of workers do not matter."""
    key = (_SPLITS.index(split), *address, _STREAMS.index(purpose))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def draw_film(film: Film, size: int, *, without: Collection[str] = ()) -> Layer:
    """Draw a film without grain: (H, W) in [0, 1], short side `size` pixels.

    `without` switches findings off; everything else stays as it is, so two calls give an exact counterfactual.
    """
    severity = {name: 0.0 if name in without else film.severity.get(name, 0.0) for name in DRAWN}
    chest = _place(film, size)
    thickness = _draw_chest(film, chest, severity["Cardiomegaly"])
    for name, paint in PAINTERS.items():
        if severity[name] > 0:
            thickness += paint(chest, film.stream(name, level="study"), severity[name])
    return _expose(film, chest.canvas, thickness)


def add_grain(film: Film, image: Layer) -> NDArray[np.uint8]:
    """Add the film's grain to a drawn film and quantise it: (H, W), 0-255."""
    rng = film.stream("grain")
    noise = cv2.GaussianBlur(rng.standard_normal(image.shape, np.float32), (0, 0), 0.7)
    noisy = image + noise * np.float32(rng.uniform(0.008, 0.022)) * np.sqrt(image)
    return np.clip(np.rint(noisy * 255), 0, 255).astype(np.uint8)


def draw_masks(film: Film, size: int) -> dict[str, NDArray[np.bool_]]:
    """Where each present finding changes the film by more than `VISIBLE`, one pixel wider: {name: (H, W)}.

    Cardiomegaly: the convex hull of the difference. A wider heart changes its margins most; the hull of the two is
    the whole enlarged heart, which is what CheXlocalize's radiologists outline.
    """
    present = [name for name in DRAWN if film.severity.get(name, 0.0) > 0]
    drawn = draw_film(film, size)
    return {name: _mask(name, np.abs(drawn - draw_film(film, size, without=[name]))) for name in present}


def _mask(name: str, change: Layer) -> NDArray[np.bool_]:
    mask = (change > VISIBLE).astype(np.uint8)
    if name == "Cardiomegaly":
        cv2.fillConvexPoly(mask, cv2.convexHull(cv2.findNonZero(mask)), 1)
    return cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(bool)


def _place(film: Film, size: int) -> Chest:
    rng = film.stream("view")
    long = round(size * rng.uniform(1.0, 1.22))
    shape = (size, long) if rng.random() < 0.6 else (long, size)
    canvas = Canvas(
        shape,
        rotation=float(np.deg2rad(rng.normal(0, 2))),
        scale=rng.uniform(1.06, 1.20),
        shift=(rng.normal(0, 0.03), rng.normal(0.03, 0.03)),
    )
    patient, study = film.stream("patient", level="patient"), film.stream("study", level="study")
    return Chest(canvas, draw_body(patient, study, female=film.sex == "Female", supine=film.position == "AP"))


def _draw_chest(film: Film, chest: Chest, cardiomegaly: float) -> Layer:
    canvas, body, lungs = chest.canvas, chest.body, chest.lungs
    ratio, depth = grow_heart(body, cardiomegaly)
    heart = canvas.fill([outline_heart(body, ratio)], 0.014)
    core = canvas.fill([outline_lung(body, -1), outline_lung(body, 1)], 0.08)
    knob = canvas.fill([ellipse(0.09, -0.36, body.knob, body.knob * 1.2)], 0.012)
    aired = lungs * (1 - np.maximum(heart, 0.8 * knob))
    vessels = draw_vessels(canvas, film.stream("vessels", level="patient"))
    texture = film.stream("texture")
    mottle = 0.02 * canvas.noise(texture, 0.05) + 0.03 * canvas.noise(texture, 0.25)
    layer = draw_trunk(canvas, body, 1 - aired)
    layer += (0.5 * depth - 0.45) * heart
    layer -= aired * (body.air * (0.62 + 0.38 * core) - 0.09 * vessels - mottle)
    layer += 0.13 * draw_ribs(canvas, body) * (0.25 + 0.75 * lungs) + draw_bones(canvas, body)
    layer += _draw_soft_parts(canvas, body)
    return np.maximum(layer, 0)


def _draw_soft_parts(canvas: Canvas, body: Body) -> Layer:
    windpipe = canvas.fill([np.array([(-0.035, -1.4), (0.035, -1.4), (0.03, -0.30), (-0.04, -0.30)])], 0.012)
    bubble = canvas.fill(
        [ellipse(0.36, body.domes[1] + 0.10 + body.bubble, 1.4 * body.bubble, 0.8 * body.bubble)], 0.012
    )
    hila = canvas.fill([ellipse(-0.17, -0.07, 0.06, 0.12), ellipse(0.18, -0.13, 0.06, 0.10)], 0.03)
    layer = 0.10 * hila - 0.25 * windpipe - 0.40 * bubble
    if body.breast:
        breasts = [ellipse(side * 0.47, 0.26, 0.30, 0.26) for side in (-1, 1)]
        layer += 0.12 * body.breast * canvas.fill(breasts, 0.04)
    return layer


def _expose(film: Film, canvas: Canvas, thickness: Layer) -> Layer:
    """Gray values from attenuation. No constant here may depend on the picture: that would leak the findings."""
    rng = film.stream("marker")
    gain, gamma, veil = np.exp(rng.normal(0, 0.10)), np.exp(rng.normal(0, 0.18)), rng.uniform(0, 0.10)
    image = (1 - np.exp(-1.4 * np.float32(gain) * thickness)) ** np.float32(1.25 * gamma)
    image = np.float32(veil) + np.float32(0.97 - veil) * image
    image = _stamp(rng, canvas, image)
    return _collimate(rng, image)


def _stamp(rng: np.random.Generator, canvas: Canvas, image: Layer) -> Layer:
    height, width = canvas.shape
    letter, side = ("L", 0.88) if rng.random() < 0.6 else ("R", 0.06)
    size = min(canvas.shape) / 256 * rng.uniform(0.5, 0.8)
    at = int(width * side), int(height * rng.uniform(0.06, 0.22))
    ink = np.zeros(canvas.shape, np.uint8)
    cv2.putText(ink, letter, at, cv2.FONT_HERSHEY_SIMPLEX, size, 255, max(1, round(2 * size)), cv2.LINE_AA)
    return np.maximum(image, ink.astype(np.float32) / 255 * np.float32(0.95))


def _collimate(rng: np.random.Generator, image: Layer) -> Layer:
    height, width = image.shape
    top, bottom, left, right = (rng.random(4) < 0.3) * rng.uniform(0.01, 0.05, 4)
    image[: round(top * height)] = 0
    image[height - round(bottom * height) :] = 0
    image[:, : round(left * width)] = 0
    image[:, width - round(right * width) :] = 0
    return image
