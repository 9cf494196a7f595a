"""The side of its activation on which a feature map is read. No later operation changes the map."""

from functools import cache

import pytest
import torch
from helpers.errors import raises
from torch import nn
from torch.nn.functional import avg_pool2d, hardswish, max_pool2d, relu

from chexpert.models import Backbone, Combined, Single
from chexpert.models.activation import ActivationWatch

IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

# of the last map and of the last map of stride 16, as the sources in timm have them
SIDES = {
    "resnet18": ("after", "after"),  # layer4 ends in act2
    "densenet121": ("after", "before"),  # norm5 has a ReLU; denseblock3 concatenates, its transition begins with one
    "efficientnet_b0": ("after", "none"),  # bn2 behind conv_head has SiLU; a linear bottleneck, then a convolution
    "mnasnet_small": ("after", "none"),
    "vgg11": ("after", "after"),  # a maximum of a ReLU's output
    "resnetv2_18": ("after", "before"),  # the last norm has a ReLU; blocks begin with norm and ReLU
    "test_convnext": ("none", "none"),  # a sum of the last block and its shortcut, then pooling
    "test_vit": ("none", "none"),  # a LayerNorm
}


@cache
def make(name: str) -> Backbone:
    torch.manual_seed(0)
    options = {"test_vit": {"img_size": 64}, "vgg11": {"mlp_ratio": 0.01}}  # VGG's layers behind the map take seconds
    return Backbone(name, options=options.get(name)).eval()


@pytest.mark.parametrize(("name", "sides"), SIDES.items())
def test_activation_side_of_known_networks(name, sides):
    assert (make(name).activation_side(IMAGES), make(name).activation_side(IMAGES, 16)) == sides


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "mnasnet_small", "vgg11", "resnetv2_18"])
@pytest.mark.parametrize("stride", [None, 16])
def test_only_a_map_after_a_relu_has_no_negative_values(name, stride):
    backbone = make(name)
    with torch.no_grad():
        values = backbone(IMAGES) if stride is None else backbone.tap(IMAGES, stride)[0]
    assert bool((values >= 0).all()) == (backbone.activation_side(IMAGES, stride) == "after")


@pytest.mark.parametrize(
    ("make_map", "read", "side"),
    [
        (relu, avg_pool2d, "after"),
        (hardswish, avg_pool2d, "after"),
        (lambda x, _=0: relu(x).permute(0, 2, 3, 1).contiguous().flatten(1, 2), lambda x, _: x + 1, "after"),
        (lambda x: max_pool2d(relu(x), 2), avg_pool2d, "after"),
        (lambda x: relu(x) + x, avg_pool2d, "none"),
        (torch.neg, lambda x, _: relu(x), "before"),
        (torch.neg, lambda x, _: x.relu_(), "before"),
        (torch.neg, lambda x, _: relu(nn.BatchNorm2d(2).eval()(max_pool2d(x, 2))), "before"),
        (torch.neg, lambda x, _: relu(nn.Conv2d(2, 2, 1)(x)), "none"),
        (torch.neg, lambda x, _: relu(x + 1), "none"),
    ],
)
def test_activation_side_follows_from_the_operations(make_map, read, side):
    with torch.no_grad(), ActivationWatch() as watch:
        made = make_map(torch.randn(1, 2, 4, 4))
        watch.follow(made)
        read(made, 2)
    assert watch.side == side


class InPlace(nn.Module):
    """A network like torchvision's DenseNet: the operation after its stage works in place."""

    feature_info = [{"reduction": 2, "module": "stage"}]
    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.stage = nn.Conv2d(1, 3, 2, 2)

    def forward_features(self, images):
        return self.stage(images).relu_() * 2


@pytest.fixture
def in_place() -> Backbone:
    backbone = Backbone("test_resnet")
    backbone.net = InPlace()
    return backbone.eval()


def test_in_place_operations_change_neither_map_nor_gradient(in_place):
    expected = in_place.net.stage((IMAGES / 255 - in_place.mean) / in_place.std).detach()
    tapped, last = in_place.tap(IMAGES, 2)
    (gradient,) = torch.autograd.grad(last.sum(), tapped)
    assert torch.equal(tapped, expected)
    assert tapped.min() < 0
    assert torch.equal(last, expected.relu() * 2)
    assert torch.equal(gradient, (expected > 0) * 2.0)
    assert in_place.activation_side(IMAGES, 2) == "before"


@pytest.mark.parametrize("name", [name for name in SIDES if name != "test_vit"])  # of which the last map is read
def test_tapped_map_equals_the_output_of_the_stage(name):
    backbone, seen = make(name), []
    stage = backbone.net.get_submodule(backbone.layer_at(16).split(".", 1)[1])
    hook = stage.register_forward_hook(lambda module, inputs, output: seen.append(output.clone()))
    with torch.no_grad():
        tapped, last = backbone.tap(IMAGES, 16)
        whole = backbone(IMAGES)
    hook.remove()
    assert torch.equal(tapped, seen[0])
    assert torch.equal(last, whole)


@pytest.mark.parametrize("stride", [None, 16])
def test_traced_logits_equal_those_of_the_model(stride):
    model = Combined({"a": make("densenet121"), "b": make("test_vit")}, outputs=2).eval()
    maps, logits = model.trace(IMAGES, stride)
    kept = {name: value.clone() for name, value in maps.items()}
    logits.sum().backward()
    assert torch.equal(logits, model(IMAGES))
    assert all(torch.equal(kept[name], value) for name, value in maps.items())


def test_missing_stage_is_an_error_with_the_known_strides():
    with raises("feature-map", "explainer.*.stride") as error:
        Single(make("resnet18"), 1).trace(IMAGES, 5)
    assert "5" in error.value.message
    assert "2, 4, 8, 16, 32" in error.value.hint
