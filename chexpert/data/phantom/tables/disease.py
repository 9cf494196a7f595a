"""The truth of a study: margins sampled from a Gaussian copula, and the 14 observations that follow from them.

A margin says how far a finding is beyond its threshold: (0, 1] is its severity, below 0 it is absent.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from chexpert.data.phantom.images.findings import PAINTED
from chexpert.data.phantom.images.radiograph import OPACITIES
from chexpert.data.random_streams import open_stream
from chexpert.observations import OBSERVATIONS

FINDINGS = (*PAINTED, "Pneumonia")

PREVALENCE = {
    "Atelectasis": 0.24,
    "Cardiomegaly": 0.125,
    "Consolidation": 0.13,
    "Edema": 0.26,
    "Enlarged Cardiomediastinum": 0.07,
    "Fracture": 0.04,
    "Lung Lesion": 0.043,
    "Pleural Effusion": 0.41,
    "Pleural Other": 0.027,
    "Pneumonia": 0.08,
    "Pneumothorax": 0.092,
    "Support Devices": 0.52,
}
"""Share of studies that truly have a finding, such that `report` says 1 about as often as CheXpert's train.csv does
(223,414 rows). Enlarged Cardiomediastinum is here the wide vessels alone; Pneumonia is before it is confined to
consolidations."""

ENRICHED = {"Atelectasis": 0.30, "Cardiomegaly": 0.28, "Consolidation": 0.24}
"""The three of the five competition observations that are rare in CheXpert, so that 240 images give a steady AUROC."""

CORRELATION = {
    ("Cardiomegaly", "Edema"): 0.38,
    ("Cardiomegaly", "Pleural Effusion"): 0.15,
    ("Edema", "Pleural Effusion"): 0.25,
    ("Atelectasis", "Pleural Effusion"): 0.35,
    ("Pleural Effusion", "Support Devices"): 0.27,
    ("Edema", "Support Devices"): 0.22,
    ("Edema", "Pneumothorax"): -0.45,
    ("Consolidation", "Pleural Effusion"): 0.20,
    ("Consolidation", "Pneumonia"): 0.85,
}
"""Of the latent normals; it makes the phi of CheXpert's frontal rows (Cardiomegaly-Edema .17, Edema-Effusion .13,
Devices-Effusion .15, Devices-Edema .12, Edema-Pneumothorax -.13) after the report has blurred it."""


def share(finding: str, enriched: bool) -> float:
    """Return the share of studies that truly have a finding."""
    return ENRICHED.get(finding, PREVALENCE[finding]) if enriched else PREVALENCE[finding]


def sample_margins(
    seed: int, split: str, patient: int, study: int, *, enriched: bool = True, shortcut: float | None = None
) -> dict[str, float]:
    """Sample the margin of each of `FINDINGS` at a study.

    Half of the variance stays with the patient, half is new each time.

    `shortcut` ties Support Devices to Cardiomegaly: that is its probability with, 1 - that without Cardiomegaly.
    """
    kept, new = (
        open_stream(seed, split, patient, number, 0, purpose="margins").standard_normal(len(FINDINGS))
        for number in (0, study)
    )
    rank = ndtr(_mixing() @ (np.sqrt(0.5) * kept + np.sqrt(0.5) * new))
    margins = {name: float((r - 1) / share(name, enriched) + 1) for name, r in zip(FINDINGS, rank, strict=True)}
    margins["Pneumonia"] = min(margins["Pneumonia"], margins["Consolidation"])
    if shortcut is not None:
        chance = shortcut if margins["Cardiomegaly"] > 0 else 1 - shortcut
        luck = open_stream(seed, split, patient, study, 0, purpose="shortcut").random()
        margins["Support Devices"] = float((chance - luck) / max(chance, 1e-9))
    return margins


def label_truth(margins: Mapping[str, float]) -> dict[str, str]:
    """Return all 14 observations as sampled, 1.0 or 0.0; the tree of Irvin 2019 is closed."""
    present = {name for name in FINDINGS if margins[name] > 0}
    if present & set(OPACITIES):
        present.add("Lung Opacity")
    if "Cardiomegaly" in present:
        present.add("Enlarged Cardiomediastinum")
    if not present - {"Support Devices"}:
        present.add("No Finding")
    return {name: "1.0" if name in present else "0.0" for name in OBSERVATIONS}


@cache
def _mixing() -> NDArray[np.float64]:
    matrix = np.eye(len(FINDINGS))
    for (one, other), value in CORRELATION.items():
        i, j = FINDINGS.index(one), FINDINGS.index(other)
        matrix[i, j] = matrix[j, i] = value
    return np.asarray(np.linalg.cholesky(matrix), np.float64)
