"""Put corrected labels in the place of those of CheXpert's tables, each located and counted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from chexpert.data.labels.corrections_file import BLANK, Correction, CorrectionFile

VIEW = ("patient", "study", "view")
EVALUATED = "data.correct_evaluated=true"
Place = tuple[str, str, str]
"""Patient, study and view."""


@dataclass(frozen=True)
class Corrections:
    """Corrected labels by place and observation.

    Attributes:
        file: which they are of.
        labels: the label of each corrected place and observation, NaN for a blank.
        evaluated: whether the splits that are evaluated are corrected too.
        changed: of each observation how many training labels were changed, by ``before to after``.
        unchanged: how many labels had their corrected value already.
        left: how many labels were left as they are, by the reason.
    """

    file: CorrectionFile
    labels: Mapping[Place, Mapping[str, float]]
    evaluated: bool
    changed: dict[str, Counter[str]] = field(default_factory=dict)
    unchanged: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)

    def correct(self, frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Return the frames with the corrected labels; those that are evaluated as they are, unless asked for."""
        chosen = {split: split == "train" or self.evaluated for split in frames}
        corrected = {split: self._correct(frame) if chosen[split] else frame for split, frame in frames.items()}
        done = {place for split in frames for place in self._places(frames[split])}
        held = {place for split in frames if not chosen[split] for place in self._places(frames[split])}
        for reason, places in (("held out, and evaluated", held), ("not selected", self.labels.keys() - done)):
            if count := sum(len(self.labels[place]) for place in places if place in self.labels):
                self.left[reason] = count
        return corrected

    def _places(self, frame: pd.DataFrame) -> list[Place]:
        """Corrected places of a frame."""
        rows = frame.loc[frame["patient"].isin({place[0] for place in self.labels}), list(VIEW)]
        return [place for place in rows.itertuples(index=False, name=None) if place in self.labels]

    def _correct(self, frame: pd.DataFrame) -> pd.DataFrame:
        corrected, wanted = frame.copy(), frame["patient"].isin({place[0] for place in self.labels}).to_numpy()
        columns = {
            name: frame[name].to_numpy().copy() for name in {name for own in self.labels.values() for name in own}
        }
        places = frame.loc[wanted, list(VIEW)].itertuples(index=False, name=None)
        for number, place in zip(np.flatnonzero(wanted).tolist(), places, strict=True):
            for observation, label in self.labels.get(place, {}).items():
                before = float(columns[observation][number])
                if same(before, label):
                    self.unchanged[observation] += 1
                    continue
                self.changed.setdefault(observation, Counter())[f"{spell(before)} to {spell(label)}"] += 1
                columns[observation][number] = label
        return corrected.assign(**columns)

    def summarize(self) -> dict[str, Any]:
        """Return the file with its fingerprint, and the counts, as data.json has them."""
        return {
            "file": str(self.file.path),
            "sha256": self.file.sha256,
            "rows": len(self.file.rows),
            "evaluated_too": self.evaluated,
            "changed": {name: dict(kinds) for name, kinds in self.changed.items()},
            "unchanged": dict(self.unchanged),
            "left": dict(self.left),
        }

    def describe(self) -> str:
        """Return the counts in one line.

        >>> file = CorrectionFile(None, "", [])
        >>> Corrections(file, {}, False, {"Edema": Counter({"0 to 1": 2})}).describe()
        '2 labels changed: Edema 2 (0 to 1: 2)'
        """
        kinds = {
            name: ", ".join(f"{kind}: {count:,}" for kind, count in own.items()) for name, own in self.changed.items()
        }
        total = sum(map(Counter.total, self.changed.values()))
        parts = [f"{name} {own.total():,} ({kinds[name]})" for name, own in self.changed.items()]
        line = f"{total:,} labels changed" + (f": {'; '.join(parts)}" if parts else "")
        others = {"already so": self.unchanged.total(), **self.left}
        return line + "".join(f"; {count:,} {reason}" for reason, count in others.items() if count)


def locate_corrections(
    file: CorrectionFile, tables: Mapping[str, pd.DataFrame], *, evaluated: bool = False
) -> Corrections:
    """Locate each correction in the tables of a copy.

    Args:
        file: of corrections.
        tables: all rows of each split that is read, before views are selected.
        evaluated: whether splits that are evaluated may be corrected.

    Raises:
        UserError: a view or study that no table lists, one of a split that is evaluated, two rows that contradict each
            other, or a row that was listed with another label than the table has.
    """
    patients = {row.patient for row in file.rows}
    known = {split: _Table(frame[frame["patient"].isin(patients)]) for split, frame in tables.items()}
    labels: dict[Place, dict[str, float]] = {}
    lines: dict[tuple[Place, str], Correction] = {}
    for row in file.rows:
        for place in _locate(file, row, known, evaluated=evaluated):
            first = lines.setdefault((place, row.observation), row)
            if not same(first.label, row.label):
                message = (
                    f"line {first.line} corrects this label to {spell(first.label)}, this line to {spell(row.label)}"
                )
                file.refuse(row, message, "keep one of the two", "label-conflict")
            labels.setdefault(place, {})[row.observation] = row.label
    return Corrections(file, labels, evaluated)


class _Table:
    """The views of a split by study: a scan of the table for each row of a file takes hours for a hundred thousand."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.studies: dict[tuple[str, str], list[tuple[int, Place]]] = {}
        for number, place in enumerate(frame[list(VIEW)].itertuples(index=False, name=None)):
            self.studies.setdefault(place[:2], []).append((number, place))

    def select(self, row: Correction) -> list[tuple[int, Place]]:
        """The number and place of each view that a row corrects."""
        study = self.studies.get((row.patient, row.study), [])
        return [own for own in study if row.view is None or own[1][2] == row.view]

    def get_labels(self, rows: list[tuple[int, Place]], observation: str) -> list[float]:
        """The labels of these views."""
        column = self.frame[observation].to_numpy()
        return [float(column[number]) for number, _ in rows]


def _locate(file: CorrectionFile, row: Correction, tables: Mapping[str, _Table], *, evaluated: bool) -> list[Place]:
    """The places that a row corrects; none where it may be of train, and train is not read."""
    for split, table in tables.items():
        own = table.select(row)
        if not own:
            continue
        if split != "train" and not evaluated:
            hint = f"remove the row; or correct what is evaluated too, which no other run is compared with: {EVALUATED}"
            file.refuse(row, f"{row.name} is of {split}, which is evaluated", hint, "conflict")
        now = table.get_labels(own, row.observation)
        if row.before is not None and not all(same(label, row.before) for label in now):
            message = f"listed with the label {spell(row.before)} of {row.observation}, which is {spell(now[0])} here"
            hint = "correct the labels that the list was made of (data.labeler), or drop the column label"
            file.refuse(row, message, hint, "label-conflict")
        return [place for _, place in own]
    if "train" in tables:
        hint = f"name a row of {', '.join(tables)}" + ("; of test: data.test=true" if "test" not in tables else "")
        file.refuse(row, f"no table lists {row.name}", hint, "unknown-view")
    return []


def same(one: float, other: float) -> bool:
    """Return whether two labels are the same; blanks are."""
    return one == other or (np.isnan(one) and np.isnan(other))


def spell(label: float) -> str:
    """Return a label as a file of corrections spells it.

    >>> [spell(label) for label in (1.0, -1.0, float("nan"))]
    ['1', '-1', 'blank']
    """
    return BLANK if np.isnan(label) else f"{label:.0f}"
