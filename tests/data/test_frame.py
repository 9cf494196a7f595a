"""Reading CheXpert's tables and finding its folder."""

import random

import numpy as np
import pytest

from chexpert.data.frame import HEADER, find_folder, read_frame, select_views
from chexpert.problem import ProblemError

LAYOUTS = [
    ("small", "CheXpert-v1.0-small"),
    ("small", "chexpert/v1.0-small"),
    ("full", "CheXpert-v1.0"),
    ("full", "chexpert/v1.0"),
]


@pytest.fixture
def read(tmp_path, write_table):
    """Rows written as train.csv and read back."""

    def read(*rows, header=HEADER):
        return read_frame(write_table(tmp_path / "train.csv", rows, header))

    return read


def test_the_first_row_is_kept(read, make_row):
    frame = read(make_row(patient=7), make_row(patient=8))
    assert list(frame["patient"]) == ["patient00007", "patient00008"]


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


@pytest.mark.parametrize("prefix", ["", "CheXpert-v1.0/", "/anywhere/else/"])
def test_the_key_does_not_depend_on_the_prefix(read, make_row, prefix):
    row = make_row({"Path": f"{prefix}train/patient00003/study2/view1_frontal.jpg"})
    assert read(row).loc[0, "key"] == "train/patient00003/study2/view1_frontal"


def test_a_blank_label_stays_nan(read, make_row):
    assert np.isnan(read(make_row({"Edema": ""})).loc[0, "Edema"])


@pytest.mark.parametrize(("cell", "label"), [("1.0", 1), ("0.0", 0), ("-1.0", -1), ("1", 1), ("0", 0), ("-1", -1)])
def test_labels_are_read_as_floats_and_as_integers(read, make_row, cell, label):
    assert read(make_row({"Edema": cell})).loc[0, "Edema"] == label


@pytest.mark.parametrize("cell", ["2", "0.5", "nan", " 1.0", "-0.0"])
def test_another_label_is_refused_with_file_line_and_column(read, make_row, cell):
    with pytest.raises(ProblemError, match=rf"'{cell}'(?s:.*)train\.csv, line 3, column Edema"):
        read(make_row(), make_row({"Edema": cell}, patient=2))


def test_further_wrong_rows_are_counted(read, make_row):
    with pytest.raises(ProblemError, match="2 more such rows"):
        read(*(make_row({"Edema": "2"}, patient=patient) for patient in range(3)))


def test_a_missing_column_is_named(read, make_row):
    with pytest.raises(ProblemError, match="no column 'Edema'"):
        read(make_row(), header=[name for name in HEADER if name != "Edema"])


def test_an_unknown_column_is_named(read, make_row):
    with pytest.raises(ProblemError, match="unknown column 'Note'"):
        read(make_row({"Note": "x"}), header=[*HEADER, "Note"])


def test_a_misspelled_column_is_told_with_the_missing_one(read, make_row):
    header = ["edema" if name == "Edema" else name for name in HEADER]
    with pytest.raises(ProblemError, match="no column 'Edema', unknown column 'edema'"):
        read(make_row({"edema": ""}), header=header)


def test_a_column_that_stands_twice_is_refused(read, make_row):
    with pytest.raises(ProblemError, match="a column stands twice"):
        read(make_row(), header=[*HEADER, "Edema"])


@pytest.mark.parametrize(("tail", "fields"), [(",", 20), ("", 18)])
def test_a_line_of_another_length_is_refused_with_its_number(tmp_path, write_table, make_row, tail, fields):
    path = write_table(tmp_path / "train.csv", [make_row(), make_row(patient=2)])
    text = path.read_text().rstrip("\n")
    path.write_text((text + tail if tail else text[:-1]) + "\n")
    with pytest.raises(ProblemError, match=rf"{fields} fields instead of 19\n.*train\.csv, line 3"):
        read_frame(path)


def test_a_view_listed_twice_is_refused(read, make_row):
    with pytest.raises(ProblemError, match=r"listed twice(?s:.*)line 3, column Path"):
        read(make_row(), make_row({"Path": "elsewhere/train/patient00001/study1/view1_frontal.jpg"}))


