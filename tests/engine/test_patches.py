"""Runs of a model that sees patches of an image one by one."""

import json

import pytest
from helpers.configs import make
from helpers.resumed_runs import SHORT, check_equal, stop_at
from helpers.runs import start

import chexpert
from chexpert.errors import UserError
from chexpert.inference.predict import predict
from chexpert.signals import Stopped

PATCHES = ["model=patches", "data.image_size=[64,96]"]


def test_run_explains_itself_and_its_weights_are_exported(tmp_path, phantom, capsys):
    start(tmp_path / "run", phantom, *PATCHES, "explainer=[patch_logits,gradcam]", "trainer.limit_train_batches=2")
    assert "resnet10t on patches of 32 x 32 px," in capsys.readouterr().err
    record = json.loads((tmp_path / "run/explanations/patch_logits/manifest.json").read_text())[0]
    assert record["layer"] == {"backbone": "resnet10t.forward_features on patches of 32 px"}
    gradcam = json.loads((tmp_path / "run/explanations/gradcam/manifest.json").read_text())[0]
    assert gradcam["grid"] == [2, 3]
    image = next((phantom / "CheXpert-v1.0-small/valid").rglob("*.jpg"))
    for name, source in (("run", tmp_path / "run"), ("file", tmp_path / "run/checkpoints/best.safetensors")):
        predict(source, [image], tmp_path / f"{name}.csv")
    assert (tmp_path / "run.csv").read_text() == (tmp_path / "file.csv").read_text()
    model = chexpert.load(tmp_path / "run").model
    assert (model.members["backbone"].patch, model.members["backbone"].step) == (32, 32)


def test_stopped_run_resumes_to_the_same_weights(tmp_path, phantom, monkeypatch):
    options = [*PATCHES, *SHORT, "backbone.step=16"]
    start(tmp_path / "whole", phantom, *options)
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 3)
        with pytest.raises(Stopped):
            start(tmp_path / "run", phantom, *options)
    start(tmp_path / "run", phantom, *options, "resume=auto")
    check_equal(tmp_path / "run", tmp_path / "whole")


def test_patches_that_leave_pixels_over_are_an_error_before_training(tmp_path, phantom):
    with pytest.raises(UserError) as caught:
        start(tmp_path / "run", phantom, "model=patches", "data.image_size=80")
    assert (caught.value.code, caught.value.where) == ("image-size", "data.image_size")
    assert not (tmp_path / "run/checkpoints").exists()


def test_choice_of_explainers_stays_with_the_user():
    assert list(make("model=patches")["explainer"]) == ["patch_logits", "gradcam", "lime"]
    assert list(make("model=patches", "explainer=[lime]")["explainer"]) == ["lime"]
