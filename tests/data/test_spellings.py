"""Tables in harmless spellings: the same frame and fingerprint, noted once; other files are errors."""

import csv
import io
import random
import re

import pandas as pd
import pytest
from helpers.errors import raises
from PIL import Image

from chexpert.data.audit import audit_copy
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.frame import read_frame, read_studies
from chexpert.data.summary import fingerprint
from chexpert.observations import OBSERVATIONS

FOLDER = "CheXpert-v1.0-small"


@pytest.fixture
def table(tmp_path, write_table, make_row):
    """Eleven rows with every kind of value."""
    rng, rows = random.Random(0), []
    for patient in range(11):
        view = rng.choice(["view1_frontal", "view2_lateral"])
        cells = {name: rng.choice(["", "1.0", "0.0", "-1.0"]) for name in OBSERVATIONS} | {"Age": str(patient + 60)}
        rows.append(make_row(cells, patient=patient, view=view))
    return write_table(tmp_path / "train.csv", rows)


def with_pandas(text, **options):
    return pd.read_csv(io.StringIO(text)).to_csv(**options)


def change_cells(text, old, new, columns=OBSERVATIONS):
    header, *rows = csv.reader(io.StringIO(text))
    changed = [
        [new if cell == old and name in columns else cell for name, cell in zip(header, row, strict=True)]
        for row in rows
    ]
    return "".join(",".join(row) + "\n" for row in [header, *changed])


def reorder(text):
    frame = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False)
    return frame[frame.columns[::-1]].to_csv(index=False)


def turn(text, prefix):
    return text.replace(f"{FOLDER}/train/", f"{prefix}train/")


