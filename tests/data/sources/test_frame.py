"""Reading CheXpert's tables and finding its folder."""

import random
import re

import numpy as np
import pytest

from chexpert.data.sources.frame import CIRCUMSTANCES, HEADER, read_frame, read_studies, select_views
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS


@pytest.fixture
def read(tmp_path, write_table):
    """Rows written as train.csv and read back."""

    def read(*rows, header=HEADER, split=None):
        return read_frame(write_table(tmp_path / "train.csv", rows, header), split)

    return read


def test_the_first_row_is_kept(read, make_row):
    frame = read(make_row(patient=7), make_row(patient=8))
    assert list(frame["patient"]) == ["patient00007", "patient00008"]


@pytest.mark.parametrize("header", [HEADER, ("Path", *OBSERVATIONS)])
def test_a_table_without_rows_has_the_columns_of_the_others(read, make_row, header):
    empty, full = read(header=header), read(make_row(), header=header)
    assert len(empty) == 0
    assert empty.dtypes.equals(full.dtypes)


def test_columns_are_read_by_name_in_any_order(read, make_row):
    row = make_row({"Edema": "1.0", "Fracture": "0.0", "Pneumonia": "-1.0"})
    shuffled = random.Random(0).sample(HEADER, len(HEADER))
    frame = read(row, header=shuffled)
    assert frame.loc[0, ["Edema", "Fracture", "Pneumonia"]].tolist() == [1.0, 0.0, -1.0]
    assert frame.equals(read(row))


def test_a_row_names_its_view(read, make_row):
    frame = read(make_row(patient=3, view="view2_lateral"))
    expected = {
        "path": "CheXpert-v1.0-small/train/patient00003/study1/view2_lateral.jpg",
        "key": "train/patient00003/study1/view2_lateral",
        "split": "train",
        "patient": "patient00003",
        "study": "study1",
        "view": "view2_lateral",
    }
    assert frame.loc[0, list(expected)].to_dict() == expected


@pytest.mark.parametrize("prefix", ["", "CheXpert-v1.0/", "chexpert/v1.0-small/", "CheXpert-v1.0 batch 2 (train 1)/"])
def test_the_key_does_not_depend_on_the_prefix(read, make_row, prefix):
    row = make_row({"Path": f"{prefix}train/patient00003/study2/view1_frontal.jpg"})
    assert read(row).loc[0, "key"] == "train/patient00003/study2/view1_frontal"


def test_a_blank_label_stays_nan(read, make_row):
    assert np.isnan(read(make_row({"Edema": ""})).loc[0, "Edema"])


@pytest.mark.parametrize(("cell", "label"), [("1.0", 1), ("0.0", 0), ("-1.0", -1), ("1", 1), ("0", 0), ("-1", -1)])
def test_labels_are_read_as_floats_and_as_integers(read, make_row, cell, label):
    assert read(make_row({"Edema": cell})).loc[0, "Edema"] == label


@pytest.mark.parametrize(
    "cell", ["2", "0.5", "-0.0", "1e0", "+1", "-1.", "1_0", "\u0661", "True", "-", "?", "- 1.0", "1.0000000"]
)
def test_another_label_is_refused_with_file_line_and_column(read, make_row, cell):
    with pytest.raises(UserError, match=rf"'{re.escape(cell)}'(?s:.*)train\.csv, line 3, column Edema"):
        read(make_row(), make_row({"Edema": cell}, patient=2))


def test_further_wrong_rows_are_counted(read, make_row):
    with pytest.raises(UserError, match="2 more such rows"):
        read(*(make_row({"Edema": "2"}, patient=patient) for patient in range(3)))


def test_a_missing_column_is_named(read, make_row):
    with pytest.raises(UserError, match="no column 'Edema'"):
        read(make_row(), header=[name for name in HEADER if name != "Edema"])


def test_a_misspelled_column_is_told_with_the_missing_one(read, make_row):
    header = ["Edma" if name == "Edema" else name for name in HEADER]
    with pytest.raises(UserError, match="no column 'Edema', unknown column 'Edma'"):
        read(make_row({"Edma": ""}), header=header)


def test_a_column_that_stands_twice_is_refused(read, make_row):
    for again in ("Edema", "edema", "Edema.1"):
        with pytest.raises(UserError, match="'Edema' stands twice"):
            read(make_row({again: ""}), header=[*HEADER, again])


@pytest.mark.parametrize(("tail", "fields"), [(",", 20), ("", 18)])
def test_a_line_of_another_length_is_refused_with_its_number(tmp_path, write_table, make_row, tail, fields):
    path = write_table(tmp_path / "train.csv", [make_row(), make_row(patient=2)])
    text = path.read_text().rstrip("\n")
    path.write_text((text + tail if tail else text[:-1]) + "\n")
    with pytest.raises(UserError, match=rf"{fields} fields instead of 19\n.*train\.csv, line 3"):
        read_frame(path)


