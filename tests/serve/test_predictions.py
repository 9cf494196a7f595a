"""The viewer's probabilities, sets and flags are those of ``chexpert predict``, to the last digit."""

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from helpers.dicom import make_dicom
from helpers.errors import raises
from helpers.report_runs import edit_json
from PIL import Image

from chexpert.checkpoints.export import export
from chexpert.data import read_gray
from chexpert.inference.predict import predict
from chexpert.observations import COMPETITION
from chexpert.report.html.overlay import to_address
from chexpert.runs import files as run_files
from chexpert.serve import served_model
from chexpert.serve.served_model import ServedModel, read_not_labeled


def read_table(run: Path, image: Path, output: Path, model: ServedModel, **options) -> dict[str, str]:
    """The row of chexpert predict."""
    options = {"level": "image", "observations": "all", "ids": "path", "num_workers": 0} | options
    predict(run, [image], output, loaded=model.loaded, **options)
    with output.open(newline="") as file:
        (row,) = csv.DictReader(file)
    return row


def ask(client, content: bytes) -> dict:
    found = client.ask("/api/predictions", content)
    assert found.status_code == 200, found.text
    return found.json()


@pytest.mark.parametrize("kind", ["jpeg", "png", "dicom"])
def test_probabilities_and_sets_are_those_of_the_command(client, model, run, images, tmp_path, kind):
    path = images[0]
    if kind == "png":
        path = tmp_path / "image.png"
        Image.fromarray(read_gray(images[1])).save(path)
    if kind == "dicom":
        path = make_dicom(tmp_path / "image.dcm", read_gray(images[2]).astype(np.uint16) * 16)
    found = ask(client, path.read_bytes())
    raw = read_table(run, path, tmp_path / "raw.csv", model, sets=0.4)
    assert [row["observation"] for row in found["rows"]][:5] == list(COMPETITION)
    assert {row["observation"] for row in found["rows"]} == set(model.names)
    for row in found["rows"]:
        name = row["observation"]
        assert row["probability"] == float(raw[name])
        assert row["set"] == (None if raw[f"{name} set"].startswith("none") else raw[f"{name} set"])
    assert found["flags"] == raw.get(run_files.FLAGS, "")
    calibrated = read_table(run, path, tmp_path / "c.csv", model, calibrated=True, observations="competition")
    own = {row["observation"]: row["calibrated"] for row in found["rows"]}
    assert {name: own[name] for name in COMPETITION} == {name: float(calibrated[name]) for name in COMPETITION}


def test_image_is_the_one_that_was_read(client, images):
    found, gray = ask(client, images[0].read_bytes()), read_gray(images[0])
    assert (found["height"], found["width"]) == gray.shape
    file = io.BytesIO()
    Image.fromarray(gray).save(file, "PNG", compress_level=1)
    assert found["image"] == to_address(file.getvalue(), "image/png")


def test_large_image_is_shown_smaller(client):
    gray = np.tile(np.linspace(0, 255, 1500).astype(np.uint8), (3000, 1))
    file = io.BytesIO()
    Image.fromarray(gray).save(file, "PNG")
    found = ask(client, file.getvalue())
    assert (found["height"], found["width"]) == (3000, 1500)
    with Image.open(io.BytesIO(__import__("base64").b64decode(found["image"].partition(",")[2]))) as shown:
        assert shown.size == (512, 1024)


def test_flags_are_shown_and_refused_where_the_gate_refuses(client, run, images, model, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(255 - read_gray(images[0])).rotate(90, expand=True).save(path)
    flags = ask(client, path.read_bytes())["flags"]
    assert flags
    assert flags == read_table(run, path, tmp_path / "out.csv", model)[run_files.FLAGS]
    refusing = ServedModel(run, gate="refuse")
    found = refusing.predict(path.read_bytes())
    assert (found["flags"], found["refused"], found["rows"]) == (flags, True, [])


def test_run_is_described(client, model):
    found = client.ask("/api/run").json()
    assert [one["name"] for one in found["observations"]][:5] == list(COMPETITION)
    assert found["rules"] == ["youden", "f1", "specificity_0.9"]
    assert found["gate"] == "on"
    assert "synthetic" in found["synthetic"]
    assert [line["kind"] for line in found["lines"]][:1] == ["warning"]
    assert any("Weights: " in line["text"] for line in found["lines"])
    edema = next(one for one in found["observations"] if one["name"] == "Edema")
    raw, calibrated = edema["thresholds"]["youden"]["raw"], edema["thresholds"]["youden"]["calibrated"]
    assert raw == model.loaded.thresholds["image"]["Edema"]["youden"]
    expected = model.loaded.calibration.apply(np.array([[raw]]), ["Edema"], "image")
    assert calibrated == float(f"{expected[0, 0]:.9g}")


def test_gate_of_synthetic_images_says_nothing_of_real_ones(model, monkeypatch):
    assert model.loaded.synthetic
    assert model.describe()["gate_note"] == served_model.OF_SYNTHETIC
    monkeypatch.setattr(model, "loaded", replace(model.loaded, synthetic=False))
    assert model.describe()["gate_note"] == ""


def test_run_has_its_whole_name(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    overrides = [f"optimizer.lr={number}e-4" for number in range(9)]
    edit_json(copy / run_files.STATE, lambda content: content | {"overrides": overrides})
    assert ServedModel(copy).title == ", ".join(overrides)


def test_run_without_what_is_fitted_is_served_raw(run, images, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(run, bare)
    for name in (run_files.CALIBRATION, run_files.THRESHOLDS, run_files.PREDICTION_SETS, run_files.GATE):
        (bare / name).unlink()
    model = ServedModel(bare)
    described, found = model.describe(), model.predict(images[0].read_bytes())
    assert (described["calibrated"], described["rules"], described["gate"]) == (False, [], "off")
    assert described["gate_note"] == ""
    assert described["sets"]["missing"]
    assert all(row["calibrated"] is None and row["set"] is None for row in found["rows"])
    with raises("missing-file", "--gate refuse"):
        ServedModel(bare, gate="refuse")


def test_gate_of_a_repository_is_that_beside_its_weights(run, tmp_path):
    export(run)
    shutil.copytree(run / "checkpoints", tmp_path / "cache", ignore=lambda _, names: [n for n in names if ".ckpt" in n])
    shutil.copy(run / run_files.GATE, tmp_path / "cache")
    weights = tmp_path / "cache/best.safetensors"
    with mock.patch.object(served_model, "get_local_path", return_value=weights) as fetched:
        model = ServedModel(Path("hf:me/model@main"), gate="refuse")
    assert fetched.call_args_list == [mock.call(Path("hf:me/model@main"))]
    assert model.gating.refuses
    assert (model.describe()["run"], model.describe()["gate"]) == ("hf:me/model@main", "on")


def test_observations_without_a_training_label_are_marked(run, tmp_path):
    own = Path(shutil.copytree(run, tmp_path / "own"))
    assert read_not_labeled(own) == []
    data = json.loads((own / run_files.DATA).read_text())
    data["splits"]["train"]["not_labeled"] = ["Fracture"]
    (own / run_files.DATA).write_text(json.dumps(data))
    assert read_not_labeled(own) == ["Fracture"]
    marked = {one["name"]: one["labeled"] for one in ServedModel(own).describe()["observations"]}
    assert [name for name, labeled in marked.items() if not labeled] == ["Fracture"]
    path = export(own).with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"not_labeled": ["Edema"]}))
    assert read_not_labeled(path.with_suffix(".safetensors")) == ["Edema"]
