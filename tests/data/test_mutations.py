"""Mutated tables: each is an error with its line, or is itself a valid CheXpert file and is read as written."""

import random
import re

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.data.sources.frame import HEADER, read_frame
from chexpert.data.sources.manifest import check_files, hash_file
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS

PATH = (
    r"(CheXpert-v1\.0-small/)train/(patient\d{5}[/_]study[1-9]\d*[/_]view[1-9]\d*_(frontal|lateral))"
    r"\.(?:jpg|jpeg|png|JPG|JPEG|PNG)"
)
BLANK = ("", "nan", "NaN", "NA", "N/A", "n/a", "null", "NULL", "None", "<NA>")
LABEL = re.compile(r"(1|0|-1)(?:\.0{1,6})?")
HARMLESS = ("", "pandas", "quotes", "prefix")


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


def respell(lines, spelling):
    """The same table as pandas writes it, with quotes, or with the paths of another machine."""
    if spelling == "pandas":
        ages = [re.sub(r"(ale|Unknown),(\d+)", r"\1,\2.0", re.sub(r",(?=,|$)", ",nan", line)) for line in lines]
        return [f"{number or ''},{line}" for number, line in enumerate(ages)]
    if spelling == "quotes":
        return [",".join(f'"{cell}"' for cell in line.split(",")) for line in lines]
    if spelling == "prefix":
        return [line.replace("CheXpert-v1.0-small/", PREFIXES[1]).replace(".jpg", ".PNG") for line in lines]
    return lines


def split_slowly(text):
    """Cells by line, one character after the other; None where a quote is not closed."""
    rows, cells, cell, quoted, at = [], [], "", None, 0
    while at < len(text):
        letter = text[at]
        if quoted:
            if letter == '"' and text[at + 1 : at + 2] == '"':
                cell, at = cell + '"', at + 1
            elif letter == '"':
                quoted = False
            else:
                cell += letter
        elif letter == "," or letter == "\n":
            cells, cell, quoted = [*cells, cell], "", None
            if letter == "\n":
                rows, cells = [*rows, cells], []
        elif letter == '"' and quoted is None and not cell:
            quoted = True
        elif quoted is False:  # text behind a closed quote
            return None
        else:
            cell += letter
        at += 1
    return None if quoted or cells or cell else rows


def name_slowly(name):
    """CheXpert's column by a header; other columns as they are."""
    plain = {"".join(filter(str.isalnum, known.lower())): known for known in OBSERVATIONS}
    known = {column.lower(): column for column in HEADER}
    name = name.strip(" \t")
    return known.get(name.lower()) or plain.get("".join(filter(str.isalnum, name.lower())), name)


def read_slowly(text):
    """Labels by view as a plain loop reads them, or None where the text is no table of CheXpert."""
    text = text.replace("\r\r\n", "\n").replace("\r\n", "\n")
    if any(character in text for character in "\r\0") or (rows := split_slowly(text)) is None:
        return None
    header = [name_slowly(name) for name in rows[0]]
    if any(header.count(name) != 1 for name in HEADER):
        return None
    found, prefixes = {}, set()
    for fields in rows[1:]:
        fields = [field.strip(" \t") for field in fields]
        if not any(fields):
            continue
        if len(fields) != len(header):
            return None
        row = dict(zip(header, fields, strict=True))
        view = read_row(row, prefixes)
        if view is None or view[0] in found:
            return None
        found[view[0]] = view[1]
    return found if len(prefixes) == 1 else None


PREFIXES = ("CheXpert-v1.0-small/", "/kaggle/input/chexpert/")


def read_row(row, prefixes):
    """View, and sex, age, position and labels; None where something is not CheXpert's."""
    cell = row["Path"].replace("\\", "/")
    prefix = next((prefix for prefix in PREFIXES if cell.startswith(prefix)), "")
    prefixes.add(prefix)
    path = re.fullmatch(PATH, PREFIXES[0] + cell.removeprefix(prefix), re.ASCII)
    frontal, position = row["Frontal/Lateral"] == "Frontal", "" if row["AP/PA"] in BLANK else row["AP/PA"]
    age = re.fullmatch(r"(0|[1-9][0-9]?|1[01][0-9]|120)(?:\.0)?", row["Age"])
    labels = ["" if row[name] in BLANK else row[name] for name in OBSERVATIONS]
    if (
        not path
        or not prefix
        or path[3] != row["Frontal/Lateral"].lower()
        or row["Frontal/Lateral"] not in ("Frontal", "Lateral")
        or position not in (("AP", "PA", "LL", "RL") if frontal else ("",))
        or row["Sex"] not in ("Male", "Female", "Unknown")
        or not age
        or not all(label == "" or LABEL.fullmatch(label) for label in labels)
    ):
        return None
    values = [int(float(label)) if label else None for label in labels]
    return path[2].replace("_study", "/study").replace("_view", "/view"), (row["Sex"], int(age[1]), position, *values)


def mutate(lines, rng):
    """The table with one character, field or line changed, removed or added."""
    lines = list(lines)
    row = rng.randrange(len(lines))
    unit, change = rng.choice(["character", "field", "line"]), rng.choice(["change", "remove", "add"])
    if unit == "line":
        parts, at, new = lines, row, rng.choice([lines[rng.randrange(len(lines))], "", "x", lines[row][:-3]])
    elif unit == "field":
        parts, at = lines[row].split(","), rng.randrange(lines[0].count(",") + 1)
        cells = ["", "1.0", "0.0", "-1.0", "1", "2", "0.5", "nan", "NA", "1e0", "+1", "-1.", "AP", "Male", "60", "60.0"]
        new = rng.choice([*cells, " 1.0", '"1.0"', parts[at] + " "])
    else:
        parts, at = list(lines[row]), rng.randrange(len(lines[row]))
        new = rng.choice([*'0123456789.,-/_ aFMz"\n\r\0\t', "\u00e9", "\u0661", "\u2028"])
    parts[at : at + (change != "add")] = [] if change == "remove" else [new]
    if unit != "line":
        lines[row] = ("," if unit == "field" else "").join(parts)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])])
def test_mutated_table_is_an_error_or_read_as_written(lines, tmp_path, count):
    """With a manifest every change of a byte is an error."""
    rng, path = random.Random(1), tmp_path / "train.csv"
    bases = [respell(lines, spelling) for spelling in HARMLESS]
    wholes = ["\n".join(base) + "\n" for base in bases]
    known, errors = [], 0
    for whole in wholes:
        path.write_text(whole)
        known.append({path.name: hash_file(path)})
        assert len(read_slowly(whole)) == 50
        assert read_back(read_frame(path, "train")) == read_slowly(wholes[0])
    for number in range(count):
        base = number % len(bases)
        text = mutate(bases[base], rng)
        path.write_text(text, newline="")
        if text != wholes[base]:
            with raises("changed-file", path):
                check_files(known[base], tmp_path, [path])
        expected = read_slowly(text)
        if expected is None:
            with pytest.raises(UserError) as caught:
                read_frame(path, "train")
            assert re.match(re.escape(f"{path}, line ") + r"\d+", caught.value.where)
            errors += 1
        else:
            assert read_back(read_frame(path, "train")) == expected
    assert 0.3 < errors / count < 0.95


def read_back(frame):
    found = {}
    for row in frame.itertuples(index=False):
        labels = [None if np.isnan(label) else int(label) for label in row[-len(OBSERVATIONS) :]]
        position = row.projection.partition("_")[2].upper()
        found[row.key.removeprefix("train/")] = (row.sex, int(row.age), position, *labels)
    return found
