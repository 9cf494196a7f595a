"""Sizes of images at which a network would not see all of them."""

import re
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from helpers.errors import raises

from chexpert.engine.build import check_input
from chexpert.errors import UserError
from chexpert.models import Backbone, Combined, Single, fitting_sizes

SWIN = {"img_size": 66, "embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}
QUICK = ("densenet121", "efficientnet_b0", "mnasnet_100", "resnet10t", "resnet18")
CONFIGURED = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "backbone").glob("*.yaml"))


@pytest.mark.parametrize(("size", "cell", "fits"), [(320, 14, [308, 322]), (330, 32, [320, 352]), (10, 14, [14])])
def test_fitting_sizes_are_the_next_multiples_of_a_cell(size, cell, fits):
    assert fitting_sizes(size, cell) == fits


@pytest.mark.parametrize(
    ("name", "options", "size", "fits"),
    [
        ("vit_small_patch14_dinov2", {"img_size": 96, "depth": 1}, 96, (84, 98)),
        ("swin_tiny_patch4_window7_224", SWIN, 66, (64,)),
        ("mixer_s32_224", {"img_size": 80}, 80, (96,)),
        # timm would pad the image
        ("test_vit", {"img_size": 64, "dynamic_img_size": True, "dynamic_img_pad": True}, 70, (64, 80)),
    ],
)
def test_patches_that_do_not_fill_an_image_are_an_error(name, options, size, fits):
    with raises("image-size", "data.image_size") as error:
        Backbone(name, options=options)(torch.zeros(1, 1, size, size))
    for fit in fits:
        assert f"data.image_size={fit} +backbone.options.img_size={fit}" in error.value.hint


@pytest.mark.parametrize("combined", [False, True])
def test_network_that_never_sees_the_last_row_is_an_error(combined):
    blind = Backbone("test_convnext")
    with raises("image-size", "data.image_size") as error:
        check_input(Combined({"a": Backbone("resnet10t"), "b": blind}, 1) if combined else Single(blind, 1), 65)
    assert "test_convnext" in error.value.message
    assert "resnet10t" not in error.value.message
    assert re.findall(r"data\.image_size=(\d+)", error.value.hint) == ["64", "96"]


@pytest.mark.parametrize("ending", ["accepted", "blind", "failed"])
def test_input_check_restores_the_modes_of_the_model(ending, monkeypatch):
    model = Single(Backbone("test_convnext"), 1)
    model.head.eval()
    modes = [module.training for module in model.modules()]
    if ending == "failed":
        monkeypatch.setattr(model, "forward", lambda images: 1 / 0)
    with nullcontext() if ending == "accepted" else pytest.raises(UserError):
        check_input(model, 65 if ending == "blind" else 64)
    assert [module.training for module in model.modules()] == modes


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CONFIGURED]
)
def test_configured_backbone_sees_the_last_row_and_column(name):
    check_input(Single(Backbone(name), 1), 64)
