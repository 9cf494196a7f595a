"""Sizes of images at which a network would not see all of them."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from chexpert.engine.build import check_input
from chexpert.errors import UserError
from chexpert.models import Backbone, Combined, Single, fitting_sizes

SWIN = {"img_size": 66, "embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2)}
QUICK = ("densenet121", "efficientnet_b0", "mnasnet_100", "resnet10t", "resnet18")
CONFIGURED = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "backbone").glob("*.yaml"))


@pytest.mark.parametrize(("size", "cell", "fits"), [(320, 14, [308, 322]), (330, 32, [320, 352]), (10, 14, [14])])
def test_the_sizes_that_fit_are_the_next_multiples_of_a_cell(size, cell, fits):
    assert fitting_sizes(size, cell) == fits


@pytest.mark.parametrize(
    ("name", "options", "hint"),
    [
        ("vit_small_patch14_dinov2", {"img_size": 96, "depth": 1}, "data.image_size=84 +backbone.options.img_size=84"),
        ("vit_small_patch14_dinov2", {"img_size": 96, "depth": 1}, "data.image_size=98 +backbone.options.img_size=98"),
        ("swin_tiny_patch4_window7_224", SWIN, "data.image_size=64 +backbone.options.img_size=64"),
        ("mixer_s32_224", {"img_size": 80}, "data.image_size=96 +backbone.options.img_size=96"),
    ],
)
def test_patches_that_do_not_fill_an_image_are_refused_with_sizes_that_fit(name, options, hint):
    size = options["img_size"]
    with pytest.raises(UserError) as caught:
        Backbone(name, options=options)(torch.zeros(1, 1, size, size))
    assert hint in caught.value.hint


def test_an_image_that_timm_would_pad_is_refused():
    backbone = Backbone("test_vit", options={"img_size": 64, "dynamic_img_size": True, "dynamic_img_pad": True})
    with pytest.raises(UserError, match=r"data.image_size=64 .*data.image_size=80 "):
        backbone(torch.zeros(1, 1, 70, 70))


def test_a_network_that_leaves_the_last_row_out_is_refused_with_sizes_that_fit():
    with pytest.raises(UserError) as caught:
        check_input(Single(Backbone("test_convnext"), 1), 65)
    assert (caught.value.where, caught.value.hint) == ("data.image_size", "data.image_size=64 or data.image_size=96")


@pytest.mark.parametrize("ending", ["taken", "blind", "refused"])
def test_the_model_stays_in_its_modes_whatever_comes_of_the_size(ending, monkeypatch):
    model = Single(Backbone("test_convnext"), 1)
    model.head.eval()
    modes = [module.training for module in model.modules()]
    if ending == "refused":
        monkeypatch.setattr(model, "forward", lambda images: 1 / 0)
    with nullcontext() if ending == "taken" else pytest.raises(UserError):
        check_input(model, 65 if ending == "blind" else 64)
    assert [module.training for module in model.modules()] == modes


def test_of_a_combined_model_the_member_that_leaves_rows_out_is_named():
    with pytest.raises(UserError, match=r"never seen by test_convnext\n"):
        check_input(Combined({"a": Backbone("resnet10t"), "b": Backbone("test_convnext")}, 1), 65)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CONFIGURED]
)
def test_a_network_of_the_config_sees_the_last_row_and_column(name):
    check_input(Single(Backbone(name), 1), 64)
