"""The depth of each weight below the classifier."""

import pytest
import timm
from helpers.errors import raises
from timm.optim import param_groups_layer_decay
from torch import nn

from chexpert.models import Backbone
from chexpert.models.layers import find_depths

DEPTH = 3


def by_hand_of_the_vit(key):
    """Stem, three blocks, and a norm that belongs to the last block."""
    if key.startswith("blocks."):
        return DEPTH - int(key.split(".")[1])
    return 1 if key.startswith("norm.") else DEPTH + 1


def test_depths_of_a_vit_are_those_by_hand():
    backbone = Backbone("test_vit", options={"img_size": 64, "depth": DEPTH})
    depths = backbone.find_depths()
    assert set(depths) == {key for key, _ in backbone.named_parameters()}
    assert {key: by_hand_of_the_vit(key.removeprefix("net.")) for key in depths} == depths
    assert depths["net.cls_token"] == depths["net.pos_embed"] == depths["net.patch_embed.proj.weight"] == 4


def test_depths_of_a_densenet_are_those_by_hand():
    net = timm.create_model("densenet121", block_config=(2, 1), growth_rate=4, num_classes=0)
    expected = {"conv0": 4, "norm0": 4, "denseblock1.denselayer1": 3, "denseblock1.denselayer2": 2, "transition1": 2,
                "denseblock2.denselayer1": 1, "norm5": 0}  # fmt: skip
    depths = find_depths(net, "densenet121")
    for start, depth in expected.items():
        own = {value for key, value in depths.items() if key.startswith(f"features.{start}.")}
        assert own == {depth}, start


@pytest.mark.parametrize(
    "name", ["test_vit", "test_resnet", "test_convnext", "test_efficientnet", "vgg11", "test_nfnet"]
)
def test_depths_are_the_exponents_of_timm_for_the_network_with_its_head(name):
    options = {"mlp_ratio": 0.01} if name == "vgg11" else {}
    whole = timm.create_model(name, num_classes=5, **options)
    groups = param_groups_layer_decay(whole, layer_decay=0.5, weight_decay=0)
    scales = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    depths = find_depths(timm.create_model(name, num_classes=0, **options), name)
    for key, weights in whole.named_parameters():
        if key in depths and "pre_logits" not in key:
            assert 0.5 ** depths[key] == scales[id(weights)], key


def test_network_without_layers_is_an_error():
    with raises("conflict", "layer_decay"):
        find_depths(nn.Linear(2, 2), "mine")