def test_a_view_listed_twice_is_refused(read, make_row):
    with pytest.raises(UserError, match=r"listed twice(?s:.*)line 4, column Path"):
        read(make_row(), make_row(patient=2), make_row())


HOSTILE = [
    "/etc/passwd",
    "/CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg",
    "//server/train/patient00001/study1/view1_frontal.jpg",
    "../train/patient00001/study1/view1_frontal.jpg",
    "CheXpert-v1.0-small/../../train/patient00001/study1/view1_frontal.jpg",
    "CheXpert-v1.0-small/train/../patient00001/study1/view1_frontal.jpg",
    "CheXpert-v1.0-small/train/patient00001/../study1/view1_frontal.jpg",
    "CheXpert-v1.0-small/train/patient00001/study1/../view1_frontal.jpg",
    "CheXpert-v1.0-small/./train/patient00001/study1/view1_frontal.jpg",
    "./train/patient00001/study1/view1_frontal.jpg",
    "CheXpert-v1.0-small//train/patient00001/study1/view1_frontal.jpg",
    "CheXpert-v1.0-small/train//patient00001/study1/view1_frontal.jpg",
    "~/train/patient00001/study1/view1_frontal.jpg",
    "~root/train/patient00001/study1/view1_frontal.jpg",
    "$HOME/train/patient00001/study1/view1_frontal.jpg",
    "C:/train/patient00001/study1/view1_frontal.jpg",
    "..\\train/patient00001/study1/view1_frontal.jpg",
    "file:///train/patient00001/study1/view1_frontal.jpg",
    "https://example.org/train/patient00001/study1/view1_frontal.jpg",
    "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg/",
    "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg;id",
    "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg\u2028",
    "CheXpert-v1.0-small/train/patient\u0660\u0660\u0660\u0660\u0661/study1/view1_frontal.jpg",
    "CheXpert-v1.0-small/tr\u0430in/patient00001/study1/view1_frontal.jpg",
    "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg.exe",
    "CheXpert-v1.0-small/train/patient00001/study0/view1_frontal.jpg",
    "CheXpert-v1.0-small/train/patient1/study1/view1_frontal.jpg",
    "CheXpert-v1.0-small/training/patient00001/study1/view1_frontal.jpg",
    "view1_frontal.jpg",
    "",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_or_malformed_path_is_refused(read, make_row, path):
    with pytest.raises(UserError, match=r"Path (is not|does not begin)(?s:.*)line 3, column Path"):
        read(make_row(patient=2), make_row({"Path": path}))


def test_a_path_of_another_prefix_is_refused(read, make_row):
    with pytest.raises(UserError, match=r"does not begin as that of line 2(?s:.*)line 3"):
        read(make_row(), make_row({"Path": "CheXpart/train/patient00002/study1/view1_frontal.jpg"}))


def test_aimis_batches_may_stand_in_the_paths(read, make_row):
    folders = ["CheXpert-v1.0 batch 2 (train 1)", "CheXpert-v1.0 batch 3 (train 2)"]
    paths = [f"{name}/patient0000{i}/study1/view1_frontal.jpg" for i, name in enumerate(folders)]
    frame = read(*(make_row({"Path": path}) for path in paths), split="train")
    assert list(frame["key"]) == [f"train/patient0000{i}/study1/view1_frontal" for i in (0, 1)]


def test_a_row_of_another_split_is_refused(read, make_row):
    with pytest.raises(UserError, match=r"another split than train(?s:.*)line 3"):
        read(make_row(), make_row(split="valid"), split="train")


@pytest.mark.parametrize(
    ("kind", "suffix", "projection"),
    [
        ("Frontal", "AP", "frontal_ap"),
        ("Frontal", "PA", "frontal_pa"),
        ("Frontal", "LL", "frontal_ll"),
        ("Frontal", "RL", "frontal_rl"),
        ("Lateral", "", "lateral"),
    ],
)
def test_the_projection_is_of_both_columns(read, make_row, kind, suffix, projection):
    row = make_row({"AP/PA": suffix}, view=f"view1_{kind.lower()}")
    assert read(row).loc[0, "projection"] == projection


@pytest.mark.parametrize(("kind", "suffix"), [("Frontal", ""), ("Frontal", "A"), ("Lateral", "AP")])
def test_another_projection_is_refused(read, make_row, kind, suffix):
    with pytest.raises(UserError, match=r"line 2, column AP/PA"):
        read(make_row({"AP/PA": suffix}, view=f"view1_{kind.lower()}"))


def test_a_view_whose_name_says_otherwise_is_refused(read, make_row):
    with pytest.raises(UserError, match=r"not what the name(?s:.*)line 2, column Frontal/Lateral"):
        read(make_row({"Frontal/Lateral": "Lateral", "AP/PA": ""}))


def test_neither_frontal_nor_lateral_is_refused(read, make_row):
    with pytest.raises(UserError, match="line 2, column Frontal/Lateral"):
        read(make_row({"Frontal/Lateral": "Oblique"}))


def test_unknown_sex_and_age_zero_are_kept(read, make_row):
    frame = read(make_row({"Sex": "Unknown", "Age": "0"}))
    assert frame.loc[0, ["sex", "age"]].tolist() == ["Unknown", 0]


@pytest.mark.parametrize(("column", "cell"), [("Age", ""), ("Age", "6O"), ("Age", "600"), ("Sex", "male"), ("Sex", "")])
def test_another_sex_or_age_is_refused(read, make_row, column, cell):
    with pytest.raises(UserError, match=rf"'{cell}'(?s:.*)line 3, column {column}"):
        read(make_row(), make_row({column: cell}, patient=2))


def test_a_table_without_sex_age_and_projection_leaves_them_open(read, make_row):
    row = read(make_row(split="test"), header=("Path", *OBSERVATIONS)).loc[0]
    assert (row["projection"], row["sex"]) == ("frontal", "")
    assert np.isnan(row["age"])


def test_some_of_these_columns_are_not_enough(read, make_row):
    with pytest.raises(UserError, match="only Sex, Age of the columns"):
        read(make_row(), header=("Path", *CIRCUMSTANCES[:2], *OBSERVATIONS))


def test_windows_line_ends_are_read(tmp_path, write_table, make_row):
    path = write_table(tmp_path / "train.csv", [make_row()])
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_frame(path)) == 1


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_last_line_may_end_without_a_line_break(tmp_path, write_table, make_row, end):
    path = write_table(tmp_path / "train.csv", [make_row(), make_row(patient=2)])
    path.write_text(path.read_text().rstrip("\n") + end)
    assert len(read_frame(path)) == 2