HARMLESS = {
    "row numbers": lambda text: with_pandas(text),
    "row numbers twice": lambda text: with_pandas(with_pandas(text)),
    "index": lambda text: with_pandas(text, index_label="index"),
    "quotes": lambda text: with_pandas(text, index=False, quoting=csv.QUOTE_ALL),
    "quoted texts": lambda text: with_pandas(text, index=False, quoting=csv.QUOTE_NONNUMERIC),
    "nan": lambda text: with_pandas(text, index=False, na_rep="nan"),
    "NaN": lambda text: with_pandas(text, index=False, na_rep="NaN"),
    "NA": lambda text: with_pandas(text, na_rep="NA"),
    "null": lambda text: with_pandas(text, na_rep="null"),
    "six decimals": lambda text: with_pandas(text, index=False, float_format="%.6f"),
    "integers": lambda text: text.replace(".0,", ",").replace(".0\n", "\n"),
    "ages with decimals": lambda text: re.sub(r"(ale,\d+)", r"\1.0", text),
    "blanks around": lambda text: change_cells(text, "1.0", " 1.0 "),
    "blanks at ends of lines": lambda text: text.replace("\n", " \n"),
    "an empty last line": lambda text: text + "\n",
    "empty lines": lambda text: text.replace("\n", "\n\n") + "\n \n",
    "a spreadsheet's blank rows": lambda text: text + ("," * 18 + "\n") * 3,
    "Windows": lambda text: text.replace("\n", "\r\n"),
    "Windows twice": lambda text: text.replace("\n", "\r\r\n"),
    "old Mac": lambda text: text.replace("\n", "\r"),
    "a mark": lambda text: "\ufeff" + text,
    "another order": reorder,
    "other columns": lambda text: text.replace("\n", ",note\n").replace(",note", ",Report", 1),
    "two other columns of a name": lambda text: text.replace("\n", ",a,b\n"),
    "small letters": lambda text: text.replace("Path,Sex", "path,sex").replace("Pleural Effusion", "pleural_effusion"),
    "another name": lambda text: text.replace("Lung Opacity", "Airspace Opacity"),
    "kaggle": lambda text: turn(text, "/kaggle/input/chexpert/"),
    "beside": lambda text: turn(text, "../input/chexpert/"),
    "here": lambda text: turn(text, f"./{FOLDER}/"),
    "Windows paths": lambda text: turn(text, "D:\\data\\small\\").replace("/study", "\\study"),
    "another machine": lambda text: turn(text, f"/home/j\u00f6rg/.cache/x (1)/{FOLDER}/"),
    "archive": lambda text: turn(text, "archive/"),
    "no prefix": lambda text: turn(text, ""),
    "png": lambda text: text.replace(".jpg", ".png"),
    "JPG": lambda text: text.replace(".jpg", ".JPG"),
    "jpeg": lambda text: text.replace(".jpg", ".jpeg"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_spelling_gives_the_same_frame(table, name):
    expected = read_frame(table, "train")
    table.write_text(HARMLESS[name](table.read_text()), newline="", encoding="utf-8")
    frame = read_frame(table, "train")
    columns = [column for column in expected if column != "path"]
    pd.testing.assert_frame_equal(frame[columns], expected[columns])
    assert fingerprint(frame) == fingerprint(expected)
    assert frame["path"].str.fullmatch(r"[\w./-]*train/patient\d{5}/study1/view\d_\w+\.jpg").all()
    assert not frame["path"].str.startswith(("/", ".")).any()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_byte_order_mark_sets_the_encoding(table, encoding):
    expected = read_frame(table, "train")
    table.write_text(table.read_text(), encoding=encoding)
    pd.testing.assert_frame_equal(read_frame(table, "train"), expected)


def test_other_spellings_are_noted_once_with_count_and_line(table, capsys):
    table.write_text(with_pandas(table.read_text(), na_rep="nan", index_label="row"))
    read_frame(table, "train")
    printed = capsys.readouterr().err
    assert re.search(rf"{re.escape(str(table))}: 1 .*'row'\n", printed)
    assert re.search(rf"{re.escape(str(table))}: \d+ .* line 2, column .*: 'nan'\n", printed)
    read_frame(table, "train")
    assert capsys.readouterr().err == ""


def test_clean_table_has_no_note(table, capsys):
    read_frame(table, "train")
    assert capsys.readouterr().err == ""


def test_line_of_an_error_counts_blank_lines(table):
    lines = table.read_text().splitlines()
    lines[4] = lines[4][: lines[4].rindex(",")] + ",2"
    table.write_text("\n\n".join(lines))
    with raises("cell", f"{table}, line 9, column Support Devices"):
        read_frame(table, "train")


@pytest.mark.parametrize(
    ("change", "code", "place", "hint"),
    [
        (lambda text: text.replace(",", ";").encode(), "not-csv", ", line 1", "sep=';'"),
        (lambda text: text.replace(",", "\t").encode(), "not-csv", ", line 1", r"sep='\t'"),
        (lambda text: b"\x1f\x8b" + text.encode(), "not-csv", "", "gzip -dc"),
        (lambda text: b"PK\x03\x04" + text.encode(), "not-csv", "", "CSV"),
        (lambda text: text.replace(",1.0", ',"1,0"').encode(), "cell", r", line \d+, column .*", ""),
        (lambda text: text.replace(",", ',"', 1).encode(), "not-csv", ", line 1", ""),
    ],
)
def test_another_kind_of_file_is_an_error(table, change, code, place, hint):
    table.write_bytes(change(table.read_text()))
    with raises(code) as caught:
        read_frame(table, "train")
    assert re.fullmatch(re.escape(str(table)) + place, caught.value.where)
    assert caught.value.hint
    assert hint in caught.value.hint


def test_studies_can_have_paths_of_another_machine(tmp_path):
    path = tmp_path / "groundtruth.csv"
    path.write_text(f",Study,{','.join(OBSERVATIONS)}\n0,/kaggle/input/x/test/patient64741/study1/{',nan' * 14}\n")
    assert read_studies(path).loc[0, ["patient", "study"]].tolist() == ["patient64741", "study1"]


@pytest.fixture
def folder(write_chexpert, make_row):
    """Two training views and one of validation."""
    return write_chexpert([make_row({"Edema": "1.0"}), make_row({"Edema": "0.0"}, patient=2)]) / FOLDER


def save_as(folder, ending):
    for file in sorted(folder.rglob("view*.jpg")):
        Image.open(file).save(file.with_suffix(ending))
        file.unlink()


@pytest.mark.parametrize("ending", [".png", ".PNG", ".JPG", ".jpeg", ".JPEG"])
@pytest.mark.parametrize("listed", [".jpg", ".png"])
def test_images_of_another_ending_are_found_by_stem(folder, ending, listed):
    save_as(folder, ending)
    for table in folder.glob("*.csv"):
        table.write_text(table.read_text().replace(".jpg", listed))
    layout = find_layout(folder)
    files, present = layout.find(layout.read("train"))
    assert (present.all(), {file.rpartition(".")[2] for file in files}) == (True, {ending[1:]})
    audit = audit_copy(folder, workers=1)
    assert audit.passed
    assert {defect.kind for defect in audit.defects} & {"missing", "not_listed", "cut_table"} == set()


def test_two_other_files_of_a_view_are_an_error(folder):
    save_as(folder, ".png")
    study = folder / "train/patient00001/study1"
    (file,) = study.iterdir()
    Image.open(file).save(file.with_suffix(".jpeg"))
    layout = find_layout(folder)
    with raises("ambiguous-image", study) as caught:
        layout.find(layout.read("train"))
    assert all(f"view1_frontal{ending}" in caught.value.message for ending in (".jpeg", ".png"))
    (folder / "train.csv").write_text((folder / "train.csv").read_text().replace(".jpg", ".png"))  # as the hint says
    assert layout.find(layout.read("train"))[1].all()


def test_second_file_of_a_listed_view_may_stay(folder):
    file = folder / "train/patient00001/study1/view1_frontal.jpg"
    Image.open(file).save(file.with_suffix(".png"))
    audit = audit_copy(folder, workers=1)
    (defect,) = (defect for defect in audit.defects if defect.kind == "not_listed")
    assert "remove" not in defect.hint
    assert file.name in defect.message
    assert audit.passed


def test_hints_of_the_audit_remove_no_images(folder):
    (folder / "valid.csv").unlink()
    (folder / "train.csv").write_text("\n".join((folder / "train.csv").read_text().splitlines()[:2]))
    defects = audit_copy(folder, workers=1).defects
    assert {"no_table", "not_listed", "cut_table"} <= {defect.kind for defect in defects}
    assert not any("remove" in defect.hint for defect in defects)
