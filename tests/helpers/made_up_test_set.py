"""A test set of four studies with laterals: every evaluation setting has another AUROC, computed by hand.

Edema is positive in studies 1 and 2. AUROC is the share of pairs of a positive and a negative in order.

studies, maximum over views: positive .9 .6, negative .7 .5: 3 of 4 in order.
all images: positive .8 .9 .3 .6, negative .7 .5 .2: 3 of 12 pairs are out of order: .3 below .7 and .5, .6 below .7.
frontal images: positive .8 .3, negative .7 .5: 2 of 4.
"""

from pathlib import Path

from chexpert.runs import files as run_files

SCORES = {
    "patient64741/study1/view1_frontal.jpg": 0.8,
    "patient64741/study1/view2_lateral.jpg": 0.9,
    "patient64742/study1/view1_frontal.jpg": 0.3,
    "patient64742/study1/view2_lateral.jpg": 0.6,
    "patient64743/study1/view1_frontal.jpg": 0.7,
    "patient64744/study1/view1_frontal.jpg": 0.5,
    "patient64744/study1/view2_lateral.jpg": 0.2,
}
POSITIVE = ("patient64741", "patient64742")
HEADER = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "Edema", "Fracture"]
AUROCS = {"studies": (4, 3 / 4), "images": (7, 9 / 12), "frontal": (4, 2 / 4)}
"""n and the AUROC of Edema in each evaluation setting; Fracture has no positive."""


def write_predictions(path: Path, scores=SCORES, prefix="CheXpert-v1.0/test/") -> Path:
    """Scores of Edema, and the same of Fracture."""
    rows = [(f"{prefix}{name}", [score, score]) for name, score in scores.items()]
    run_files.write_predictions(path, ["Edema", "Fracture"], rows)
    return path


def write_labels(path: Path, names=tuple(SCORES), prefix="CheXpert-v1.0/test/") -> Path:
    """Labels in the columns of CheXpert's tables."""
    kinds = {name: "Lateral" if "lateral" in name else "Frontal" for name in names}
    rows = [
        [f"{prefix}{name}", "Male", "60", kinds[name], "", str(float(name.startswith(POSITIVE))), "0.0"]
        for name in names
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    run_files.write_table(path, HEADER, rows)
    return path


def frontal_scores() -> dict[str, float]:
    """The scores of a model that has seen no lateral image."""
    return {name: score for name, score in SCORES.items() if "frontal" in name}
