"""Drift between a run's own images and others, on tiny phantoms and a network that was not trained."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from helpers.cli import run_cli
from helpers.errors import find_places, raises

from chexpert import checkpoints
from chexpert.checkpoints import Loaded
from chexpert.data import Preprocessing, write_phantom
from chexpert.inference.drift import compute_drift
from chexpert.inference.drift_sets import ImageSet
from chexpert.inference.image_features import compute_image_features
from chexpert.inference.inputs import InputImage
from chexpert.models import Backbone, Single
from chexpert.report import describe_drift

OBSERVATIONS = ["Cardiomegaly", "Edema"]
COPY = "CheXpert-v1.0-small"
FAST = {"permutations": 999, "images": 60}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("phantom") / "root", patients=40, valid=40, size=64, workers=1)


@pytest.fixture(scope="module")
def loaded(root):
    torch.manual_seed(0)
    config = {
        "data": {"_target_": "chexpert.data.CheXpertDataModule", "root": str(root), "image_size": 64, "num_workers": 0},
        "labels": {"_target_": "chexpert.data.LabelPolicy", "uncertain": "ones"},
        "observations": OBSERVATIONS,
        "seed": 0,
    }
    return Loaded(Single(Backbone("resnet10t"), 2).eval(), Preprocessing(64), OBSERVATIONS, config)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Other patients, painted alike."""
    folder = tmp_path_factory.mktemp("other") / "root"
    return write_phantom(folder, patients=40, valid=2, size=64, workers=1, seed=5)


@pytest.fixture
def darkened(other, tmp_path):
    """Images of half the brightness, under names of patients."""
    folder = tmp_path / "DOE^JANE"
    folder.mkdir()
    for number, path in enumerate(sorted((other / COPY / "train").rglob("*frontal.jpg"))):
        cv2.imwrite(str(folder / f"DOE^JANE {number}.png"), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) // 2)
    return folder


def list_different(content):
    return {test["name"] for test in content["tests"] if test["differs"]}


def test_other_patients_of_the_same_kind_do_not_differ(loaded, other):
    content = compute_drift(loaded, other, **FAST)
    assert list_different(content) == set()
    assert content["reference"]["split"] == "valid"
    assert content["reference"]["patients"] == 40
    assert {test["group"] for test in content["tests"]} == {"gray", "metadata", "prediction", "features"}
    assert content["features_auroc"] == pytest.approx(0.5, abs=0.25)


def test_darker_images_differ_and_no_name_is_written(loaded, darkened):
    (darkened / "notes.txt").write_text("DOE^JANE")
    (darkened / "DOE^JANE broken.png").write_bytes((next(darkened.glob("*.png"))).read_bytes()[:200])
    content = compute_drift(loaded, darkened, permutations=999, images=200)
    assert {"gray mean", "gray percentile 95", "pooled features"} <= list_different(content)
    (mean,) = (test for test in content["tests"] if test["name"] == "gray mean")
    assert mean["given"] == pytest.approx(mean["reference"] / 2, rel=0.15)
    assert mean["effect"] < -2
    assert content["given"]["unreadable"] == 1
    assert content["features_auroc"] > 0.9
    text = describe_drift(content)
    assert "DOE" not in json.dumps(content) + text
    assert str(darkened.parent) not in json.dumps(content) + text
    assert "gray mean" in text.splitlines()[-1]


def test_same_seed_gives_the_same_result(loaded, darkened):
    assert compute_drift(loaded, darkened, **FAST) == compute_drift(loaded, darkened, **FAST)


def test_table_with_metadata_is_compared_by_it(loaded, other):
    content = compute_drift(loaded, other / COPY / "train.csv", root=other, **FAST)
    assert content["given"]["metadata"]
    assert {"sex", "view", "age"} <= {test["name"] for test in content["tests"]}
    assert list_different(content) == set()


def test_patients_of_both_sets_are_left_out_of_the_reference(loaded, root, tmp_path):
    valid = sorted((root / COPY / "valid").iterdir())
    names = [str(path.relative_to(root)) for folder in valid[:10] for path in folder.rglob("*frontal.jpg")]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["Path", *names]) + "\n")
    content = compute_drift(loaded, table, **FAST)
    assert content["reference"]["shared_patients_left_out"] == 10
    assert content["reference"]["patients"] == 30


