"""Explainers tried on one image before data are read."""

import pytest

from chexpert.errors import UserError
from chexpert.explain import GradCAM, HiResCAM, Lime, try_explainers
from chexpert.models import Backbone, Single

SIZE = 64


@pytest.fixture
def make():
    """A small vision transformer whose stage may be spoiled."""

    def build(spoiled: bool) -> Single:
        backbone = Backbone("test_vit", options={"img_size": SIZE})
        if spoiled:
            backbone.net.blocks[-1].register_forward_hook(lambda module, inputs, output: (output, output))
            backbone.net.norm.register_forward_pre_hook(lambda module, inputs: inputs[0][0])
        return Single(backbone, 1)

    return build


def test_explainers_that_explain_the_model_pass(make):
    try_explainers(make(False), {"hirescam": HiResCAM(stride=16), "gradcam": GradCAM(), "lime": Lime()}, SIZE)


def test_a_stage_that_gives_no_map_is_refused_with_what_works(make):
    with pytest.raises(UserError) as caught:
        try_explainers(make(True), {"fine": HiResCAM(stride=16), "coarse": GradCAM()}, SIZE)
    assert "fine: test_vit.blocks.5 puts out several maps" in caught.value.message
    assert "coarse" not in caught.value.message
    assert "explainer.fine.stride=null" in caught.value.hint
    assert "explainer=[gradcam,hirescam," in caught.value.hint


def test_a_stage_that_is_not_there_is_told_with_the_others(make):
    with pytest.raises(UserError) as caught:
        try_explainers(make(True), {"a": HiResCAM(stride=16), "b": GradCAM(stride=4)}, SIZE)
    assert "a: " in caught.value.message
    assert "b: test_vit has no stage of stride 4" in caught.value.message


def test_a_map_of_one_cell_is_refused_and_what_reads_no_map_works(make):
    model = make(False)
    model.members["backbone"].net.forward_features = lambda images: images.mean((2, 3)).expand(-1, 64)[:, :, None, None]
    with pytest.raises(UserError) as caught:
        try_explainers(model, {"gradcam": GradCAM()}, SIZE)
    assert "64 x 1 x 1" in caught.value.message
    assert "explainer=[lime,occlusion,rise,integrated_gradients]" in caught.value.hint
