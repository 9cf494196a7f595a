"""The precision of a device and a network."""

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
def test_cpu_uses_bfloat16_only_if_it_supports_it(monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert native_precision("cpu") == precision


def test_missing_gpu_means_float32(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert native_precision("gpu") == "32-true"


@pytest.mark.parametrize(
    ("name", "precision"),
    [("resnet10t", "bf16-mixed"), ("convnext_atto", "bf16-mixed"), ("mnasnet_small", "32-true")],
)
def test_wide_depthwise_convolutions_use_float32_on_a_cpu(monkeypatch, name, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_precision(Backbone(name)) == precision


def test_depthwise_share_is_over_all_output_channels():
    layers = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1, groups=2), nn.Linear(8, 4), nn.Conv2d(1, 4, 3)
    )
    assert depthwise_share(layers) == 4 / 20


def test_combined_model_has_one_depthwise_share():
    members = {"wide": Backbone("mnasnet_small"), "dense": Backbone("resnet10t")}
    assert 0 < depthwise_share(Combined(members, 5)) < depthwise_share(members["wide"])
