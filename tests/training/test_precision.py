import pytest
import torch
from torch import nn

from chexpert.models import Backbone, Combined
from chexpert.training import choose_precision, native_precision
from chexpert.training.precision import depthwise_share


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"amx_bf16": True}, "bf16-mixed"), ({"avx512_bf16": True}, "bf16-mixed"), ({"avx2": True}, "32-true")],
)
def test_a_cpu_computes_in_bfloat16_only_where_it_has_it(monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert native_precision("cpu") == precision


def test_an_accelerator_that_is_not_there_leaves_float32(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert native_precision("gpu") == "32-true"


@pytest.mark.parametrize(
    ("name", "precision"),
    [("resnet10t", "bf16-mixed"), ("convnext_atto", "bf16-mixed"), ("mnasnet_small", "32-true")],
)
def test_a_network_of_wide_depthwise_convolutions_computes_in_float32_on_a_cpu(monkeypatch, name, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_precision(Backbone(name)) == precision


def test_the_share_of_depthwise_channels_is_over_all_that_layers_put_out():
    layers = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1, groups=2), nn.Linear(8, 4), nn.Conv2d(1, 4, 3)
    )
    assert depthwise_share(layers) == 4 / 20


def test_a_combined_model_is_judged_as_a_whole():
    members = {"wide": Backbone("mnasnet_small"), "dense": Backbone("resnet10t")}
    assert 0 < depthwise_share(Combined(members, 5)) < depthwise_share(members["wide"])
