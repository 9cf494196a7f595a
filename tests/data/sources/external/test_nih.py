"""NIH ChestX-ray14: its table, its official lists, its boxes."""

import numpy as np
import pytest
from helpers.errors import raises
from helpers.external_trees import NIH_HEADER, write_lines, write_nih

from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.splits import SplitReader, check_patients
from chexpert.observations import OBSERVATIONS

TABLE = "Data_Entry_2017_v2020.csv"


@pytest.fixture
def nih(tmp_path):
    return write_nih(tmp_path / "nih")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_labels_views_and_places(nih):
    layout = find_layout(nih)
    assert (layout.name, layout.variant, sorted(layout.tables)) == (
        "NIH ChestX-ray14",
        "nih",
        ["test", "train", "valid"],
    )
    frame = layout.read("test").set_index("path")
    first = frame.loc["ChestX-ray14/patient00002/study1/00000002_000.png"]  # Atelectasis|Edema
    columns = ["key", "patient", "study", "view", "projection", "sex", "age", "Atelectasis", "Edema", "Cardiomegaly"]
    assert first[columns].tolist() == [
        "ChestX-ray14/patient00002/study1/00000002_000", "patient00002", "study1", "00000002_000", "frontal_pa",
        "Male", 22, 1, 1, 0,
    ]  # fmt: skip
    assert layout.read("test")["projection"].tolist()[:2] == ["frontal_pa", "frontal_ap"]
    files, present = layout.find(layout.read("test"))
    assert present.all()
    assert files[0] == str(nih / "images_001" / "images" / "00000002_000.png")


def test_each_label_becomes_its_counterpart_alone(tmp_path):
    root = write_nih(tmp_path)
    frames = [find_layout(root).read(split) for split in ("train", "valid", "test")]
    labels = {row.place: row for frame in frames for row in frame.itertuples()}
    tables = {
        "00000003_000.png": ["No Finding"] * 0 + ["Pleural Effusion", "Cardiomegaly"],
        "00000001_000.png": ["Lung Lesion"],
        "00000001_001.png": [],  # Infiltration has no counterpart
        "00000003_001.png": ["No Finding"],
    }
    for place, positives in tables.items():
        frame = next(frame for frame in frames if place in set(frame["place"]))
        row = frame.set_index("place").loc[place, list(OBSERVATIONS)].astype(float)
        assert row.index[row == 1].tolist() == sorted(positives, key=OBSERVATIONS.index)
    absent = ("Enlarged Cardiomediastinum", "Lung Opacity", "Fracture", "Support Devices")
    assert find_layout(root).absent == absent
    assert all(np.isnan(frame[list(absent)].to_numpy(float)).all() for frame in frames)
    assert len(labels) == 24


def test_official_lists_are_kept_and_patients_stay_together(nih):
    layout = find_layout(nih)
    frames = {split: layout.read(split) for split in ("train", "valid", "test")}
    check_patients(frames, nih)
    assert {int(patient[7:]) % 2 for patient in frames["test"]["patient"]} == {0}
    others = set(frames["train"]["patient"]) | set(frames["valid"]["patient"])
    assert others == {f"patient{number:05d}" for number in range(1, 13, 2)}


def test_split_valid_is_a_tenth_of_the_patients_and_does_not_depend_on_the_others(tmp_path):
    few, many = write_nih(tmp_path / "few", 20, 1), write_nih(tmp_path / "many", 400, 1)
    valid = [set(find_layout(root).read("valid")["patient"]) for root in (few, many)]
    assert valid[0] == {patient for patient in valid[1] if int(patient[7:]) <= 20}
    assert 10 <= len(valid[1]) <= 32  # of 200


def test_tables_of_other_versions_are_read_alike(nih):
    expected = find_layout(nih).read("test")
    table = nih / TABLE
    edit(table, "Patient Gender", "Patient Sex")
    edit(table, "[x,y],", "[x,y]")
    table.write_text("\n".join(line.removesuffix(",") for line in table.read_text().splitlines()) + "\n")
    edit(table, ",22,", ",022Y,")
    table.rename(nih / "Data_Entry_2017.csv")
    assert find_layout(nih).read("test").equals(expected)


