"""A tiny run, exported, and used without torch and without this project."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from helpers.cli import run_cli
from helpers.errors import raises
from helpers.runs import PROJECT, start
from PIL import Image

from chexpert.checkpoints import load
from chexpert.evaluation import Calibration
from chexpert.inference.exported import export, parity
from chexpert.inference.exported.export import ExportSettings, export_run
from chexpert.metrics.auroc import multilabel_auroc
from chexpert.runs import files as run_files

pytestmark = pytest.mark.timeout(1200)  # torch's exporter takes a minute, and several on a busy machine

WITHOUT = """
import runpy, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {allowed} | sys.stdlib_module_names:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
ALLOWED = {"onnxruntime", "numpy", "PIL", "coloredlogs", "flatbuffers", "google"}


@pytest.fixture(scope="module")
def run(tmp_path_factory, phantom):
    folder = tmp_path_factory.mktemp("runs") / "run"
    start(folder, phantom, "data.dev=0.4", "explainer=[]", "data.resize_mode=crop", "data.image_size=[64,48]")
    return folder


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    (run / "MODEL_CARD.md").write_text("card\n")
    return export_run(run, tmp_path_factory.mktemp("exports") / "out", ExportSettings(maps=True))


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def run_script(folder, *words):
    """Run OUT/run.py where no other library can be imported."""
    command = [sys.executable, "-c", WITHOUT.format(allowed=ALLOWED), str(folder / "run.py"), *map(str, words)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_file_holds_all_that_is_needed(run, exported):
    folder = exported.file.parent
    assert sorted(path.name for path in folder.iterdir()) == [
        "MODEL_CARD.md", "README.md", "metadata.json", "model.onnx", "run.py",
    ]  # fmt: skip
    session = onnxruntime.InferenceSession(str(exported.file))
    stored = session.get_modelmeta().custom_metadata_map
    found = {key.removeprefix("chexpert."): value for key, value in stored.items()}
    assert found.pop("sha256") == exported.digest
    found = {key: json.loads(value) for key, value in found.items()}
    assert found == json.loads(json.dumps(exported.metadata))
    assert found["calibration"] == json.loads(run_files_text(run, run_files.CALIBRATION))
    assert found["thresholds"]["levels"]["image"].keys() == set(found["observations"])
    fingerprint = json.loads(run_files_text(run, run_files.DATA))["splits"]["train"]["fingerprint"]
    assert found["training_data"]["fingerprint"] == fingerprint
    assert found["synthetic"] is True
    assert "not a medical device" in found["note"]
    assert found["preprocessing"] == {"image_size": [64, 48], "resize_mode": "crop", "gray": "0 to 255, 8 bits"}
    content = exported.file.read_bytes().decode("latin-1")
    assert str(run.parent) not in content
    assert str(PROJECT) not in content
    assert (found["parity"]["images"], found["parity"]["max_difference"] <= 1e-5) == (24, True)
    outputs = {out.name: out.shape for out in session.get_outputs()}
    assert list(outputs) == ["probabilities", "scores", "maps"]


def run_files_text(run, name):
    return (run / name).read_text()


def test_a_batch_of_another_size(exported):
    session = onnxruntime.InferenceSession(str(exported.file))
    images = np.random.default_rng(0).integers(0, 256, (3, 201, 97), dtype=np.uint8)
    size = np.zeros(2, dtype=np.int64)
    together = session.run(None, {"images": images, "file_size": size})
    single = [session.run(None, {"images": image[None], "file_size": size}) for image in images]
    for n, out in enumerate(together):
        np.testing.assert_allclose(out, np.concatenate([own[n] for own in single]), rtol=0, atol=1e-5)


def test_the_script_has_the_aurocs_of_the_run(run, exported, phantom, tmp_path):
    expected, labels = read(run_files.predictions(run, "valid")), read(run_files.labels(run, "valid"))
    files = [phantom / row["Path"] for row in expected]
    done = run_script(exported.file.parent, *files, "--csv", tmp_path / "out.csv")
    assert (done.returncode, done.stderr) == (0, "")
    found, names = read(tmp_path / "out.csv"), exported.metadata["observations"]
    scores = np.array([[float(row[name]) for name in names] for row in expected])
    ours = np.array([[float(row[f"{name} score"]) for name in names] for row in found])
    np.testing.assert_allclose(ours, scores, rtol=0, atol=1e-5)
    calibrated = Calibration.read(run / run_files.CALIBRATION).apply(scores, names, "image")
    np.testing.assert_allclose([[float(row[name]) for name in names] for row in found], calibrated, atol=1e-5)
    truth = np.array([[float(row[name] or "nan") for name in names] for row in labels])
    known = np.isfinite(truth)
    aurocs = [multilabel_auroc(own, np.nan_to_num(truth), known) for own in (scores, ours)]
    for a, b in zip(*aurocs, strict=True):
        assert f"{a.value:.4f}" == f"{b.value:.4f}"
    for name in names:
        limit = exported.metadata["thresholds"]["levels"]["image"][name]["thresholds"]["youden"]
        decisions = [row[f"{name} decision"] for row in found]
        assert decisions == [
            "" if limit is None else "yes" if float(row[f"{name} score"]) >= limit else "no" for row in found
        ]


def test_the_script_names_a_bad_file_once(exported, tmp_path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(np.zeros((80, 90), dtype=np.uint8)).save(good)
    bad.write_bytes(good.read_bytes()[:50])
    done = run_script(exported.file.parent, good, bad, tmp_path / "none.png")
    assert done.returncode == 1
    assert [line.split(": ")[:2] for line in done.stderr.splitlines()] == [
        ["not predicted", str(bad)],
        ["not predicted", str(tmp_path / "none.png")],
    ]
    assert str(good) in done.stdout


def test_a_changed_byte_of_the_metadata_is_noticed(exported, tmp_path):
    content = exported.file.read_bytes()
    place = content.index(b"Cardiomegaly")
    changed = tmp_path / "model.onnx"
    changed.write_bytes(content[:place] + b"c" + content[place + 1 :])
    image = tmp_path / "image.png"
    Image.fromarray(np.zeros((80, 90), dtype=np.uint8)).save(image)
    done = run_script(exported.file.parent, image, "--model", changed)
    assert (done.returncode, done.stdout) == (2, "")
    checked = run_cli("export", "--check", str(changed))
    assert (checked.returncode, f"where: {changed}" in checked.stderr) == (1, True)
    assert run_cli("export", "--check", str(exported.file)).returncode == 0


def test_a_model_that_differs_is_not_kept(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "trace", lambda *_: None)
    monkeypatch.setattr(export, "write_model", lambda path, *_: path.touch())
    wrong = [np.zeros((1, 5)), np.zeros((1, 5))]
    monkeypatch.setattr(export, "open_session", lambda *_: lambda images, size: wrong)
    with raises("no-result", "parity"):
        export_run(run, tmp_path / "out", ExportSettings("pt2"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("difference", [2e-5, float("nan")])
def test_a_difference_is_refused(difference):
    with raises("no-result", "parity"):
        parity.check_difference(difference, 64)
    parity.check_difference(1e-5, 64)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [ExportSettings("pt2"), ExportSettings(precision="fp16", kind="float32"), ExportSettings(precision="int8")],
)
def test_other_formats_and_precisions(run, tmp_path, settings):
    found = export_run(run, tmp_path / "out", settings)
    compared = found.metadata["parity"]
    assert str(PROJECT) not in found.file.read_bytes().decode("latin-1")
    assert compared["max_difference"] <= {"fp32": 1e-5, "fp16": 0.01, "int8": 0.1}[settings.precision]
    assert ("auroc" in compared) == (settings.precision != "fp32")
    assert ("ranges" in found.metadata) == (settings.precision == "int8")


def test_ranges_are_of_training_views(run):
    loaded = load(run)
    compared = parity.select_images(loaded, None)
    files, source = parity.select_range_images(loaded, compared)
    assert source == "training views of the run"
    assert len(set(files)) == len(files) == 32  # all of this run
    assert all("/train/" in file for file in files)
    assert not set(files) & set(compared.files)


def test_ranges_are_of_the_given_images(run, tmp_path):
    for n in range(130):
        Image.fromarray(np.full((30, 40), n, dtype=np.uint8)).save(tmp_path / f"{n:03}.png")
    loaded = load(run)
    files, source = parity.select_range_images(loaded, parity.select_images(loaded, tmp_path))
    assert [int(Path(file).stem) for file in files] == [n * 130 // 64 for n in range(64)]
    assert source == "given images"
