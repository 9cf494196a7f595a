"""CheXpert's tables as frames, and errors in them by line and column."""

import random

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.data.sources.frame import CIRCUMSTANCES, HEADER, read_frame, read_studies, select_views
from chexpert.observations import OBSERVATIONS


@pytest.fixture
def read(tmp_path, write_table):
    """Write rows as train.csv and read them back."""

    def read(*rows, header=HEADER, split=None):
        return read_frame(write_table(tmp_path / "train.csv", rows, header), split)

    return read


@pytest.fixture
def cell_error(tmp_path):
    """Expect an error in a cell of train.csv."""
    return lambda line, column: raises("cell", f"{tmp_path / 'train.csv'}, line {line}, column {column}")


def test_rows_are_kept_in_order(read, make_row):
    frame = read(make_row(patient=7), make_row(patient=8))
    assert list(frame["patient"]) == ["patient00007", "patient00008"]


@pytest.mark.parametrize("header", [HEADER, ("Path", *OBSERVATIONS)])
def test_table_without_rows_has_the_same_columns(read, make_row, header):
    empty, full = read(header=header), read(make_row(), header=header)
    assert len(empty) == 0
    assert empty.dtypes.equals(full.dtypes)


def test_columns_can_have_any_order(read, make_row):
    row = make_row({"Edema": "1.0", "Fracture": "0.0", "Pneumonia": "-1.0"})
    shuffled = random.Random(0).sample(HEADER, len(HEADER))
    frame = read(row, header=shuffled)
    assert frame.loc[0, ["Edema", "Fracture", "Pneumonia"]].tolist() == [1.0, 0.0, -1.0]
    assert frame.equals(read(row))


def test_path_gives_key_split_patient_study_and_view(read, make_row):
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
def test_key_does_not_depend_on_the_prefix(read, make_row, prefix):
    row = make_row({"Path": f"{prefix}train/patient00003/study2/view1_frontal.jpg"})
    assert read(row).loc[0, "key"] == "train/patient00003/study2/view1_frontal"


def test_blank_label_is_nan(read, make_row):
    assert np.isnan(read(make_row({"Edema": ""})).loc[0, "Edema"])


@pytest.mark.parametrize(("cell", "label"), [("1.0", 1), ("0.0", 0), ("-1.0", -1), ("1", 1), ("0", 0), ("-1", -1)])
def test_labels_can_be_floats_or_integers(read, make_row, cell, label):
    assert read(make_row({"Edema": cell})).loc[0, "Edema"] == label


@pytest.mark.parametrize(
    "cell", ["2", "0.5", "-0.0", "1e0", "+1", "-1.", "1_0", "\u0661", "True", "-", "?", "- 1.0", "1.0000000"]
)
def test_other_label_is_an_error(read, make_row, cell_error, cell):
    with cell_error(3, "Edema") as caught:
        read(make_row(), make_row({"Edema": cell}, patient=2))
    assert f"'{cell}'" in caught.value.message


def test_further_wrong_cells_are_counted(read, make_row, cell_error):
    with cell_error(2, "Edema") as caught:
        read(*(make_row({"Edema": "7"}, patient=patient) for patient in range(3)))
    assert "2" in caught.value.message


HEADERS = {
    "missing": ([name for name in HEADER if name != "Edema"], ["'Edema'"]),
    "misspelled": (["Edma" if name == "Edema" else name for name in HEADER], ["'Edema'", "'Edma'"]),
    **{f"also {again}": ([*HEADER, again], ["'Edema'"]) for again in ("Edema", "edema", "Edema.1")},
    "part": (["Path", *CIRCUMSTANCES[:2], *OBSERVATIONS], ["Sex", "Age", "Frontal/Lateral", "AP/PA"]),
}


@pytest.mark.parametrize("case", HEADERS)
def test_missing_or_repeated_column_is_an_error(tmp_path, read, make_row, case):
    header, names = HEADERS[case]
    code = "repeated" if case.startswith("also") else "missing-column"
    with raises(code, f"{tmp_path / 'train.csv'}, line 1") as caught:
        read(make_row(dict.fromkeys({*header} - {*HEADER}, "")), header=header)
    assert all(name in caught.value.message for name in names)


@pytest.mark.parametrize(("tail", "fields"), [(",", "20"), ("", "18")])
def test_line_with_more_or_fewer_fields_is_an_error(tmp_path, write_table, make_row, tail, fields):
    path = write_table(tmp_path / "train.csv", [make_row(), make_row(patient=2)])
    text = path.read_text().rstrip("\n")
    path.write_text((text + tail if tail else text[:-1]) + "\n")
    with raises("field-count", f"{path}, line 3") as caught:
        read_frame(path)
    assert fields in caught.value.message


def test_repeated_view_is_an_error(tmp_path, read, make_row):
    with raises("repeated", f"{tmp_path / 'train.csv'}, line 4, column Path"):
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
    "CheXpart/train/patient00001/study1/view1_frontal.jpg",  # not the prefix of the other rows
    "view1_frontal.jpg",
    "",
]


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_or_malformed_path_is_an_error(read, make_row, cell_error, path):
    with cell_error(3, "Path"):
        read(make_row(patient=2), make_row({"Path": path}))


