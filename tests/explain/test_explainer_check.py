"""Explainers tried on one image before data are read."""

import pytest
from helpers.errors import raises

from chexpert.explain import GradCAM, HiResCAM, Lime, try_explainers
from chexpert.image_size import ImageSize
from chexpert.models import Backbone, Single

SIZE = ImageSize(64, 64)


@pytest.fixture
def make():
    """A small network; if spoiled, its stage of 16 pixels a cell has two maps."""

    def build(spoiled: bool) -> Single:
        backbone = Backbone("test_resnet")
        if spoiled:
            backbone.net.layer3.register_forward_hook(lambda module, inputs, output: (output, output))
            backbone.net.layer4.register_forward_pre_hook(lambda module, inputs: inputs[0][0])
        return Single(backbone, 1)

    return build


def test_working_explainers_pass(make):
    try_explainers(make(False), {"hirescam": HiResCAM(stride=16), "gradcam": GradCAM(), "lime": Lime()}, SIZE)


def test_stage_without_a_map_is_an_error_with_working_explainers(make):
    with raises("explainer", "explainer") as error:
        try_explainers(make(True), {"fine": HiResCAM(stride=16), "coarse": GradCAM()}, SIZE)
    assert "fine: test_resnet.layer3" in error.value.message
    assert "coarse" not in error.value.message
    assert "explainer.fine.stride=null" in error.value.hint
    assert "explainer=[gradcam,hirescam," in error.value.hint


def test_all_failing_explainers_are_in_one_error(make):
    with raises("explainer", "explainer") as error:
        try_explainers(make(True), {"a": HiResCAM(stride=16), "b": GradCAM(stride=3)}, SIZE)
    assert "a: test_resnet" in error.value.message
    assert "b: test_resnet" in error.value.message
    assert "stride 3" in error.value.message


def test_map_of_one_cell_is_an_error_with_explainers_without_maps(make):
    model = make(False)
    model.members["backbone"].net.forward_features = lambda images: images.mean((2, 3)).expand(-1, 96)[:, :, None, None]
    with raises("explainer", "explainer") as error:
        try_explainers(model, {"gradcam": GradCAM()}, SIZE)
    assert "96 x 1 x 1" in error.value.message
    assert "explainer=[lime,occlusion,rise,integrated_gradients]" in error.value.hint
