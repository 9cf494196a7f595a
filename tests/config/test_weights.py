"""Public weights in the settings: what is filled in, and what contradicts a card."""

import inspect

import pytest
from helpers.configs import make
from helpers.errors import raises

from chexpert.config import resolve
from chexpert.data import CheXpertDataModule, Preprocessing
from chexpert.image_size import DEFAULT

RAD_DINO = ("pretrained=rad-dino", "backbone.name=vit_base_patch14_dinov2")
EVA_X = ("pretrained=eva-x-s", "backbone.name=eva02_small_patch14_224")
MEMBER = "model.members.densenet"


def test_the_default_size_is_that_of_the_data():
    assert inspect.signature(CheXpertDataModule).parameters["image_size"].default == DEFAULT.plain == 224
    assert Preprocessing().size == DEFAULT


def test_the_network_is_made_for_the_images_of_the_run():
    for setting, size in (("", 224), ("data.image_size=518", 518), ("data.image_size=[392,322]", [392, 322])):
        plain = resolve(make(*RAD_DINO, *filter(None, [setting])))
        assert plain["model"]["backbone"]["options"] == {"img_size": size}
        assert plain["backbone"] == plain["model"]["backbone"]


def test_the_options_of_a_card_stand_in_the_config_and_a_given_one_goes_before():
    plain = resolve(make(*EVA_X, "+backbone.options.drop_path_rate=0.1", "data.image_size=384"))
    assert plain["backbone"]["options"] == {
        "patch_size": 16,
        "ref_feat_shape": [14, 14],
        "global_pool": "token",
        "img_size": 384,
        "drop_path_rate": 0.1,
    }


def test_members_have_weights_of_their_own(tmp_path):
    settings = [f"{MEMBER}.pretrained=rad-dino", f"{MEMBER}.name=vit_base_patch14_dinov2", "pretrained=false"]
    members = resolve(make("model=combined", *settings))["model"]["members"]
    assert members["densenet"]["options"] == {"img_size": 224}
    assert "options" not in members["efficientnet"]


def test_a_network_without_patches_is_not_told_a_size(tmp_path):
    plain = resolve(make("pretrained=xrv-resnet50-all", "backbone.name=resnet50"))
    assert "options" not in plain["backbone"]


@pytest.mark.parametrize(
    ("overrides", "code", "where", "hint"),
    [
        (["pretrained=raddino"], "missing-file", "backbone.pretrained", "pretrained=rad-dino"),
        ([*RAD_DINO, "pretrained=rad-dino:/no/file"], "missing-file", "backbone.pretrained", "pretrained=true"),
        (["pretrained=rad-dino"], "other-weights", "backbone.name", "backbone.name=vit_base_patch14_dinov2"),
        (["pretrained=hf:MapleF/eva_x"], "ambiguous-weights", "backbone.pretrained", "pretrained=eva-x-s"),
        (["pretrained=hf:microsoft/rad-dino"], "other-weights", "backbone.name", "backbone.name=vit_base"),
        ([*RAD_DINO, "data.image_size=512"], "image-size", "data.image_size", "504 or data.image_size=518"),
        ([*RAD_DINO, "+backbone.mean=0.449"], "conflict", "backbone.mean", "the card has them"),
        ([*RAD_DINO, "+backbone.std=0.226"], "conflict", "backbone.std", "the card has them"),
        ([*EVA_X, "+backbone.options.patch_size=14"], "conflict", "backbone.options", "patch_size"),
        (
            ["model=combined", f"{MEMBER}.pretrained=rad-dino"],
            "other-weights",
            f"{MEMBER}.name",
            f"{MEMBER}.name=vit_base_patch14_dinov2",
        ),
    ],
)  # fmt: skip
def test_a_setting_that_contradicts_a_card_is_one_error(overrides, code, where, hint):
    with raises(code, where) as error:
        resolve(make(*overrides))
    assert hint in error.value.hint


def test_the_cards_own_mean_may_be_given():
    assert resolve(make(*RAD_DINO, "+backbone.mean=0.5307"))["backbone"]["mean"] == 0.5307