def test_paths_can_have_aimi_batches(read, make_row):
    folders = ["CheXpert-v1.0 batch 2 (train 1)", "CheXpert-v1.0 batch 3 (train 2)"]
    paths = [f"{name}/patient0000{i}/study1/view1_frontal.jpg" for i, name in enumerate(folders)]
    frame = read(*(make_row({"Path": path}) for path in paths), split="train")
    assert list(frame["key"]) == [f"train/patient0000{i}/study1/view1_frontal" for i in (0, 1)]


def test_row_of_another_split_is_an_error(read, make_row, cell_error):
    with cell_error(3, "Path"):
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
def test_projection_is_read_from_both_columns(read, make_row, kind, suffix, projection):
    row = make_row({"AP/PA": suffix}, view=f"view1_{kind.lower()}")
    assert read(row).loc[0, "projection"] == projection


def test_unknown_sex_and_age_zero_are_kept(read, make_row):
    frame = read(make_row({"Sex": "Unknown", "Age": "0"}))
    assert frame.loc[0, ["sex", "age"]].tolist() == ["Unknown", 0]


@pytest.mark.parametrize(
    ("column", "cell", "view"),
    [
        ("AP/PA", "", "view1_frontal"),
        ("AP/PA", "A", "view1_frontal"),
        ("AP/PA", "AP", "view1_lateral"),
        ("Frontal/Lateral", "Lateral", "view1_frontal"),
        ("Frontal/Lateral", "Oblique", "view1_frontal"),
        ("Age", "", "view1_frontal"),
        ("Age", "6O", "view1_frontal"),
        ("Age", "600", "view1_frontal"),
        ("Sex", "male", "view1_frontal"),
        ("Sex", "", "view1_frontal"),
    ],
)
def test_wrong_projection_sex_or_age_is_an_error(read, make_row, cell_error, column, cell, view):
    with cell_error(3, column) as caught:
        read(make_row(), make_row({column: cell}, patient=2, view=view))
    assert f"'{cell}'" in caught.value.message


def test_sex_age_and_projection_can_be_missing_together(read, make_row):
    row = read(make_row(split="test"), header=("Path", *OBSERVATIONS)).loc[0]
    assert (row["projection"], row["sex"]) == ("frontal", "")
    assert np.isnan(row["age"])


CHANGES = {
    "Windows line ends": lambda text: text.replace(b"\n", b"\r\n"),
    "no last line end": lambda text: text.rstrip(b"\n"),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
}


@pytest.mark.parametrize("change", CHANGES)
def test_line_ends_and_byte_order_mark_do_not_matter(tmp_path, write_table, make_row, change):
    path = write_table(tmp_path / "train.csv", [make_row(), make_row(patient=2)])
    expected = read_frame(path)
    path.write_bytes(CHANGES[change](path.read_bytes()))
    assert read_frame(path).equals(expected)


@pytest.mark.parametrize("tail", ['"\n', "\r \n\n", "\0\n"])
def test_open_quote_stray_return_or_nul_is_an_error(tmp_path, write_table, make_row, tail):
    path = write_table(tmp_path / "train.csv", [make_row()])
    path.write_bytes(path.read_bytes() + tail.encode())
    with raises("not-csv", f"{path}, line 3"):
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
def test_hostile_study_is_an_error(tmp_path, study):
    path = tmp_path / "groundtruth.csv"
    path.write_text(f"Study,{','.join(OBSERVATIONS)}\n{study}{',0.0' * 14}\n")
    with raises("cell", f"{path}, line 2, column Study"):
        read_studies(path)


def test_missing_table_is_an_error(tmp_path):
    with raises("missing-file", tmp_path / "valid.csv") as caught:
        read_frame(tmp_path / "valid.csv")
    assert "Errno" not in caught.value.message
    assert "CSV" not in caught.value.hint


def test_folder_as_table_is_an_error(tmp_path):
    with raises("unreadable-file", tmp_path) as caught:
        read_frame(tmp_path)
    assert "Errno" not in caught.value.message


def test_empty_table_is_an_error(tmp_path):
    (tmp_path / "train.csv").touch()
    with raises("missing-column", f"{tmp_path / 'train.csv'}, line 1"):
        read_frame(tmp_path / "train.csv")


@pytest.mark.parametrize(("views", "patients"), [("frontal", [1, 3, 4]), ("lateral", [2]), ("all", [1, 2, 3, 4])])
def test_views_are_selected_by_projection(read, make_row, views, patients):
    frame = read(
        make_row(patient=1),
        make_row(patient=2, view="view2_lateral"),
        make_row({"AP/PA": "LL"}, patient=3),
        make_row({"AP/PA": "PA"}, patient=4),
    )
    selected = select_views(frame, views)
    assert list(selected["patient"]) == [f"patient{patient:05d}" for patient in patients]
    assert list(selected.index) == list(range(len(patients)))
