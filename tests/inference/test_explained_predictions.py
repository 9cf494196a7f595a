"""Explanations of images that are predicted in the same call."""

import csv
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import run_cli
from helpers.errors import raises
from helpers.runs import start
from PIL import Image

from chexpert.checkpoints import load
from chexpert.conf_folder import find_conf
from chexpert.data import write_phantom
from chexpert.inference import predict as predict_module
from chexpert.inference.explain import explain_run
from chexpert.inference.explained_predictions import ExplainedPredictions, ExplainRequest
from chexpert.inference.predict import predict


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    phantom = write_phantom(tmp_path_factory.mktemp("data") / "phantom", patients=12, valid=12, size=96, workers=1)
    folder = tmp_path_factory.mktemp("runs") / "run"
    start(folder, phantom, "explain.count=1")
    return folder


@pytest.fixture
def images(tmp_path) -> Path:
    """Five images of several proportions, and a damaged one."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(5):
        shape = (90 + 20 * number, 130)
        gray = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(gray).save(folder / f"{number}.png")
    (folder / "damaged.png").write_bytes((folder / "0.png").read_bytes()[:200])
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def explain(run, images, output, *explainers, **more):
    request = ExplainRequest(explainers or ("gradcam",), **more)
    return predict(
        run, [images], output, level="image", observations="all", batch_size=2, num_workers=0, explain=request
    )


def test_each_readable_image_is_explained_beside_the_table(run, images, tmp_path, monkeypatch):
    loads = []
    monkeypatch.setattr(predict_module, "load", lambda path: loads.append(path) or load(path))
    outcome = explain(run, images, tmp_path / "new/out.csv", top=2)
    assert (loads, len(outcome.failed)) == ([run], 1)
    assert outcome.explanations == tmp_path / "new/out-explanations"
    predicted = {row["Path"]: row for row in read(tmp_path / "new/out.csv")}
    rows = read(outcome.explanations / "gradcam/regions.csv")
    assert list(dict.fromkeys(row["image"] for row in rows)) == list(predicted)
    for name, row in predicted.items():
        own = {found["observation"]: found for found in rows if found["image"] == name}
        probabilities = {key: float(value) for key, value in row.items() if key != "Path"}
        assert list(own) == sorted(probabilities, key=lambda key: -probabilities[key])[:2]
        for observation, found in own.items():
            assert float(found["probability"]) == pytest.approx(probabilities[observation], rel=1e-6)
            folder = outcome.explanations / "gradcam" / name
            with Image.open(folder / f"{observation}_mask.png") as mask:
                assert mask.size == (int(found["width"]), int(found["height"]))
                if found["x0"]:
                    x0, y0, x1, y1 = (int(found[key]) for key in ("x0", "y0", "x1", "y1"))
                    assert np.asarray(mask)[y0:y1, x0:x1].any()
            assert (folder / f"{observation}.png").is_file()
    assert [int(row["height"]) for row in rows if row["region"] in ("", "1")][::2] == [90, 110, 130, 150, 170]


def test_regions_are_those_of_chexpert_explain(run, images, tmp_path):
    explain(run, images, tmp_path / "out.csv", observations=["Edema"])
    files = [str(images / f"{number}.png") for number in range(5)]
    folder, _ = explain_run(run, files, ["gradcam"], find_conf(), observations=["Edema"], out=tmp_path / "explained")
    ours, theirs = (read(path / "gradcam/regions.csv") for path in (tmp_path / "out-explanations", folder))
    keys = ("observation", "region", "x0", "y0", "x1", "y1", "peak_x", "peak_y", "width", "height")
    assert [[row[key] for key in keys] for row in ours] == [[row[key] for key in keys] for row in theirs]
    assert {row["observation"] for row in ours} == {"Edema"}


def test_stopped_command_resumes_with_each_image_once(run, images, tmp_path, monkeypatch):
    explain(run, images, tmp_path / "whole.csv", "gradcam", "random")
    add, calls = ExplainedPredictions.add, []

    def stop(self, *arguments):
        calls.append(len(arguments[1]))
        add(self, *arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ExplainedPredictions, "add", stop)
        with pytest.raises(KeyboardInterrupt):
            explain(run, images, tmp_path / "out.csv", "gradcam", "random")
    part = tmp_path / "out-explanations/gradcam/regions.csv.part"
    part.write_text(part.read_text()[:-9])
    outcome = explain(run, images, tmp_path / "out.csv", "gradcam", "random")
    assert (calls, outcome.resumed, outcome.images) == ([2, 2], 2, 5)
    for name in ("gradcam", "random"):
        whole, resumed = (tmp_path / f"{kind}-explanations" / name / "regions.csv" for kind in ("whole", "out"))
        assert resumed.read_text() == whole.read_text()
    assert not part.exists()


def test_other_explanations_do_not_resume(run, images, tmp_path, monkeypatch):
    def stop(self, *_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("chexpert.inference.predict.write", stop)
        with pytest.raises(KeyboardInterrupt):
            explain(run, images, tmp_path / "out.csv")
    with raises("other-config", str(tmp_path / "out.csv.part")):
        explain(run, images, tmp_path / "out.csv", top=2)
    outcome = explain(run, images, tmp_path / "out.csv")  # stopped while it wrote the table
    assert (outcome.resumed, outcome.images) == (5, 5)
    assert len({row["image"] for row in read(outcome.explanations / "gradcam/regions.csv")}) == 5


def test_existing_explanations_are_not_overwritten(run, images, tmp_path):
    (tmp_path / "out-explanations").mkdir()
    (tmp_path / "out-explanations/mine.txt").touch()
    with raises("not-empty", str(tmp_path / "out-explanations")):
        explain(run, images, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv.part").exists()


def test_two_images_of_one_name_are_an_error(run, images, tmp_path):
    Image.open(images / "0.png").save(images / "0.jpg")
    request = ExplainRequest(["gradcam"])
    with raises("repeated", "the images"):
        predict(run, [images], tmp_path / "out.csv", observations="all", ids="path", num_workers=0, explain=request)


@pytest.mark.parametrize(
    ("request_", "code", "where"),
    [
        (ExplainRequest(["gradcm"]), "choice", "--explain"),
        (ExplainRequest(["gradcam"], observations=["Edma"]), "unknown-observation", "--explain-observations"),
    ],
)
def test_wrong_name_is_an_error(run, images, tmp_path, request_, code, where):
    with raises(code, where):
        predict(run, [images], tmp_path / "out.csv", observations="all", explain=request_)
    assert not (tmp_path / "out.csv").exists()


def test_command_explains_and_names_the_folder(run, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--observations", "all", "--explain", "gradcam", "--top", "1", "--workers", "0", "--ids", "path"]
    done = run_cli("predict", run, "images", "out.csv", *arguments)
    assert done.returncode == 1  # an image is damaged
    assert "out-explanations" in done.stdout
    assert (tmp_path / "out-explanations/gradcam/images_4").is_dir()
    for wrong in (["--top", "2"], ["--explain", "gradcam", "--top", "0"]):
        assert run_cli("predict", run, "images", "other.csv", *wrong).returncode == 2
