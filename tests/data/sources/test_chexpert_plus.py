"""CheXpert Plus: its table and its labels."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers.errors import raises

from chexpert.data.sources.chexpert_plus import read_plus
from chexpert.data.sources.detect_layout import find_layout
from chexpert.observations import OBSERVATIONS

FIRST = "train/patient00001/study1/view1_frontal"
PLUS = "path_to_image,path_to_dcm,frontal_lateral,ap_pa,age,sex,race,report,split"


@pytest.fixture
def plus(tmp_path):
    """CheXpert Plus with one view per split; the report has commas, quotes and line breaks."""
    rows = [
        f'{FIRST}.jpg,a.dcm,Frontal,AP,61.0,Female,Other,"IMPRESSION: ""none"",\nno change",train',
        "valid/patient64541/study1/view2_lateral.jpg,b.dcm,Lateral,,44.0,Male,Other,text,valid",
    ]
    (tmp_path / "df_chexpert_plus_240401.csv").write_text("\n".join([PLUS, *rows]) + "\n")
    (tmp_path / "PNG").mkdir()
    for section, edema in {"impression": 1.0, "report": None}.items():
        path = tmp_path / "chexbert_labels" / f"{section}_fixed.json"
        path.parent.mkdir(exist_ok=True)
        views = [f"{FIRST}.jpg", "valid/patient64541/study1/view2_lateral.jpg"]
        entries = [{"path_to_image": view} | dict.fromkeys(OBSERVATIONS) | {"Edema": edema} for view in views]
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return tmp_path


def test_labels_are_those_of_the_impression_by_default(plus):
    layout = find_layout(plus)
    assert (layout.name, layout.variant) == ("CheXpert Plus", "plus")
    row = layout.read("train").loc[0]
    columns = ["key", "projection", "sex", "age", "Edema"]
    assert row[columns].tolist() == [FIRST, "frontal_ap", "Female", 61, 1]
    assert np.isnan(row["Fracture"])
    assert layout.locate(layout.read("train")) == [plus / "PNG" / f"{FIRST}.png"]
    assert layout.read("valid").loc[0, "projection"] == "lateral"


def test_labeler_selects_the_section_of_the_report(plus):
    assert np.isnan(find_layout(plus).read("train", "report").loc[0, "Edema"])


def test_missing_section_is_an_error_that_names_its_file(plus):
    with raises("missing-table", "data.labeler") as caught:
        find_layout(plus).read("train", "findings")
    assert "findings_fixed.json" in caught.value.hint


@pytest.mark.parametrize("split", ["valid", "test"])
def test_split_without_rows_has_the_same_columns(plus, split):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(f"{PLUS}\n" if split == "valid" else table.read_text())
    empty = read_plus(table, plus / "chexbert_labels/impression_fixed.json", split)
    full = pd.DataFrame({"key": ["a"]})
    assert len(empty) == 0
    assert {empty[name].dtype for name in ("key", "split", "patient", "study", "view", "sex")} == {full["key"].dtype}


def test_report_is_not_read(plus):
    assert "report" not in find_layout(plus).read("train").columns


def test_columns_of_groups_are_read_where_the_table_has_them(plus):
    row = find_layout(plus).read("train").loc[0]
    assert row[["race", "ethnicity", "insurance", "order"]].tolist() == ["Other", "", "", "1"]
    table = plus / "df_chexpert_plus_240401.csv"
    lines = table.read_text().splitlines()
    more = ["ethnicity,insurance_type,patient_report_date_order", "", "Unknown,Medicaid,3", "Unknown,Medicare,1.0"]
    longer = [f"{line},{own}" if own else line for line, own in zip(lines, more, strict=True)]
    table.write_text("\n".join(longer) + "\n")
    row = find_layout(plus).read("train").loc[0]
    assert row[["race", "ethnicity", "insurance", "order"]].tolist() == ["Other", "Unknown", "Medicaid", "3"]
    assert find_layout(plus).read("valid").loc[0, "order"] == "1"


def test_order_that_is_no_number_is_an_error(plus):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(table.read_text().replace("race", "patient_report_date_order"))
    with raises("cell", f"{table}, record ending in line 3, column patient_report_date_order"):
        find_layout(plus).read("train")


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("Frontal,", "Lateral,", "frontal_lateral"),
        (FIRST, "../../etc/patient00001/study1/view1_frontal", "path_to_image"),
        ("61.0", "old", "age"),
        ("61.0", "-5", "age"),
        ("61.0", "inf", "age"),
        ("Female", "Banana", "sex"),
        (",AP,", ",UPSIDE,", "ap_pa"),
        (",train\n", ",valid\n", "split"),
    ],
)
def test_wrong_cell_is_an_error_with_line_and_column(plus, old, new, column):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(table.read_text().replace(old, new, 1))
    with raises("cell", f"{table}, record ending in line 3, column {column}"):
        find_layout(plus).read("train")


def test_row_with_fewer_fields_is_an_error(plus):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(table.read_text().replace(",train\n", "\n", 1))
    with raises("field-count", f"{table}, record ending in line 3") as caught:
        find_layout(plus).read("train")
    assert all(count in caught.value.message for count in "89")


def test_view_listed_as_jpeg_and_as_png_is_an_error(plus):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(table.read_text() + f"{FIRST}.png,c.dcm,Frontal,AP,61.0,Female,Other,text,train\n")
    with raises("repeated", table) as caught:
        find_layout(plus).read("train")
    assert FIRST in caught.value.message


def test_missing_column_is_an_error(plus):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(table.read_text().replace("age,sex", "years,sex", 1))
    with raises("missing-column", f"{table}, line 1") as caught:
        find_layout(plus).read("train")
    assert "age" in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("1.0", "0.5", "0.5"),
        ("1.0", "true", "True"),
        ("1.0", '"1"', "'1'"),
        ("1.0", "Infinity", "Infinity"),
        ('"Edema": 1.0', '"Edema": 1.0, "Edema": 0.0', ""),
        ("{", "", ""),
    ],
)
def test_wrong_label_is_an_error_with_its_line(plus, old, new, value):
    path = plus / "chexbert_labels" / "impression_fixed.json"
    path.write_text(path.read_text().replace(old, new, 1))
    with raises("cell", f"{path}, line 1") as caught:
        find_layout(plus).read("train")
    assert value in caught.value.message


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\u0085"])
def test_unicode_line_separator_does_not_end_a_json_line(plus, sign):
    path = plus / "chexbert_labels" / "impression_fixed.json"
    first, *others = path.read_text(encoding="utf-8").split("\n")
    written = json.dumps(json.loads(first) | {"note": f"a{sign}b"}, ensure_ascii=False)
    path.write_text("\n".join([written, *others]), encoding="utf-8")
    assert find_layout(plus).read("train").loc[0, "Edema"] == 1


@pytest.mark.parametrize("name", ["df_chexpert_plus_240401.csv", "chexbert_labels/impression_fixed.json"])
def test_file_that_is_not_utf_8_is_an_error(plus, name):
    (plus / name).write_bytes((plus / name).read_bytes() + b"\xff")
    with raises("unreadable-file", plus / name):
        find_layout(plus).read("train")


def test_view_without_labels_is_an_error(plus):
    path = plus / "chexbert_labels" / "impression_fixed.json"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with raises("missing-labels", path) as caught:
        find_layout(plus).read("train")
    assert FIRST in caught.value.message


def test_labels_can_be_one_json_array_beside_the_table(plus):
    expected = find_layout(plus).read("train")
    path = plus / "chexbert_labels" / "impression_fixed.json"
    lines = path.read_text().replace("null", "NaN").replace(FIRST, f"/data/PNG/{FIRST}").splitlines()
    (plus / path.name).write_text("\ufeff[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    path.unlink()
    pd.testing.assert_frame_equal(find_layout(plus).read("train"), expected)


def test_table_saved_by_pandas_gives_the_same_frame(plus):
    expected = find_layout(plus).read("valid")
    table = plus / "df_chexpert_plus_240401.csv"
    pd.read_csv(table).to_csv(table, na_rep="nan")
    table.write_bytes(table.read_bytes().replace(b"\nvalid", b"\nx").decode().encode("utf-16") + b"\n\0")
    pd.testing.assert_frame_equal(find_layout(plus).read("valid"), expected)
