"""Who is on the phantom's films, what they have, and what the rows of train.csv and valid.csv say of it.

Two layers of labels. *Truth* is what was drawn: valid.csv holds it as 0.0 and 1.0. *Report* is what a labeller might
have read from the report: blanks, -1 at borderline severity and a few errors; train.csv holds it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from chexpert.data.film import DRAWN, Film, open_stream
from chexpert.observations import OBSERVATIONS

PREVALENCE = {
    "Atelectasis": 0.30,
    "Cardiomegaly": 0.28,
    "Consolidation": 0.24,
    "Edema": 0.26,
    "Pleural Effusion": 0.32,
    "Support Devices": 0.40,
}
"""Above CheXpert's for the rare ones, so that 240 films give a steady AUROC."""

CORRELATION = {
    ("Cardiomegaly", "Edema"): 0.25,
    ("Cardiomegaly", "Pleural Effusion"): 0.15,
    ("Edema", "Pleural Effusion"): 0.20,
    ("Atelectasis", "Pleural Effusion"): 0.20,
    ("Pleural Effusion", "Support Devices"): 0.20,
    ("Edema", "Support Devices"): 0.15,
}
"""Of the latent normals; it makes phi about as in CheXpert's frontal rows (Cardiomegaly-Edema .17, and so on)."""

UNCERTAIN = {
    "Atelectasis": 0.15,
    "Cardiomegaly": 0.036,
    "Consolidation": 0.124,
    "Edema": 0.058,
    "Pleural Effusion": 0.052,
    "Support Devices": 0.005,
}
"""Share of -1 in CheXpert's train.csv (223,414 rows)."""

NEGATED = {
    "Atelectasis": 0.01,
    "Cardiomegaly": 0.06,
    "Consolidation": 0.16,
    "Edema": 0.13,
    "Pleural Effusion": 0.28,
    "Support Devices": 0.06,
    "Enlarged Cardiomediastinum": 0.10,
    "Lung Opacity": 0.06,
    "Lung Lesion": 0.006,
    "Pneumonia": 0.013,
    "Pneumothorax": 0.25,
    "Fracture": 0.011,
    "Pleural Other": 0.001,
}
"""Share of 0 among the rows with 0 or blank, in CheXpert's train.csv."""

ERRORS = 0.025  # share of report labels that say the opposite of the truth
OPACITIES = ("Edema", "Consolidation", "Atelectasis")  # children of Lung Opacity (Irvin 2019, figure 1)
FIRST_VALID = 64541  # patient ids as in CheXpert: train ends at patient64540


@dataclass(frozen=True)
class Entry:
    """A film with the row that train.csv or valid.csv has for it."""

    film: Film
    row: dict[str, str]

    @property
    def key(self) -> str:
        """Name of the view, e.g. `patient64541_study1_view1_frontal`, by which CheXlocalize lists its masks."""
        film = self.film
        return f"patient{film.patient:05}_study{film.study}_view{film.view}_frontal"


def plan_films(split: str, count: int, seed: int) -> list[Entry]:
    """Say what the films of a split will show and what their rows will say, in the order of the CSV file."""
    entries: list[Entry] = []
    patient = FIRST_VALID if split == "valid" else 1
    while len(entries) < count:
        entries += _plan_patient(seed, split, patient)
        patient += 1
    return entries[:count]


def draw_margins(seed: int, split: str, patient: int, study: int) -> dict[str, float]:
    """How far each finding is beyond its threshold: (0, 1] is its severity, below 0 it is absent.

    A Gaussian copula: half of the variance stays with the patient, half is new at every study.
    """
    root = np.linalg.cholesky(_correlation())
    kept, new = (
        open_stream(seed, split, patient, number, 0, purpose="margins").standard_normal(len(DRAWN))
        for number in (0, study)
    )
    rank = ndtr(root @ (np.sqrt(0.5) * kept + np.sqrt(0.5) * new))
    return {name: float((r - 1) / PREVALENCE[name] + 1) for name, r in zip(DRAWN, rank, strict=True)}


def label_truth(margins: Mapping[str, float]) -> dict[str, str]:
    """All 14 labels as drawn, 0.0 or 1.0; three of them follow from the others."""
    present = {name for name in DRAWN if margins[name] > 0}
    if present & set(OPACITIES):
        present.add("Lung Opacity")
    if "Cardiomegaly" in present:
        present.add("Enlarged Cardiomediastinum")
    if not present - {"Support Devices"}:
        present.add("No Finding")
    return {name: "1.0" if name in present else "0.0" for name in OBSERVATIONS}


def label_report(margins: Mapping[str, float], rng: np.random.Generator) -> dict[str, str]:
    """All 14 labels as a report labeller would give them: 1.0, 0.0, -1.0 or blank."""
    labels = {name: _report(name, margins[name], rng) for name in DRAWN}
    if any(labels[name] == "1.0" for name in OPACITIES) and rng.random() < 0.6:
        labels["Lung Opacity"] = "1.0"
    if labels["Cardiomegaly"] == "1.0" and rng.random() < 0.08:  # CheXpert: 2,212 of 27,000 are 1 or -1
        labels["Enlarged Cardiomediastinum"] = rng.choice(["1.0", "-1.0"], p=[0.85, 0.15])
    pathology = {label for name, label in labels.items() if name != "Support Devices"}
    labels["No Finding"] = "" if pathology & {"1.0", "-1.0"} else "1.0"
    absent = {name: "0.0" if rng.random() < share else "" for name, share in NEGATED.items()}
    return {name: labels.get(name, absent.get(name, "")) for name in OBSERVATIONS}


def _correlation() -> NDArray[np.float64]:
    matrix = np.eye(len(DRAWN))
    for (one, other), value in CORRELATION.items():
        i, j = DRAWN.index(one), DRAWN.index(other)
        matrix[i, j] = matrix[j, i] = value
    return matrix


def _report(name: str, margin: float, rng: np.random.Generator) -> str:
    doubt, error, negated = rng.random(3)
    # A band about the threshold, two thirds of it above; doubt in 60 % of it makes the wanted share of -1.
    band = UNCERTAIN[name] / 0.6
    if -band / 3 < margin * PREVALENCE[name] < 2 * band / 3 and doubt < 0.6:
        return "-1.0"
    if (margin > 0) != (error < ERRORS):
        return "1.0"
    return "0.0" if negated < NEGATED[name] else ""


def _plan_patient(seed: int, split: str, patient: int) -> Iterator[Entry]:
    rng = open_stream(seed, split, patient, 0, 0, purpose="person")
    sex = "Male" if rng.random() < 0.59 else "Female"
    age = int(np.clip(rng.normal(60, 18), 18, 90))
    studies = int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15])) if split == "train" else 1
    for study in range(1, studies + 1):
        margins = draw_margins(seed, split, patient, study)
        visit = open_stream(seed, split, patient, study, 0, purpose="report")
        position = "AP" if visit.random() < 0.75 else "PA"
        labels = label_truth(margins) if split == "valid" else label_report(margins, visit)
        severity = {name: max(0.0, margin) for name, margin in margins.items()}
        film = Film(seed, split, patient, study, 1, sex, position, severity)
        path = f"CheXpert-v1.0-small/{split}/patient{patient:05}/study{study}/view1_frontal.jpg"
        place = {"Path": path, "Sex": sex, "Age": str(age), "Frontal/Lateral": "Frontal", "AP/PA": position}
        yield Entry(film, place | labels)
