"""CheXpert Plus: its table, and its labels."""

import json

import numpy as np
import pandas as pd
import pytest

from chexpert.data.sources.chexpert_plus import read_plus
from chexpert.data.sources.detect_layout import find_layout
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS

FIRST = "train/patient00001/study1/view1_frontal"
PLUS = "path_to_image,path_to_dcm,frontal_lateral,ap_pa,age,sex,race,report,split"


@pytest.fixture
def plus(tmp_path):
    """CheXpert Plus with one view a split; the report has commas, quotes and line breaks."""
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


def test_chexpert_plus_is_read_with_the_labels_of_the_impression(plus):
    layout = find_layout(plus)
    assert (layout.name, layout.variant) == ("CheXpert Plus", "plus")
    row = layout.read("train").loc[0]
    assert (row["key"], row["projection"], row["sex"], row["age"], row["Edema"]) == (
        FIRST,
        "frontal_ap",
        "Female",
        61,
        1,
    )
    assert np.isnan(row["Fracture"])
    assert layout.locate(layout.read("train")) == [plus / "PNG" / f"{FIRST}.png"]
    assert layout.read("valid").loc[0, "projection"] == "lateral"


def test_the_section_that_chexbert_labeled_can_be_chosen(plus):
    assert np.isnan(find_layout(plus).read("train", "report").loc[0, "Edema"])
    with pytest.raises(UserError, match=r"no labels of 'findings' in this CheXpert Plus(?s:.*)findings_fixed\.json"):
        find_layout(plus).read("train", "findings")


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_split_without_rows_has_the_columns_of_the_others(plus, split):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(f"{PLUS}\n" if split == "valid" else table.read_text())
    empty = read_plus(table, plus / "chexbert_labels/impression_fixed.json", split)
    full = pd.DataFrame({"key": ["a"]})
    assert len(empty) == 0
    assert {empty[name].dtype for name in ("key", "split", "patient", "study", "view", "sex")} == {full["key"].dtype}


def test_no_column_of_the_reports_is_read(plus):
    assert not {"report", "race"} & set(find_layout(plus).read("train").columns)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Frontal,", "Lateral,", "not what the name of the view says"),
        (FIRST, "../../etc/patient00001/study1/view1_frontal", "not <split>/patientNNNNN"),
        ("61.0", "old", "not a whole number of years"),
        ("61.0", "-5", "not a whole number of years"),
        ("61.0", "inf", "not a whole number of years"),
        ("Female", "Banana", "sex is not one of"),
        (",AP,", ",UPSIDE,", "not AP, PA, LL, RL or blank"),
        (",train\n", ",valid\n", "not the split of the path"),
        (",train\n", "\n", "8 fields instead of 9"),
    ],
)
def test_a_wrong_row_is_told_with_its_line(plus, old, new, message):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=rf"{message}(?s:.*)record ending in line 3"):
        find_layout(plus).read("train")


def test_a_view_listed_as_jpeg_and_as_png_is_listed_twice(plus):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(table.read_text() + f"{FIRST}.png,c.dcm,Frontal,AP,61.0,Female,Other,text,train\n")
    with pytest.raises(UserError, match=f"listed twice: {FIRST}"):
        find_layout(plus).read("train")


def test_a_table_without_its_columns_is_told(plus):
    table = plus / "df_chexpert_plus_240401.csv"
    table.write_text(table.read_text().replace("age,sex", "years,sex", 1))
    with pytest.raises(UserError, match=r"age wanting(?s:.*)line 1"):
        find_layout(plus).read("train")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.0", "0.5", "Edema is not null, -1, 0 or 1: 0.5"),
        ("1.0", "true", "Edema is not null, -1, 0 or 1: True"),
        ("1.0", '"1"', "Edema is not null, -1, 0 or 1: '1'"),
        ("1.0", "Infinity", "no label: Infinity"),
        ('"Edema": 1.0', '"Edema": 1.0, "Edema": 0.0', "stands twice"),
        ("{", "", "not a view's labels"),
    ],
)
def test_a_wrong_label_is_told_with_its_line(plus, old, new, message):
    path = plus / "chexbert_labels" / "impression_fixed.json"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=rf"{message}(?s:.*)impression_fixed\.json, line 1"):
        find_layout(plus).read("train")


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\u0085"])
def test_a_label_file_has_lines_where_json_has_them(plus, sign):
    """Texts in it may hold what Python takes for the end of a line."""
    path = plus / "chexbert_labels" / "impression_fixed.json"
    first, *others = path.read_text(encoding="utf-8").split("\n")
    written = json.dumps(json.loads(first) | {"note": f"a{sign}b"}, ensure_ascii=False)
    path.write_text("\n".join([written, *others]), encoding="utf-8")
    assert find_layout(plus).read("train").loc[0, "Edema"] == 1


@pytest.mark.parametrize("name", ["df_chexpert_plus_240401.csv", "chexbert_labels/impression_fixed.json"])
def test_a_file_that_is_no_text_is_told(plus, name):
    (plus / name).write_bytes((plus / name).read_bytes() + b"\xff")
    with pytest.raises(UserError, match=rf"cannot be read(?s:.*){name}"):
        find_layout(plus).read("train")


def test_a_view_without_labels_is_told(plus):
    path = plus / "chexbert_labels" / "impression_fixed.json"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(UserError, match=f"no labels for 1 of 1 views, the first: {FIRST}"):
        find_layout(plus).read("train")


def test_one_json_array_with_nan_beside_the_table_is_the_same(plus):
    expected = find_layout(plus).read("train")
    path = plus / "chexbert_labels" / "impression_fixed.json"
    lines = path.read_text().replace("null", "NaN").replace(FIRST, f"/data/PNG/{FIRST}").splitlines()
    (plus / path.name).write_text("\ufeff[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    path.unlink()
    pd.testing.assert_frame_equal(find_layout(plus).read("train"), expected)


def test_a_table_through_pandas_is_the_same(plus):
    expected = find_layout(plus).read("valid")
    table = plus / "df_chexpert_plus_240401.csv"
    pd.read_csv(table).to_csv(table, na_rep="nan")
    table.write_bytes(table.read_bytes().replace(b"\nvalid", b"\nx").decode().encode("utf-16") + b"\n\0")
    pd.testing.assert_frame_equal(find_layout(plus).read("valid"), expected)