@pytest.mark.parametrize(("text", "message"), [('"', "a quote"), ("\r", "carriage"), ("\0", "NUL")])
def test_what_no_table_of_chexpert_holds_is_refused_with_its_line(tmp_path, write_table, make_row, text, message):
    path = write_table(tmp_path / "train.csv", [make_row()])
    path.write_bytes(path.read_bytes() + text.encode() + b" \n" * (text == "\r") + b"\n")
    with pytest.raises(UserError, match=rf"{message}(?s:.*)line 3"):
        read_frame(path)


def test_studies_are_read_with_their_labels(tmp_path):
    path = tmp_path / "groundtruth.csv"
    labels = ",".join(["1.0"] + ["0.0"] * 13)
    path.write_text(f"Study,{','.join(OBSERVATIONS)}\nCheXpert-v1.0/test/patient64741/study1,{labels}")
    row = read_studies(path).loc[0]
    assert (row["patient"], row["study"], row["No Finding"], row["Edema"]) == ("patient64741", "study1", 1, 0)


@pytest.mark.parametrize(
    "study", ["/test/patient64741/study1", "../test/patient64741/study1", "a/../test/patient64741/study1"]
)
def test_a_hostile_study_is_refused(tmp_path, study):
    path = tmp_path / "groundtruth.csv"
    path.write_text(f"Study,{','.join(OBSERVATIONS)}\n{study}{',0.0' * 14}\n")
    with pytest.raises(UserError, match=r"Study is not(?s:.*)line 2, column Study"):
        read_studies(path)


def test_a_spreadsheets_mark_before_the_header_is_passed_over(tmp_path, write_table, make_row):
    path = write_table(tmp_path / "train.csv", [make_row()])
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert len(read_frame(path)) == 1


def test_a_missing_table_is_told_with_its_path(tmp_path):
    with pytest.raises(UserError, match=r"valid\.csv"):
        read_frame(tmp_path / "valid.csv")


def test_an_empty_table_is_refused(tmp_path):
    (tmp_path / "train.csv").write_text("")
    with pytest.raises(UserError, match=r"train\.csv"):
        read_frame(tmp_path / "train.csv")


@pytest.mark.parametrize(("views", "patients"), [("frontal", [1, 3, 4]), ("lateral", [2]), ("all", [1, 2, 3, 4])])
def test_views_are_selected(read, make_row, views, patients):
    frame = read(
        make_row(patient=1),
        make_row(patient=2, view="view2_lateral"),
        make_row({"AP/PA": "LL"}, patient=3),
        make_row({"AP/PA": "PA"}, patient=4),
    )
    selected = select_views(frame, views)
    assert list(selected["patient"]) == [f"patient{patient:05d}" for patient in patients]
    assert list(selected.index) == list(range(len(patients)))
