"""Sizes of images at which a network would not see all of them."""

import json
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from helpers.errors import raises

from chexpert.engine.input_check import check_input
from chexpert.errors import UserError
from chexpert.image_size import ImageSize
from chexpert.models import Backbone, Combined, Single, fitting_sizes

SWIN = {"img_size": 66, "embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}
QUICK = ("densenet121", "efficientnet_b0", "mnasnet_100", "resnet10t", "resnet18")
CONFIGURED = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "backbone").glob("*.yaml"))


@pytest.mark.parametrize(
    ("size", "cell", "fits"),
    [
        (320, (14, 14), [308, 322]),
        (330, (32, 32), [320, 352]),
        (10, (14, 14), [14]),
        ([320, 390], (14, 14), [[308, 378], [322, 392]]),
        ([320, 392], (14, 14), [[308, 392], [322, 392]]),  # a side that fits stays
        ([392, 10], (14, 14), [[392, 14]]),
        ([60, 50], (16, 8), [[48, 48], [64, 56]]),
        (64, (32, 32), [64]),
    ],
)
def test_fitting_sizes_are_the_next_multiples_of_a_cell(size, cell, fits):
    assert fitting_sizes(ImageSize.of(size), cell) == [ImageSize.of(fit) for fit in fits]


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


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        ((320, 390), ("[308,378]", "[322,392]")),
        ((320, 392), ("[308,392]", "[322,392]")),
        ((322, 390), ("[322,378]", "[322,392]")),
    ],
)
def test_hints_of_patches_that_do_not_fill_a_rectangle_name_both_sides(size, fits):
    options = {"img_size": size, "embed_dim": 12, "num_heads": 1, "depth": 1}
    with raises("image-size", "data.image_size") as error:
        Backbone("vit_small_patch14_dinov2", options=options)(torch.zeros(1, 1, *size))
    assert re.findall(r"data\.image_size=(\S+) \+backbone\.options\.img_size=(\S+)", error.value.hint) == [
        (fit, fit) for fit in fits
    ]
    assert f"{size[0]} x {size[1]}" in error.value.message


@pytest.mark.parametrize(
    ("sides", "words", "fits"),
    [
        ((65, 64), "row", ["[64,64]", "[96,64]"]),
        ((64, 65), "column", ["[64,64]", "[64,96]"]),
        ((65, 97), "row and column", ["[64,96]", "[96,128]"]),
    ],
)
def test_network_that_never_sees_the_edge_of_a_rectangle_is_an_error(sides, words, fits):
    with raises("image-size", "data.image_size") as error:
        check_input(Single(Backbone("test_convnext"), 1), ImageSize(*sides))
    assert f"last {words} of" in error.value.message
    assert re.findall(r"data\.image_size=(\S+)", error.value.hint) == [fit.replace("[64,64]", "64") for fit in fits]


@pytest.mark.parametrize("sides", [(224, 160), (192, 192)])
def test_hint_of_a_network_that_is_made_for_a_size_is_the_option_that_works(sides):
    size = ImageSize(*sides)
    with raises("image-size", "data.image_size") as error:
        check_input(Single(Backbone("pit_ti_224"), 1), size)
    assert error.value.hint == f"data.image_size={size.setting} +backbone.options.img_size={size.setting}"
    check_input(Single(Backbone("pit_ti_224", options={"img_size": size.plain}), 1), size)


CONVIT = {"embed_dim": 16, "num_heads": 4, "depth": 2, "local_up_to_layer": 1}


@pytest.mark.parametrize("combined", [False, True])
@pytest.mark.parametrize("made_for", [{}, {"img_size": [96, 64]}])
def test_network_that_takes_only_squares_is_named(made_for, combined):
    square = Backbone("convit_tiny", options=CONVIT | made_for)
    model = Combined({"a": Backbone("resnet10t"), "b": square}, 1) if combined else Single(square, 1)
    with raises("image-size", "data.image_size") as error:
        check_input(model, ImageSize(96, 64))
    assert "convit_tiny" in error.value.message
    assert "square" in error.value.message
    assert "resnet10t" not in error.value.message
    place = "model.members.b" if combined else "backbone"
    hints = re.findall(rf"data\.image_size=(\S+) \+{place}\.options\.img_size=(\S+?),? ", error.value.hint)
    assert hints == [("64", "64"), ("96", "96")]
    for side in (64, 96):
        check_input(Single(Backbone("convit_tiny", options=CONVIT | {"img_size": side}), 1), ImageSize(side, side))


def test_hint_of_an_edge_that_is_never_seen_names_only_sizes_that_were_seen():
    model = Single(Backbone("convmixer_768_32"), 1)
    with raises("image-size", "data.image_size") as error:
        check_input(model, ImageSize(70, 65))
    fits = re.findall(r"data\.image_size=(\S+)", error.value.hint)
    assert fits == ["[70,63]", "70"]
    for fit in fits:
        check_input(model, ImageSize.of(json.loads(fit)))


@pytest.mark.parametrize("combined", [False, True])
def test_network_that_never_sees_the_last_row_is_an_error(combined):
    blind = Backbone("test_convnext")
    with raises("image-size", "data.image_size") as error:
        check_input(
            Combined({"a": Backbone("resnet10t"), "b": blind}, 1) if combined else Single(blind, 1), ImageSize(65, 65)
        )
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
        check_input(model, ImageSize.of(65 if ending == "blind" else 64))
    assert [module.training for module in model.modules()] == modes


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CONFIGURED]
)
def test_configured_backbone_sees_the_last_row_and_column(name):
    check_input(Single(Backbone(name), 1), ImageSize(64, 64))
