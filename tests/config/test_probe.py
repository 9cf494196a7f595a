"""The settings of ``model=probe``, and those that contradict it."""

import pytest
from helpers.configs import make

from chexpert.config import find_notices, resolve, validate_args
from chexpert.config.resolution import to_plain

MEMBER = "+backbone@model.members.resnet=resnet18"


def find_errors(*overrides):
    return [(error.code, error.where) for error in validate_args(to_plain(make("model=probe", *overrides)))]


def test_one_word_sets_all_that_a_probe_needs():
    cfg = resolve(make("model=probe"))
    assert (cfg["features"], cfg["data"]["augmentation"]) == ("outputs/features", None)
    assert (cfg["data"]["batch_size"], cfg["trainer"]["max_epochs"]) == (256, 30)
    assert cfg["model"]["backbone"]["name"] == "resnet10t"


def test_what_is_typed_goes_before():
    cfg = resolve(make("model=probe", "trainer=gpu", "trainer.accelerator=cpu", "data.batch_size=8", "features=x"))
    assert (cfg["data"]["batch_size"], cfg["features"], cfg["trainer"]["max_epochs"]) == (8, "x", 30)
    assert resolve(make("model=probe", "trainer.max_epochs=3"))["trainer"]["max_epochs"] == 3


def test_each_encoder_has_weights_of_its_own(tmp_path):
    overrides = ["model=probe", "backbone=resnet18", MEMBER, "model.members.resnet.pretrained=true"]
    model = resolve(make(*overrides))["model"]
    assert [model["backbone"]["pretrained"], model["members"]["resnet"]["pretrained"]] == [False, True]
    assert find_notices(make(*overrides), overrides) == []


def test_random_and_frozen_encoders_are_no_errors():
    assert find_errors("pretrained=false") == []
    assert find_errors("backbone.frozen=true", MEMBER) == []


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["features=null"], ("conflict", "features")),
        (["data.augmentation={_target_:chexpert.data.Augmentation}"], ("conflict", "data.augmentation")),
        (["unfreeze_epoch=1"], ("conflict", "unfreeze_epoch")),
        (["backbone_lr_factor=0.1"], ("conflict", "backbone_lr_factor")),
        (["layer_decay=0.75"], ("conflict", "layer_decay")),
        (["backbone.pooling=pcam"], ("conflict", "backbone.pooling")),
        (["tta=flip"], ("conflict", "features, tta")),
        (["backbone.frozen=false"], ("conflict", "backbone.frozen")),
        ([MEMBER, "model.members.resnet.frozen=false"], ("conflict", "model.members.resnet.frozen")),
        (["model.hidden=0"], ("value", "model.hidden")),
        (["model.hidden=[128,-1]"], ("value", "model.hidden")),
        (["model.dropout=1"], ("value", "model.dropout")),
        (["+backbone@model.members.backbone=resnet18"], ("repeated", "model.members.backbone")),
        (["+model.members=resnet50"], ("value", "model.members")),
        (["+model.members.a=resnet50"], ("value", "model.members.a")),
    ],
)
def test_setting_that_contradicts_a_probe_is_one_error(overrides, error):
    assert find_errors(*overrides) == [error]