@pytest.mark.parametrize(
    "path",
    [
        "view1_frontal.jpg",
        "CheXpert-v1.0-small/train/patient1/view1_frontal.jpg",
        "CheXpert-v1.0-small/training/patient1/study1/view1_frontal.jpg",
        "CheXpert-v1.0-small/train/patient1/study1/view1_frontal.png",
        "CheXpert-v1.0-small/train/../patient1/study1/view1_frontal.jpg",
    ],
)
def test_a_path_without_patient_study_and_view_is_refused(read, make_row, path):
    with pytest.raises(ProblemError, match=r"Path is not(?s:.*)line 2, column Path"):
        read(make_row({"Path": path}))


@pytest.mark.parametrize(
    ("kind", "suffix", "projection"),
    [
        ("Frontal", "AP", "frontal_ap"),
        ("Frontal", "PA", "frontal_pa"),
        ("Frontal", "LL", "frontal"),
        ("Frontal", "RL", "frontal"),
        ("Frontal", "", "frontal"),
        ("Lateral", "", "lateral"),
        ("Lateral", "AP", "lateral"),
    ],
)
def test_the_projection_is_of_both_columns(read, make_row, kind, suffix, projection):
    row = make_row({"Frontal/Lateral": kind, "AP/PA": suffix})
    assert read(row).loc[0, "projection"] == projection


def test_neither_frontal_nor_lateral_is_refused(read, make_row):
    with pytest.raises(ProblemError, match="line 2, column Frontal/Lateral"):
        read(make_row({"Frontal/Lateral": "Oblique"}))


def test_unknown_sex_and_age_zero_are_kept(read, make_row):
    frame = read(make_row({"Sex": "Unknown", "Age": "0"}))
    assert frame.loc[0, ["sex", "age"]].tolist() == ["Unknown", 0]


def test_a_blank_age_is_nan(read, make_row):
    assert np.isnan(read(make_row({"Age": ""})).loc[0, "age"])


def test_a_spreadsheets_mark_before_the_header_is_passed_over(tmp_path, write_table, make_row):
    path = write_table(tmp_path / "train.csv", [make_row()])
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert len(read_frame(path)) == 1


def test_a_missing_table_is_told_with_its_path(tmp_path):
    with pytest.raises(ProblemError, match=r"valid\.csv"):
        read_frame(tmp_path / "valid.csv")


def test_an_empty_table_is_refused(tmp_path):
    (tmp_path / "train.csv").write_text("")
    with pytest.raises(ProblemError, match=r"train\.csv"):
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


@pytest.mark.parametrize(("variant", "folder"), LAYOUTS)
def test_the_folder_is_found_under_the_root(tmp_path, write_table, variant, folder):
    write_table(tmp_path / folder / "train.csv", [])
    assert find_folder(tmp_path, variant) == tmp_path / folder


@pytest.mark.parametrize(("variant", "folder"), LAYOUTS)
def test_the_root_may_be_the_folder_itself(tmp_path, write_table, variant, folder):
    write_table(tmp_path / folder / "train.csv", [])
    assert find_folder(tmp_path / folder, variant) == tmp_path / folder


def test_the_root_may_be_a_link_with_the_folders_name(tmp_path, write_table):
    write_table(tmp_path / "disk7" / "train.csv", [])
    link = tmp_path / "CheXpert-v1.0-small"
    link.symlink_to(tmp_path / "disk7")
    assert find_folder(link, "small") == link


def test_the_other_variant_is_not_taken(tmp_path, write_table):
    write_table(tmp_path / "CheXpert-v1.0-small" / "train.csv", [])
    with pytest.raises(ProblemError, match="no full CheXpert there"):
        find_folder(tmp_path / "CheXpert-v1.0-small", "full")


def test_a_root_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(ProblemError, match=r"not a folder(?s:.*)nowhere"):
        find_folder(tmp_path / "nowhere", "small")