def test_ages_of_infants_and_beyond_any_life(nih, caplog):
    edit(nih / TABLE, ",22,", ",011M,")
    edit(nih / TABLE, ",22,", ",414,")
    ages = find_layout(nih).read("test")["age"].tolist()[:2]
    assert ages[0] == 0
    assert np.isnan(ages[1])


def test_images_lie_in_one_folder_or_in_others_or_are_scaled(nih):
    layout = find_layout(nih)
    frame = layout.read("test")
    for number in (1, 2):
        for path in (nih / f"images_{number:03d}" / "images").iterdir():
            (nih / "images").mkdir(exist_ok=True)
            path.rename(nih / "images" / f"{path.stem}.jpg")
    files, present = layout.find(frame)
    assert present.all()
    assert files[0] == str(nih / "images" / "00000002_000.jpg")
    (nih / "images" / "00000002_000.jpg").unlink()
    files, present = layout.find(frame)
    assert present.tolist()[:2] == [False, True]
    assert files[0] == str(nih / "images" / "00000002_000.png")


def test_missing_image_is_an_error_of_the_reader(nih):
    (nih / "images_001" / "images" / "00000004_001.png").unlink()
    with raises("missing-image", str(nih / TABLE)):
        SplitReader(find_layout(nih), "frontal", None, None, skip=False).read("test")


@pytest.mark.parametrize(
    ("old", "new", "code", "where"),
    [
        ("Finding Labels", "Labels", "missing-column", "line 1"),
        ("Infiltration", "Infiltrate", "cell", "line 3, column Finding Labels"),
        ("No Finding", "No Finding|Mass", "cell", "line 7, column Finding Labels"),
        (",PA,", ",LL,", "cell", "line 2, column View Position"),
        ("00000001_000.png", "00000001.png", "cell", "line 2, column Image Index"),
        ("00000001_001.png", "00000001_000.png", "repeated", "line 3, column Image Index"),
        (",0,1,21", ",0,7,21", "cell", "line 2, column Patient ID"),
        (",21,", ",old,", "cell", "line 2, column Patient Age"),
        ("0.168,0.168,\n", "0.168\n", "field-count", "line 2"),
        ("00000003_000.png", "00000003_007.png", "cell", "line 6, column Image Index"),  # in neither list
    ],
)
def test_what_is_not_nihs_is_refused_with_its_line(nih, old, new, code, where):
    edit(nih / TABLE, old, new)
    with raises(code, f"{nih / TABLE}, {where}"):
        find_layout(nih).read("test")


def test_missing_list_is_named(nih):
    (nih / "test_list.txt").unlink()
    with raises("missing-table", str(nih)) as caught:
        find_layout(nih).read("train")
    assert "test_list.txt" in caught.value.hint


def test_image_in_both_lists_and_divided_patient_are_errors(nih):
    both = nih / "train_val_list.txt"
    text = both.read_text()
    both.write_text(text + "\n00000002_000.png")
    with raises("repeated", f"{nih / 'test_list.txt'}, line 1"):
        find_layout(nih).read("train")
    both.write_text(text + "\n00000002_000.png")
    tests = nih / "test_list.txt"
    tests.write_text(tests.read_text().replace("00000002_000.png\n", ""))
    with raises("shared-patients", f"{both} and {tests}"):
        find_layout(nih).read("train")


def test_another_data_set_of_the_variant_is_named(tmp_path):
    with raises("missing-dataset", f"data.root={tmp_path}") as caught:
        find_layout(tmp_path, "nih")
    assert "Data_Entry_2017" in caught.value.hint


def test_table_without_a_row(tmp_path):
    root = write_nih(tmp_path)
    write_lines(root / TABLE, NIH_HEADER, [])
    with raises("empty-table", str(root / TABLE)):
        find_layout(root).read("train")
