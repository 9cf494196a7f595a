"""Runs on images of data.image_size=[HEIGHT,WIDTH], through the real commands."""

import csv
import json

import numpy as np
import pytest
import yaml
from helpers.commands import run_command
from helpers.errors import find_places, raises
from helpers.runs import LIME, TINY, start, train
from PIL import Image

import chexpert
from chexpert.checkpoints import read_metadata
from chexpert.data import get_size
from chexpert.sweep.table import read_sweep

SIDES = [96, 64]
RECTANGLE = "data.image_size=[96,64]"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, phantom):
    """A run with explanations and a cache, through the command."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    done = train(
        "data=small", f"data.root={phantom}", *TINY, RECTANGLE, "data.resize_mode=pad", *LIME,
        "explainer=[gradcam,hirescam,lime]", "explain.score=2", "explain.passes=100000",
        f"data.cache={folder.parent / 'cache'}", f"hydra.run.dir={folder}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_run_and_checkpoint_carry_both_sides(finished):
    assert yaml.safe_load((finished / "config.yaml").read_text())["data"]["image_size"] == SIDES
    assert read_metadata(finished)["preprocessing"] == {"size": SIDES, "fit": "pad"}
    loaded = chexpert.load(finished)
    assert loaded.preprocessing.size == tuple(SIDES)
    names = sorted(path.name for path in (finished.parent / "cache").iterdir())
    assert [name.rpartition("-")[0] for name in names] == ["train-96x64-pad", "valid-96x64-pad"]


def test_maps_are_in_the_models_coordinates_and_lead_to_the_image(finished, phantom):
    for name in ("gradcam", "hirescam", "lime"):
        manifest = json.loads((finished / "explanations" / name / "manifest.json").read_text())
        assert manifest
        for entry in manifest:
            stored = np.load(finished / "explanations" / entry["map"])
            height, width = get_size(phantom / entry["view"])
            assert stored["signed"].shape == tuple(SIDES)
            assert (int(stored["height"]), int(stored["width"])) == (height, width)
            scale = min(96 / height, 64 / width)
            assert stored["matrix"][[0, 1], [0, 1]] == pytest.approx([scale, scale])
            assert stored["matrix"] @ [(width - 1) / 2, (height - 1) / 2, 1] == pytest.approx([31.5, 47.5, 1])
            with Image.open(finished / "explanations" / entry["picture"]) as picture:
                assert picture.width > 100
    quality = json.loads((finished / "explanations/quality.json").read_text())
    assert set(quality["explainers"]) == {"gradcam", "hirescam", "lime"}


def test_commands_read_a_run_on_rectangles(finished, phantom, tmp_path):
    rows = list(csv.DictReader((finished / "predictions/valid.csv").open()))
    file, out = phantom / rows[0]["Path"], tmp_path / "out.csv"
    done = run_command("scripts/predict.py", finished, file, out)
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(out.open())
    for name in chexpert.load(finished).observations:
        assert float(row[name]) == pytest.approx(float(rows[0][name]), abs=1e-5)
    explanation = chexpert.open_run(finished).explain(str(file), "occlusion")
    assert explanation.map.shape == get_size(file)
    assert explanation.attribution.signed.shape == tuple(SIDES)


def test_two_runs_on_rectangles_are_equal_with_and_without_a_cache(finished, phantom, tmp_path):
    start(tmp_path / "run", phantom, RECTANGLE, "data.resize_mode=pad", "explainer=[]", "calibration=null")
    ours, theirs = ((run / "predictions/valid.csv").read_text() for run in (tmp_path / "run", finished))
    assert ours == theirs


def test_weights_of_a_rectangle_start_a_run_on_squares(finished, phantom, tmp_path):
    given = [f"start_from={finished}", "explainer=[]", "data.image_size=64"]
    start(tmp_path / "square", phantom, *given)
    assert chexpert.load(tmp_path / "square").preprocessing.size == (64, 64)
    with raises("other-preprocessing", "data") as error:
        start(tmp_path / "other", phantom, *given, "trainer.max_epochs=0")
    assert error.value.hint == "data.image_size=[96,64] data.resize_mode=pad"


def test_features_of_frozen_members_are_those_of_rectangles(finished, phantom, tmp_path):
    for number, size in enumerate(("[96,64]", "[64,96]", "[96,64]")):
        given = [
            f"start_from={finished}",
            "backbone.frozen=true",
            f"features={tmp_path / 'features'}",
            f"data.image_size={size}",
            "explainer=[]",
        ]
        start(tmp_path / f"run{number}", phantom, *given, "data.augmentation=null")
    assert len(list((tmp_path / "features").glob("valid-*.npy"))) == 2
    first, other, again = ((tmp_path / f"run{n}" / "predictions/valid.csv").read_text() for n in range(3))
    assert first == again != other


@pytest.mark.parametrize(
    ("given", "code", "hint"),
    [
        (
            ["~backbone.options", "backbone.name=vit_tiny_patch16_224", "data.image_size=[96,60]"],
            "image-size",
            "[96,64]",
        ),
        (["~backbone.options", "backbone.name=vit_tiny_patch16_224", RECTANGLE], "image-size", "img_size=[96,64]"),
        (["~backbone.options", "backbone.name=convit_tiny", RECTANGLE], "image-size", "data.image_size=96 +"),
        (["data.image_size=[96,64,1]"], "value", "[384,320]"),
    ],
)
def test_size_that_a_network_does_not_take_is_an_error_before_data_are_read(phantom, tmp_path, given, code, hint):
    with raises(code, "data.image_size") as error:
        start(tmp_path / "run", phantom, *given)
    assert hint in error.value.hint
    assert not (tmp_path / "run/data.json").exists()


def test_transformer_of_rectangles_trains_and_is_explained(phantom, tmp_path):
    network = ["~backbone.options", "backbone.name=test_vit", "+backbone.options.img_size=[96,64]"]
    start(tmp_path / "run", phantom, *network, RECTANGLE)
    (entry, *_) = json.loads((tmp_path / "run/explanations/gradcam/manifest.json").read_text())
    assert entry["grid"] == [6, 4]


@pytest.mark.slow
def test_sweep_over_a_square_and_a_rectangle(phantom, tmp_path):
    done = train(
        "-m", "data=small", f"data.root={phantom}", *TINY[1:], "data.image_size=64,[96,64]", "explainer=[]",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    jobs = {job.overrides["data.image_size"]: job.name for job in read_sweep(tmp_path / "sweep")}
    for setting, size in (("64", (64, 64)), ("[96,64]", (96, 64))):
        assert chexpert.load(tmp_path / "sweep" / jobs[setting]).preprocessing.size == size


def test_text_that_is_no_size_ends_with_code_2(phantom):
    done = train("data=small", f"data.root={phantom}", *TINY, "data.image_size=[96,tall]")
    assert done.returncode == 2
    assert find_places(done.stderr) == ["data.image_size"]