def test_own_data_as_the_folder_are_an_error(loaded, root):
    with raises("conflict", root):
        compute_drift(loaded, root, **FAST)


def test_folder_without_images_is_an_error(loaded, tmp_path):
    with raises("input-kind", tmp_path):
        compute_drift(loaded, tmp_path, **FAST)


def test_few_images_are_noted_and_a_single_one_is_an_error(loaded, darkened):
    for path in sorted(darkened.iterdir())[2:]:
        path.unlink()
    content = compute_drift(loaded, darkened, **FAST)
    assert content["least_p"] == pytest.approx(len(content["tests"]) / (42 * 41 / 2))  # two of 42 patients
    assert "no difference can be found" not in describe_drift(content | {"least_p": 0.04})
    assert "no difference can be found" in describe_drift(content | {"least_p": 0.2})
    next(darkened.iterdir()).unlink()
    with raises("too-few", darkened):
        compute_drift(loaded, darkened, **FAST)


def test_run_without_data_is_an_error(loaded, darkened, tmp_path):
    config = loaded.config | {"data": loaded.config["data"] | {"root": str(tmp_path / "gone")}}
    with raises("missing-folder"):
        compute_drift(replace(loaded, config=config), darkened, **FAST)
    with raises("missing-run", "RUN"):
        compute_drift(replace(loaded, config={}), darkened, **FAST)


def test_split_that_the_run_lacks_is_an_error(loaded, darkened):
    with raises("missing-split", "--reference") as caught:
        compute_drift(loaded, darkened, reference="dev", **FAST)
    assert "--reference train" in caught.value.hint


def test_features_and_probabilities_are_those_of_the_model(loaded, root):
    paths = sorted((root / COPY / "valid").rglob("*frontal.jpg"))[:5]
    images = [InputImage(str(path), str(path)) for path in paths]
    images.insert(2, InputImage("gone", None))
    found = compute_image_features(loaded, images, batch_size=2, workers=0)
    assert found.rows == [0, 1, 3, 4, 5]
    batch = torch.stack([loaded.preprocessing(path) for path in paths])
    with torch.inference_mode():
        assert np.allclose(found.pooled, loaded.model.pool(batch), atol=1e-5)
        assert np.allclose(found.probabilities, loaded.model(batch).sigmoid(), atol=1e-5)
    assert found.gray[:, -2:].tolist() == [list(cv2.imread(str(path), 0).shape[::-1]) for path in paths]


def test_sample_holds_whole_patients():
    images = [InputImage(str(n), str(n)) for n in range(30)]
    whole = ImageSet(images, [f"p{n // 3}" for n in range(30)])
    sample = whole.sample_patients(7, seed=0)
    assert len(sample.images) == 9
    assert all(sample.patients.count(name) == 3 for name in sample.patients)
    assert len(whole.sample_patients(100, seed=0).images) == 30
    assert whole.sample_patients(7, seed=1).patients != sample.patients


@pytest.mark.parametrize(("kind", "code"), [("same", 0), ("dark", 1)])
def test_command_prints_writes_and_ends_with_its_code(monkeypatch, loaded, other, darkened, tmp_path, kind, code):
    monkeypatch.setattr(checkpoints, "load", lambda path: loaded)
    out = tmp_path / "drift.json"
    folder = other if kind == "same" else darkened
    done = run_cli("drift", tmp_path, folder, "--out", out, "--permutations", 999, "--images", 60)
    assert done.returncode == code, done.stderr
    assert done.stdout == describe_drift(json.loads(out.read_text())) + "\n"


def test_wrong_call_is_an_error(tmp_path):
    done = run_cli("drift", tmp_path, tmp_path, "--permutations", 5)
    assert (done.returncode, find_places(done.stderr)) == (2, ["chexpert drift"])
    shutil.rmtree(tmp_path)
    done = run_cli("drift", tmp_path, tmp_path)
    assert (done.returncode, find_places(done.stderr)) == (2, [str(tmp_path)])
