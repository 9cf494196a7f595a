"""Damaged tables: each ends in a located error, or is itself a valid CheXpert file and is read as what it says."""

import csv
import random
import re

import numpy as np
import pytest

from chexpert.data.frame import HEADER, read_frame
from chexpert.data.manifest import check_files, hash_file
from chexpert.observations import OBSERVATIONS
from chexpert.problem import ProblemError

PATH = r"(CheXpert-v1\.0-small/)train/(patient\d{5}/study[1-9]\d*/view[1-9]\d*_(frontal|lateral))\.jpg"
VALUES = {"": None, "1.0": 1, "0.0": 0, "-1.0": -1, "1": 1, "0": 0, "-1": -1}


@pytest.fixture
def lines(make_row):
    """A header and 50 rows with every kind of value."""
    rng = random.Random(0)
    rows = []
    for patient in range(50):
        view = rng.choice(["view1_frontal", "view2_frontal", "view2_lateral"])
        cells = {name: rng.choice(["", "1.0", "0.0", "-1.0"]) for name in OBSERVATIONS}
        cells |= {"Sex": rng.choice(["Male", "Female", "Unknown"]), "Age": str(rng.choice([0, 18, 60, 90]))}
        if "frontal" in view:
            cells["AP/PA"] = rng.choice(["AP", "PA", "LL", "RL"])
        rows.append(make_row(cells, patient=patient, view=view))
    return [",".join(HEADER), *(",".join(row[name] for name in HEADER) for row in rows)]


def read_slowly(text):
    """Labels by view as a plain loop reads them, or None where the text is no table of CheXpert."""
    if any(character in text for character in '"\r\0'):
        return None
    header, *lines = text.removesuffix("\n").split("\n")
    if sorted(header.split(",")) != sorted(HEADER):
        return None
    found = {}
    for fields in csv.reader(lines):
        if len(fields) != len(HEADER):
            return None
        row = dict(zip(header.split(","), fields, strict=True))
        path = re.fullmatch(PATH, row["Path"], re.ASCII)
        frontal = row["Frontal/Lateral"] == "Frontal"
        if (
            not path
            or path[3] != row["Frontal/Lateral"].lower()
            or row["Frontal/Lateral"] not in ("Frontal", "Lateral")
            or row["AP/PA"] not in (("AP", "PA", "LL", "RL") if frontal else ("",))
            or row["Sex"] not in ("Male", "Female", "Unknown")
            or not re.fullmatch("0|[1-9][0-9]?|1[01][0-9]|120", row["Age"])
            or any(row[name] not in VALUES for name in OBSERVATIONS)
            or path[2] in found
        ):
            return None
        found[path[2]] = (row["Sex"], int(row["Age"]), row["AP/PA"], *(VALUES[row[name]] for name in OBSERVATIONS))
    return found


def mutate(lines, rng):
    """The table with one character, field or line changed, lost or added."""
    lines = list(lines)
    row = rng.randrange(len(lines))
    unit, deed = rng.choice(["character", "field", "line"]), rng.choice(["change", "lose", "add"])
    if unit == "line":
        parts, at, new = lines, row, rng.choice([lines[rng.randrange(len(lines))], "", "x", lines[row][:-3]])
    elif unit == "field":
        parts, at = lines[row].split(","), rng.randrange(len(HEADER))
        new = rng.choice(["", "1.0", "0.0", "-1.0", "2", "0.5", "nan", "AP", "Male", "60", parts[at] + " "])
    else:
        parts, at = list(lines[row]), rng.randrange(len(lines[row]))
        new = rng.choice([*'0123456789.,-/_ aFMz"\n\r\0\t', "\u00e9", "\u0661", "\u2028"])
    parts[at : at + (deed != "add")] = [] if deed == "lose" else [new]
    if unit != "line":
        lines[row] = ("," if unit == "field" else "").join(parts)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_a_damaged_table_is_refused_or_read_as_what_it_says_but_never_with_a_manifest(lines, tmp_path, count):
    rng, path = random.Random(1), tmp_path / "train.csv"
    whole = "\n".join(lines) + "\n"
    path.write_text(whole)
    known = {path.name: hash_file(path)}
    assert len(read_slowly("\n".join(lines))) == 50
    refused = 0
    for _ in range(count):
        text = mutate(lines, rng)
        path.write_text(text, newline="")
        if text != whole:
            with pytest.raises(ProblemError, match="changed since the manifest was written"):
                check_files(known, tmp_path, [path])
        expected = read_slowly(text)
        if expected is None:
            with pytest.raises(ProblemError, match=r"train\.csv, line \d+"):
                read_frame(path, "train")
            refused += 1
        else:
            assert read_back(read_frame(path, "train")) == expected
    assert 0.3 < refused / count < 0.99


def read_back(frame):
    found = {}
    for row in frame.itertuples(index=False):
        labels = [None if np.isnan(label) else int(label) for label in row[-len(OBSERVATIONS) :]]
        position = row.projection.partition("_")[2].upper()
        found[row.key.removeprefix("train/")] = (row.sex, int(row.age), position, *labels)
    return found
