"""The measures of a sampled patient and the outlines that follow from them, in the coordinates of `canvas`."""

from dataclasses import dataclass

import numpy as np

from chexpert.data.phantom.images.canvas import Points, round_off


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
    ribs: float  # contrast of the ribs


def sample_body(patient: np.random.Generator, study: np.random.Generator, *, female: bool, supine: bool) -> Body:
    """Sample a patient's measures and what changes from study to study (breath, exposure of the lungs).

    An AP radiograph of a lying patient has higher domes and a heart magnified by about 6 %, an honest nuisance.
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
        ribs=patient.uniform(0.7, 1.2),
    )


def outline_lung(body: Body, side: int) -> Points:
    """Return the outline of the right (`side` = -1, on the picture's left) or the left (+1) lung.

    It is that of a lung without a heart beside it.
    """
    w, top, dome = body.width, body.top, body.domes[(side + 1) // 2]
    tip = (w, dome + 0.17)
    corners = [
        (0.13, top + 0.16), (0.18, top + 0.03), (0.29, top - 0.01), (0.42, top + 0.07),
        (0.77 * w, top + 0.30), (0.91 * w, -0.14), (0.97 * w, 0.10), tip, tip, tip,
        (0.93 * w, dome + 0.08), (0.78 * w, dome + 0.01), (0.55 * w, dome - 0.02), (0.33 * w, dome + 0.02),
        (0.11, dome + 0.09), (0.10, 0.05), (0.10, -0.16), (0.09, -0.26), (0.10, -0.44),
    ]  # fmt: skip
    return round_off(np.array(corners)) * [side, 1]


def outline_heart(body: Body, ratio: float) -> Points:
    """Return the outline of a heart whose width is `ratio` of the inner width of the rib cage.

    `ratio` is the cardiothoracic ratio.
    """
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


def outline_mediastinum(body: Body, widening: float) -> Points:
    """Return the outline of the vessels above the heart; wider by `widening` a side.

    These are caval vein, aortic knob and pulmonary trunk.
    """
    top, knob = body.top, body.knob
    right, left = 0.115 + 0.9 * widening, 0.095 + widening
    corners = [
        (-0.10 - 0.3 * widening, top - 0.05), (-right, top + 0.18), (-right - 0.01, -0.40), (-right + 0.005, -0.24),
        (-right - 0.03, -0.08), (-0.08, 0.06), (0.10, 0.06), (left + 0.07, -0.10), (left + 0.05, -0.20),
        (left - 0.005, -0.26), (left + 1.1 * knob - 0.01, -0.33), (left + 1.1 * knob - 0.01, -0.41), (left, -0.49),
        (left - 0.01, top + 0.18), (0.09 + 0.3 * widening, top - 0.05),
    ]  # fmt: skip
    return round_off(np.array(corners))
