"""Runs whose networks are not pooled by the mean: checkpoints, exports, features and errors."""

import json

import numpy as np
import pytest
import torch
from helpers.errors import raises
from helpers.runs import start

import chexpert
from chexpert.checkpoints.export import export
from chexpert.engine.summary import find_pooling_notes
from chexpert.errors import UserErrors

VIT = ["backbone.name=test_vit", "~backbone.options", "+backbone.options.img_size=64", "explainer=[hirescam,gradcam]"]
IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pooling", ["cls+avg", "pcam"])
def test_checkpoint_and_export_carry_the_pooling(pooling, phantom, tmp_path):
    start(tmp_path / "run", phantom, *VIT, f"backbone.pooling={pooling}")
    model = chexpert.load(tmp_path / "run").model
    backbone = model.members["backbone"]
    assert (backbone.pooling, backbone.width) == (pooling, 128 if pooling == "cls+avg" else 64)
    exported = chexpert.load(export(tmp_path / "run")).model
    assert torch.equal(exported(IMAGES), model(IMAGES))
    stored = json.loads((tmp_path / "run/checkpoints/best.json").read_text())
    assert stored["config"]["model"]["backbone"]["pooling"] == pooling
    for name in ("hirescam", "gradcam"):
        for path in (tmp_path / "run/explanations" / name / "maps").glob("*.np*"):
            loaded = np.load(path)
            signed = loaded if isinstance(loaded, np.ndarray) else loaded[loaded.files[0]]
            assert abs(signed).max() > 1e-5


def test_run_on_features_of_a_class_token_equals_the_run_on_images(phantom, tmp_path):
    start(tmp_path / "source", phantom, *VIT[:3], "explainer=[]", "backbone.pooling=cls")
    common = [
        *VIT[:3],
        "explainer=[]",
        f"start_from={tmp_path / 'source'}",
        "backbone.pooling=cls",
        "backbone.frozen=true",
        "data.augmentation=null",
    ]
    for name, features in (("images", "null"), ("features", tmp_path / "cache")):
        start(tmp_path / name, phantom, *common, f"features={features}", "trainer.precision=32-true", "seed=3")
    images, features = (chexpert.load(tmp_path / name).model.head.weight for name in ("images", "features"))
    torch.testing.assert_close(features, images, rtol=1e-5, atol=1e-7)


def test_combined_run_has_a_pooling_for_each_member(phantom, tmp_path):
    start(
        tmp_path / "run", phantom, "model=combined", "backbone@model.members.densenet=resnet10t",
        "backbone@model.members.efficientnet=resnet10t", "model.members.densenet.name=test_vit",
        "+model.members.densenet.options={img_size: 64}", "model.members.densenet.pooling=cls",
        "model.members.efficientnet.name=test_resnet", "model.members.efficientnet.pooling=pcam",
        "~backbone.options",
    )  # fmt: skip
    members = chexpert.load(tmp_path / "run").model.members
    assert [member.pooling for member in members.values()] == ["cls", "pcam"]


@pytest.mark.parametrize(
    ("settings", "code", "where"),
    [
        (["backbone.pooling=middle"], "choice", "backbone.pooling"),
        (["backbone.pooling=max", "backbone.sharpness=3"], "unused-setting", "backbone.sharpness"),
    ],
)
def test_wrong_pooling_is_an_error_before_anything_is_built(settings, code, where, phantom, tmp_path):
    with raises(code, where):
        start(tmp_path / "run", phantom, *settings)


def test_features_of_pcam_are_an_error_before_anything_is_built(phantom, tmp_path):
    with pytest.raises(UserErrors) as caught:
        start(tmp_path / "run", phantom, "backbone.pooling=pcam", "features=x")
    errors = [(error.code, error.where, error.hint) for error in caught.value.errors]
    assert ("conflict", "features, model.backbone", "features=null, or backbone.pooling=avg") in errors


def test_class_token_of_a_convolutional_network_is_an_error(phantom, tmp_path):
    with raises("conflict", "backbone.pooling"):
        start(tmp_path / "run", phantom, "backbone.pooling=cls")
    assert not (tmp_path / "run/data.json").exists()


def make_config(**backbone):
    return {"model": {"backbone": {"_target_": "chexpert.models.Backbone", **backbone}}}


@pytest.mark.parametrize(
    ("backbone", "notes"),
    [
        ({"pretrained": "rad-dino"}, 1),
        ({"pretrained": "rad-dino:x.safetensors"}, 1),
        ({"pretrained": "rad-dino", "pooling": "avg"}, 0),
        ({"pretrained": "cxformer-s"}, 0),
        ({"pretrained": "eva-x-s"}, 0),
        ({"pretrained": "x.pt"}, 0),
        ({"pretrained": True}, 0),
        ({}, 0),
    ],
)
def test_note_on_weights_whose_authors_pool_otherwise(backbone, notes):
    found = list(find_pooling_notes(make_config(**backbone)))
    assert len(found) == notes
    assert all("backbone.pooling=cls" in note for note in found)
