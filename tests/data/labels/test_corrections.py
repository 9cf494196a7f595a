"""Corrected labels: located, counted, and refused where they cannot be meant."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.errors import raises

from chexpert.data import CheXpertDataModule, LabelPolicy
from chexpert.data.labels.corrections import locate_corrections
from chexpert.data.labels.corrections_file import read_corrections
from chexpert.data.phantom import write_phantom
from chexpert.engine.resume_checks import check_data
from chexpert.runs import files as run_files

NAMES = ["Edema", "Fracture"]
HEADER = "Path,observation,corrected"
PATIENT = "CheXpert-v1.0-small/train/patient{:05d}/study1/view{}_frontal.jpg"


def view(patient, number=1):
    return PATIENT.format(patient, number)


@pytest.fixture
def write_file(tmp_path):
    """Writes lines as a file of corrections."""

    def write(*lines, header=HEADER):
        path = tmp_path / "corrections.csv"
        path.write_text("\n".join((header, *lines)) + "\n")
        return path

    return write


@pytest.fixture
def make_data(write_chexpert, make_row):
    """A data module on six patients with Edema 1 and Fracture 0; the first has two views of one study."""

    def make(corrections, stage="fit", **options):
        cells = {"Edema": "1.0", "Fracture": "0.0"}
        rows = [make_row(cells, patient=patient) for patient in range(6)]
        rows.insert(1, make_row(cells, patient=0, view="view2_frontal"))
        root = write_chexpert([*rows, make_row(cells, patient=0, view="view3_lateral")])
        options = {"labels": LabelPolicy("ones"), "image_size": 16, "num_workers": 0} | options
        data = CheXpertDataModule(root, NAMES, corrections=corrections, **options)
        data.setup(stage)
        return data

    return make


def read_labels(data, split="train"):
    frame = data.frames[split]
    names = zip(frame["patient"], frame["view"], strict=True)
    return {
        f"{patient[-1]}/{one[4]}": own
        for (patient, one), own in zip(names, frame[NAMES].to_numpy().tolist(), strict=True)
    }


def test_each_value_takes_the_place_of_a_label(make_data, write_file):
    file = write_file(
        f"{view(1)},Edema,0", f"{view(2)},Edema,-1", f"{view(3)},edema,blank", f"{view(4)},Fracture,1.0",
        f"{view(5)},Fracture,",
    )  # fmt: skip
    data = make_data(file)
    labels = read_labels(data)
    assert (labels["1/1"], labels["2/1"], labels["4/1"], labels["5/1"]) == ([0, 0], [-1, 0], [1, 1], [1, 0])
    assert np.isnan(labels["3/1"][0])
    assert data.datasets["train"].targets[:, 0].tolist() == [1, 1, 0, 1, 0, 1, 1]  # -1: ones, blank: zeros
    found = data.summarize()["corrections"]
    assert found["changed"] == {"Edema": {"1 to 0": 1, "1 to -1": 1, "1 to blank": 1}, "Fracture": {"0 to 1": 1}}
    assert (found["rows"], found["unchanged"], found["left"]) == (4, {}, {})
    assert found["sha256"] == read_corrections(file).sha256
    assert "Fracture 1 (0 to 1: 1)" in data.corrections.describe()


def test_a_study_has_all_its_views_corrected(make_data, write_file):
    file = write_file(
        "train/patient00000/study1,Edema,0", "patient00003_study1,Edema,1", header="Study,observation,corrected"
    )
    data = make_data(file)
    labels = read_labels(data)
    assert [labels[name][0] for name in ("0/1", "0/2", "1/1", "3/1")] == [0, 0, 1, 1]
    assert data.corrections.unchanged == Counter(Edema=1)
    assert data.corrections.left == {"not selected": 1}  # the lateral


def test_the_three_class_policy_learns_a_corrected_uncertain_label(make_data, write_file):
    data = make_data(write_file(f"{view(0)},Fracture,-1"), labels=LabelPolicy("three_class"))
    assert data.datasets["train"].targets[0].tolist() == [1, 0, 0, 1]


def test_held_out_patients_keep_their_labels_unless_asked_for(make_data, write_file):
    file = write_file(*(f"{view(patient)},Edema,0" for patient in range(6)))
    held = {"folds": 2, "fold": 0}
    data = make_data(file, **held)
    assert {own[0] for name, own in read_labels(data).items() if name != "0/2"} == {0}
    assert {own[0] for own in read_labels(data, "dev").values()} == {1}
    count = len(data.frames["dev"]) - ("patient00000" in set(data.frames["dev"]["patient"]))
    assert data.corrections.left == {"held out, and evaluated": count}
    data = make_data(file, **held, correct_evaluated=True)
    assert [own[0] for name, own in read_labels(data, "dev").items() if name != "0/2"] == [0] * count
    assert not data.corrections.left


def test_evaluated_labels_are_corrected_only_if_asked_for(make_data, write_file):
    file = write_file("valid/patient64541/study1/view1_frontal.jpg,Edema,0")
    with raises("conflict", f"{file}, line 2"):
        make_data(file)
    data = make_data(file, correct_evaluated=True)
    assert data.frames["valid"]["Edema"].tolist() == [0]


def test_only_evaluating_reads_no_training_label(make_data, write_file):
    data = make_data(write_file(f"{view(0)},Edema,0"), stage="validate")
    assert data.summarize()["corrections"]["changed"] == {}


@pytest.mark.parametrize(
    ("lines", "header", "code", "place"),
    [
        ([f"{view(9)},Edema,0"], HEADER, "unknown-view", "line 2"),
        ([f"{view(1)},Edema,0", "id-0123456789ab,Edema,0"], HEADER, "unknown-view", "line 3, column Path"),
        (["train/patient00001/study1,Edema,0"], HEADER, "unknown-view", "line 2, column Path"),
        ([f"{view(1)},Edemas,0"], HEADER, "unknown-observation", "line 2, column observation"),
        ([f"{view(1)},Edema,2"], HEADER, "cell", "line 2, column corrected"),
        ([f"{view(1)},Edema,nan"], HEADER, "cell", "line 2, column corrected"),
        ([f"{view(1)},Edema,0", f"{view(1)},Edema,1"], HEADER, "label-conflict", "line 3"),
        ([f"{view(1)},Edema,0,0"], "Path,observation,label,corrected", "label-conflict", "line 2"),
        ([f"{view(1)},Edema,x,0"], "Path,observation,label,corrected", "cell", "line 2, column label"),
        ([f"{view(1)},Edema,0"], "Path,observation,new", "missing-column", "line 1"),
        ([f"{view(1)},Edema,0"], "Name,observation,corrected", "missing-column", "line 1"),
        ([f"{view(1)},a,Edema,0"], "Path,Study,observation,corrected", "ambiguous-column", "line 1"),
        ([f"{view(1)},Edema,0,0"], "Path,observation,corrected,corrected", "repeated", "line 1"),
        ([f"{view(1)},Edema,"], HEADER, "empty-table", ""),
        ([f"{view(1)},Edema"], HEADER, "field-count", "line 2"),
    ],
)
def test_wrong_files(make_data, write_file, lines, header, code, place):
    file = write_file(*lines, header=header)
    with raises(code, f"{file}, {place}" if place else file):
        make_data(file)


def test_the_label_of_the_list_is_compared(make_data, write_file):
    file = write_file(f"{view(1)},Edema,1,0", f"{view(2)},Fracture,,1", header="Path,observation,label,corrected")
    assert make_data(file).summarize()["corrections"]["changed"] == {"Edema": {"1 to 0": 1}, "Fracture": {"0 to 1": 1}}


def test_a_run_with_other_corrections_is_another_run(make_data, write_file, tmp_path):
    data = make_data(write_file(f"{view(1)},Edema,0"))
    run_files.write_json(tmp_path / run_files.DATA, data.summarize())
    check_data(tmp_path, data)
    with raises("other-data", data.root):
        check_data(tmp_path, make_data(write_file(f"{view(2)},Edema,0")))
    check_data(tmp_path, make_data(write_file(f"{view(1)},Edema,0", f"{view(2)},Edema,1")))  # the same labels


def test_settings_are_checked_before_anything_is_read(tmp_path):
    errors = CheXpertDataModule.validate_args(None, corrections=str(tmp_path / "none.csv"))
    assert ("missing-file", "data.corrections") in [(error.code, error.where) for error in errors]
    errors = CheXpertDataModule.validate_args(None, correct_evaluated=True)
    assert ("unused-setting", "data.correct_evaluated") in [(error.code, error.where) for error in errors]


@pytest.mark.parametrize("layout", ["plus", "aimi", "flat", "full"])
def test_every_layout_is_corrected_by_the_same_names(tmp_path, layout):
    root = write_phantom(tmp_path / layout, patients=4, valid=2, size=32, layout=layout, workers=1)
    options = {"labels": LabelPolicy("zeros"), "image_size": 16, "num_workers": 0}
    plain = CheXpertDataModule(root, NAMES, **options)
    plain.setup("fit")
    frame = plain.frames["train"]
    key, label = frame["key"][0], 0 if frame["Edema"][0] == 1 else 1
    file = tmp_path / "corrections.csv"
    for name in (frame["path"][0], f"elsewhere/{key}.jpg"):
        file.write_text(f"{HEADER}\n{name},Edema,{label}\n")
        data = CheXpertDataModule(root, NAMES, corrections=str(file), **options)
        data.setup("fit")
        assert data.frames["train"]["Edema"][0] == label
        assert data.corrections.changed["Edema"].total() == 1
        assert Path(data.summarize()["corrections"]["file"]) == file


def test_many_corrections_are_those_of_one_at_a_time(write_file):
    """The slow reference corrects one label after another."""
    generator = np.random.default_rng(0)
    names = [(f"patient{row // 3:05d}", "study1", f"view{row % 3 + 1}_frontal") for row in range(60)]
    frame = pd.DataFrame(names, columns=["patient", "study", "view"], index=generator.permutation(60))
    for name in NAMES:
        frame[name] = generator.choice(np.array([1, 0, -1, np.nan], "float32"), 60)
    places = generator.permutation(120)[:50].tolist()
    rows = [(names[place // 2], NAMES[place % 2], str(generator.choice(["1", "0", "-1", "blank"]))) for place in places]
    file = read_corrections(write_file(*("/".join(name) + f".jpg,{own},{text}" for name, own, text in rows)))
    found = locate_corrections(file, {"train": frame})
    corrected = found.correct({"train": frame})["train"]
    expected, unchanged = frame.copy(), 0
    for (patient, study, view), own, text in rows:
        at = (expected["patient"] == patient) & (expected["study"] == study) & (expected["view"] == view)
        label = np.nan if text == "blank" else float(text)
        unchanged += int(np.array_equal(expected.loc[at, own], [label], equal_nan=True))
        expected.loc[at, own] = np.float32(label)
    pd.testing.assert_frame_equal(corrected, expected)
    assert found.unchanged.total() == unchanged
    assert sum(own.total() for own in found.changed.values()) == 50 - unchanged


def test_no_row_of_a_file_scans_the_table(write_file, monkeypatch):
    frame = pd.DataFrame({"patient": [f"patient{row:05d}" for row in range(200)], "study": "study1"})
    frame = frame.assign(view="view1_frontal", Edema=np.float32(1))
    compared, equal = [], pd.Series.__eq__
    monkeypatch.setattr(pd.Series, "__eq__", lambda *both: compared.append(1) or equal(*both))
    lines = [f"train/patient{row:05d}/study1/view1_frontal.jpg,Edema,0" for row in range(200)]
    found = locate_corrections(read_corrections(write_file(*lines)), {"train": frame})
    assert (len(found.labels), len(compared)) == (200, 0)
