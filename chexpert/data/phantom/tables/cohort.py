"""Who is on the phantom's radiographs: patients, their studies and views, and what the tables say of each.

Shares are of CheXpert's train.csv; its quirks are here too (LL and RL, one Sex Unknown, Age 0, studies out of order).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from chexpert.data.phantom.images.radiograph import Radiograph
from chexpert.data.phantom.options import Options
from chexpert.data.phantom.tables.disease import label_truth, sample_margins
from chexpert.data.phantom.tables.labeler import label_report, label_visual
from chexpert.data.random_streams import open_stream

STUDIES = np.arange(1, 21) ** -1.2
"""Share of patients with at least 1, 2, .. 20 studies: median 1, mean 2.9 (CheXpert: 1, 2.9, at most 91)."""

SECOND_FRONTAL = {True: 0.055, False: 0.0105}  # share of studies with a second frontal, with and without a lateral
LATERAL_FIRST = 0.01  # share of laterals that are their study's only view (CheXpert: 16 of 31,000; here a few)
ODD_POSITION = 0.001  # share of frontals called LL or RL (CheXpert: 17 of 191,027; here one or two)
UNKNOWN_SEX = 10  # this patient's first view has Sex "Unknown" (CheXpert: patient33093)
AGE_ZERO = (38, 39, 40)  # these patients have Age 0 (CheXpert: patient64538, 64539 and 64540)


@dataclass(frozen=True)
class Entry:
    """A radiograph and what the tables say of it.

    `split` is where it is listed, which is not where the radiograph comes from when a planted defect shares a patient.
    `readings` are the 14 labels by reader: truth, chexpert (of train.csv), cheXbert and visualCheXbert.
    """

    radiograph: Radiograph
    split: str
    sex: str
    age: int
    position: str  # the column AP/PA: AP, PA, LL, RL, or blank for a lateral
    readings: Mapping[str, Mapping[str, str]]

    @property
    def study(self) -> str:
        """Place of the study, e.g. `train/patient00001/study1`."""
        return f"{self.split}/patient{self.radiograph.patient:05}/study{self.radiograph.study}"

    @property
    def place(self) -> str:
        """Place of the view, the same in every layout, e.g. `train/patient00001/study1/view1_frontal`."""
        return f"{self.study}/view{self.radiograph.view}_{self.kind.lower()}"

    @property
    def key(self) -> str:
        """Name of the view by which CheXlocalize lists its masks, e.g. `patient64541_study1_view1_frontal`."""
        return self.place.split("/", 1)[1].replace("/", "_")

    @property
    def kind(self) -> str:
        """Frontal or Lateral."""
        return "Lateral" if self.radiograph.lateral else "Frontal"

    @property
    def labels(self) -> Mapping[str, str]:
        """Return the labels of the split's own table: the report in train, the truth in valid and test."""
        return self.readings["chexpert" if self.split == "train" else "truth"]

    def without(self, observation: str) -> "Entry":
        """Return the entry of the counterfactual radiograph that lacks an observation."""
        radiograph = self.radiograph.off(observation)
        margins = {name: severity or -1.0 for name, severity in radiograph.severity.items()}
        return replace(self, radiograph=radiograph, readings={"truth": label_truth(margins)})


def number_patient(split: str, index: int) -> int:
    """Return the id of a split's patient, counted from 0; the same in every phantom.

    CheXpert's ranges: train up to 64540, valid from 64541, test from 64741. Train goes round the three batches of
    AIMI's copy, so that a small phantom has images in each. Valid patients beyond 200 continue beyond the test split's.

    >>> [number_patient("train", index) for index in range(4)], number_patient("valid", 0), number_patient("test", 0)
    ([1, 21514, 43018, 2], 64541, 64741)
    """
    if split == "train":
        return (1, 21514, 43018)[index % 3] + index // 3
    first, allowed, more = (64541, 200, 70001) if split == "valid" else (64741, 500, 80001)
    return first + index if index < allowed else more + index - allowed


def plan_split(split: str, options: Options, shortcut: float | None = None) -> list[Entry]:
    """Return the radiographs of a split in the order of its table; `shortcut` replaces the options' own."""
    count = {"train": options.patients, "valid": options.valid, "test": options.test}[split]
    tie = options.shortcut if shortcut is None else shortcut
    return [entry for index in range(count) for entry in _plan_patient(split, index, options, tie)]


def _plan_patient(split: str, index: int, options: Options, shortcut: float | None) -> Iterator[Entry]:
    patient = number_patient(split, index)
    rng = open_stream(options.seed, split, patient, 0, 0, purpose="person")
    sex = "Male" if rng.random() < 0.59 else "Female"
    age = int(np.clip(rng.normal(60, 18), 18, 90))
    count = int((rng.random() < STUDIES).sum()) if split == "train" else 1
    for number in (rng.permutation(count) + 1).tolist():
        margins = sample_margins(options.seed, split, patient, number, enriched=options.enriched, shortcut=shortcut)
        readings = _read_study(options, split, patient, number, margins)
        severity = {name: max(0.0, margin) for name, margin in margins.items()}
        for view, position in enumerate(_sample_views(options, split, patient, number), start=1):
            painted = {"LL": "AP", "RL": "PA"}.get(position, position)
            radiograph = Radiograph(
                options.seed, split, patient, number, view, sex, painted, severity, dict(options.strength)
            )
            known, years = sex, min(90, age + (number - 1) // 3)
            if split == "train" and index + 1 == UNKNOWN_SEX and (number, view) == (1, 1):
                known = "Unknown"
            if split == "train" and index + 1 in AGE_ZERO:
                years = 0
            yield Entry(radiograph, split, known, years, position, readings)


def _read_study(
    options: Options, split: str, patient: int, study: int, margins: Mapping[str, float]
) -> dict[str, Mapping[str, str]]:
    """Each reading has random numbers of its own; all views of a study share it."""

    def rng(reader: str) -> np.random.Generator:
        return open_stream(options.seed, split, patient, study, 0, purpose=f"reading of {reader}")

    return {
        "truth": label_truth(margins),
        "chexpert": label_report(margins, rng("chexpert"), enriched=options.enriched),
        "cheXbert": label_report(margins, rng("cheXbert"), enriched=options.enriched),
        "visualCheXbert": label_visual(margins, rng("visualCheXbert")),
    }


def _sample_views(options: Options, split: str, patient: int, study: int) -> list[str]:
    """AP/PA of the views of a study in their order, blank for a lateral."""
    rng = open_stream(options.seed, split, patient, study, 0, purpose="views")
    position = "AP" if rng.random() < 0.85 else "PA"
    chance, extra, odd = rng.random(3).tolist()
    # Laterals a study, so that they are `laterals` of all views; 1.018 frontals a study.
    wanted = options.laterals * 1.018 / (1 - options.laterals)
    lateral = chance < wanted
    if chance < LATERAL_FIRST * wanted:
        return [""]
    if odd < ODD_POSITION:
        position = "LL" if odd < 0.9 * ODD_POSITION else "RL"
    return [position] * (1 + (extra < SECOND_FRONTAL[lateral])) + [""] * lateral
