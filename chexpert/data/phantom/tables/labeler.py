"""The labels that a labeler might read from a study's report: blanks, -1 at borderline severity, a few errors."""

from collections.abc import Mapping

import numpy as np

from chexpert.data.phantom.images.radiograph import OPACITIES
from chexpert.data.phantom.tables.disease import FINDINGS, label_truth, share
from chexpert.observations import OBSERVATIONS

UNCERTAIN = {
    "Atelectasis": 0.151,
    "Cardiomegaly": 0.036,
    "Consolidation": 0.124,
    "Edema": 0.058,
    "Enlarged Cardiomediastinum": 0.056,
    "Fracture": 0.003,
    "Lung Lesion": 0.007,
    "Pleural Effusion": 0.052,
    "Pleural Other": 0.012,
    "Pneumonia": 0.084,
    "Pneumothorax": 0.014,
    "Support Devices": 0.005,
}
"""Share of -1 in CheXpert's train.csv (223,414 rows)."""

NEGATED = {
    "Atelectasis": 0.01,
    "Cardiomegaly": 0.06,
    "Consolidation": 0.156,
    "Edema": 0.13,
    "Enlarged Cardiomediastinum": 0.13,
    "Fracture": 0.012,
    "Lung Lesion": 0.006,
    "Lung Opacity": 0.059,
    "Pleural Effusion": 0.28,
    "Pleural Other": 0.0015,
    "Pneumonia": 0.014,
    "Pneumothorax": 0.28,
    "Support Devices": 0.058,
}
"""Share of 0 among the rows with 0 or blank, in CheXpert's train.csv."""

ERRORS = 0.025  # share of report labels that say the opposite of the truth
DOUBT = 0.6  # share of -1 within the band about the threshold
VISUAL_ERRORS = 0.05  # of a labeler that reads reports but aims at what the radiograph shows


def label_report(margins: Mapping[str, float], rng: np.random.Generator, *, enriched: bool = True) -> dict[str, str]:
    """Return all 14 labels as CheXpert's labeler would give them: 1.0, 0.0, -1.0 or blank.

    As in CheXpert the tree is not closed: a positive Cardiomegaly leaves Enlarged Cardiomediastinum blank in 91 %, a
    positive opacity names Lung Opacity in about half. No Finding is 1.0 where nothing else is 1.0 or -1.0, else blank.
    """
    labels = {name: _read(name, margins[name], share(name, enriched), rng) for name in FINDINGS}
    chance = rng.random()
    if labels["Cardiomegaly"] == "1.0":  # CheXpert: of 27,000 such rows 1,901 are 1, 311 -1, 172 0
        steps = ((0.070, "1.0"), (0.082, "-1.0"), (0.088, "0.0"), (1.0, ""))
        labels["Enlarged Cardiomediastinum"] = next(label for edge, label in steps if chance < edge)
    labels["Lung Opacity"] = _read_opacity(labels, margins, rng)
    pathology = {label for name, label in labels.items() if name != "Support Devices"}
    labels["No Finding"] = "" if pathology & {"1.0", "-1.0"} else "1.0"
    return {name: labels[name] for name in OBSERVATIONS}


def label_visual(margins: Mapping[str, float], rng: np.random.Generator) -> dict[str, str]:
    """Return all 14 labels, 1.0 or 0.0, near the truth, as VisualCheXbert gives them.

    Source: doi.org/10.1145/3450439.3451862.
    """
    wrong = rng.random(len(FINDINGS)) < VISUAL_ERRORS
    seen = {name: -margins[name] if w else margins[name] for name, w in zip(FINDINGS, wrong, strict=True)}
    return label_truth(seen)


def _read(name: str, margin: float, prevalence: float, rng: np.random.Generator) -> str:
    doubt, error, negated = rng.random(3)
    # A band of ranks about the threshold, two thirds of it above but never all positives; doubt in it makes the -1.
    band = UNCERTAIN[name] / DOUBT
    above = min(2 / 3 * band, 0.8 * prevalence)
    if above - band < margin * prevalence < above and doubt < DOUBT:
        return "-1.0"
    # Errors among the many negatives of a rare finding must not outnumber its positives.
    wrong = error < (ERRORS if margin > 0 else min(ERRORS, prevalence / 8))
    if (margin > 0) != wrong:
        return "1.0"
    return "0.0" if negated < NEGATED[name] else ""


def _read_opacity(labels: Mapping[str, str], margins: Mapping[str, float], rng: np.random.Generator) -> str:
    named, doubt, negated = rng.random(3)
    if any(labels[name] == "1.0" for name in OPACITIES):
        chance = 0.56
    elif any(labels[name] == "-1.0" or margins[name] > 0 for name in OPACITIES):
        chance = 0.85
    else:
        chance = ERRORS
    if named < chance:
        return "1.0"
    if doubt < 0.05:
        return "-1.0"
    return "0.0" if negated < NEGATED["Lung Opacity"] else ""
