"""Names and formats of the files in a run folder."""

import csv
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from chexpert.runs import files as run_files


def test_separate_paths_do_not_clash(tmp_path):
    files = [tmp_path / "a.json", tmp_path / "new/m.txt", None]
    assert list(run_files.find_clashes(files, [tmp_path, tmp_path / "new/plots"])) == []


@pytest.mark.parametrize(
    ("files", "folders", "path", "count"),
    [
        (["folder"], [], "folder", 1),
        ([], ["file"], "file", 1),
        (["file/a"], [], "file", 1),
        (["a"], ["a"], "a", 2),  # one for each of the two
        (["a"], ["a/b"], "a", 1),
    ],
)
def test_clash_names_the_path_that_cannot_be_written(tmp_path, files, folders, path, count):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    clashes = run_files.find_clashes(*([tmp_path / name for name in names] for names in (files, folders)))
    assert [clash.split(" ")[0] for clash in clashes] == [str(tmp_path / path)] * count


def test_predictions_are_read_back_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 0x3F800001, (500, 2), dtype=np.uint32)  # every float32 from 0 to 1 is equally likely
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
def test_json_has_null_for_nan_and_infinity(tmp_path, value):
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
def test_view_is_named_by_patient_study_and_view(path, name):
    assert run_files.view_name(path) == name


def test_paths_of_files():
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


def test_text_for_a_device_is_written_to_it():
    here, there = os.openpty()
    try:
        device = Path(os.ttyname(there))
        run_files.write_text(device, "text")
        assert os.read(here, 4) == b"text"
        assert device.is_char_device()
    finally:
        os.close(here)
        os.close(there)
