"""Files of a run folder."""

import csv
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from chexpert.runs import files as run_files


def test_places_of_their_own_clash_with_nothing(tmp_path):
    files = [tmp_path / "a.json", tmp_path / "new/m.txt", None]
    assert list(run_files.find_clashes(files, [tmp_path, tmp_path / "new/plots"])) == []


@pytest.mark.parametrize(
    ("files", "folders", "message"),
    [
        (["folder"], [], "is there, but no file"),
        ([], ["file"], "is there, but no folder"),
        (["file/a"], [], "is no folder"),
        (["a"], ["a"], "is asked for twice"),
        (["a"], ["a/b"], "cannot be a file and the folder of another"),
    ],
)
def test_what_could_not_be_written_is_reported(tmp_path, files, folders, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    clashes = run_files.find_clashes(*([tmp_path / name for name in names] for names in (files, folders)))
    assert any(message in clash for clash in clashes)


def test_predictions_come_back_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 0x3F800001, (500, 2), dtype=np.uint32)  # every float32 from 0 to 1 alike
    probabilities = bits.view(np.float32)
    views = [f"train/patient{n}/study1/view1_frontal.jpg" for n in range(500)]
    path = run_files.predictions(tmp_path, "valid")
    run_files.write_predictions(path, ["Edema", "Fracture"], zip(views, probabilities.tolist(), strict=True))
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["Path", "Edema", "Fracture"]
    assert [row[0] for row in rows] == views
    assert (np.array([row[1:] for row in rows]).astype(np.float32) == probabilities).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_has_null_for_what_is_no_number(tmp_path, value):
    run_files.write_json(tmp_path / "new" / "metrics.json", {"a": [1.5, {"b": value}], "c": (value, "NaN"), "d": None})
    found = json.loads((tmp_path / "new" / "metrics.json").read_text())
    assert found == {"a": [1.5, {"b": None}], "c": [None, "NaN"], "d": None}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg", "patient64541_study1_view1_frontal"),
        ("/data/CheXpert-v1.0/train/patient1/study2/view3_lateral.jpg", "patient1_study2_view3_lateral"),
        ("my image (2).png", "my_image__2_"),
        ("/image.png", "image"),
        ("../../image.png", "image"),
    ],
)
def test_a_view_is_named_by_patient_study_and_view(path, name):
    assert run_files.view_name(path) == name


def test_files_have_their_places():
    run = Path("run")
    assert run_files.checkpoint(run) == Path("run/checkpoints/best.ckpt")
    assert run_files.checkpoint(run, run_files.LAST) == Path("run/checkpoints/last.ckpt")
    assert run_files.predictions(run, "valid") == Path("run/predictions/valid.csv")
    view = "CheXpert-v1.0-small/valid/patient1/study1/view1_frontal.jpg"
    folder = Path("explanations")
    place = folder, "lime", view, "Lung Opacity"
    name = "patient1_study1_view1_frontal"
    assert run_files.picture(*place) == folder / "lime" / name / "Lung Opacity.png"
    assert run_files.attribution_map(*place) == folder / "lime/maps" / f"{name}_Lung Opacity_map.npz"
    assert run_files.explainer_sheet(folder, "lime") == folder / "lime/sheet.png"
    assert run_files.view_sheet(folder, view) == folder / "views" / f"{name}.png"


def test_a_text_for_a_device_is_written_to_it_and_takes_not_its_place():
    here, there = os.openpty()
    try:
        device = Path(os.ttyname(there))
        run_files.write_text(device, "text")
        assert os.read(here, 4) == b"text"
        assert device.is_char_device()
    finally:
        os.close(here)
        os.close(there)
