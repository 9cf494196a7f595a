"""Maps of models that are not pooled by the mean, against answers in closed form."""

import numpy as np
import pytest
import torch
from helpers.errors import raises
from torch import nn

from chexpert.explain import (
    EigenCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    IntegratedGradients,
    LayerCAM,
    Occlusion,
    ScoreCAM,
)
from chexpert.explain.explainer_check import try_explainers
from chexpert.image_size import ImageSize
from chexpert.metrics.localization.overlap import upsample
from chexpert.models import Backbone, Combined, Single

IMAGES = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
OPTIONS = {"img_size": 64, "depth": 2}
CAMS = [GradCAM(), HiResCAM(), GradCAMPlusPlus(), LayerCAM(), EigenCAM(), ScoreCAM(channels=4)]
POOLINGS = ["avg", "max", "lse", "pcam", "cls", "cls+avg"]


def make(pooling: str, outputs: int = 2) -> Single:
    torch.manual_seed(0)
    return Single(Backbone("test_vit", options=OPTIONS, pooling=pooling), outputs).eval()


def make_even(pooling: str) -> Single:
    """The last block hands the class token the mean of all tokens that its attention reads, and changes no patch."""
    model = make(pooling)
    block, width = model.members["backbone"].net.blocks[-1], model.members["backbone"].net.num_features
    with torch.no_grad():
        block.attn.qkv.weight.zero_()  # no query and no key: every token has the same weight
        block.attn.qkv.bias.zero_()
        block.attn.qkv.weight[2 * width :] = torch.eye(width)
        block.attn.proj.weight.copy_(torch.eye(width))
        block.attn.proj.bias.zero_()
    block.mlp = nn.Identity()
    block.drop_path2 = Zero()
    model.members["backbone"].net.norm = nn.Identity()
    return model


class Zero(nn.Module):
    def forward(self, values):
        return torch.zeros_like(values)


def read(model: Single, module: nn.Module) -> torch.Tensor:
    """Output of a module, (N, K) of the only image."""
    outputs = []
    hook = module.register_forward_hook(lambda module, inputs, output: outputs.append(output[0].detach()))
    with torch.no_grad():
        model(IMAGES)
    hook.remove()
    return outputs[0]


def enlarge(cells: torch.Tensor) -> np.ndarray:
    return upsample(cells.detach().reshape(1, 4, 4), 64, 64)[0].numpy()


def explain(explainer, model, output=1) -> np.ndarray:
    return explainer(model, IMAGES, [[output]])[0][0].signed


@pytest.mark.parametrize(
    "explainer", [GradCAM(), HiResCAM(), HiResCAM(stride=16)], ids=lambda e: f"{e.name}-{e.stride}"
)
def test_class_token_that_is_a_mean_has_the_map_of_its_terms(explainer):
    model = make_even("cls")
    terms = read(model, model.members["backbone"].net.blocks[-1].norm1) @ model.head.weight[1]
    expected = enlarge(terms[1:] * 16 / 17)  # of 17 tokens 16 are patches; a map is a density over its 16 cells
    np.testing.assert_allclose(explain(explainer, model), expected, atol=1e-6)


def test_class_token_beside_the_mean_adds_both_maps():
    model = make_even("cls+avg")
    net, (token, mean) = model.members["backbone"].net, model.head.weight[1].split(64)
    terms = read(model, net.blocks[-1].norm1) @ token
    expected = enlarge(terms[1:] * 16 / 17 + read(model, net.blocks[-1])[1:] @ mean)
    for explainer in (GradCAM(), HiResCAM()):
        np.testing.assert_allclose(explain(explainer, model), expected, atol=1e-6)


def test_class_token_without_weight_leaves_the_map_of_the_mean():
    both, mean = make("cls+avg"), make("avg")
    mean.members["backbone"].load_state_dict(both.members["backbone"].state_dict())
    with torch.no_grad():
        both.head.weight[:, :64] = 0
        mean.head.weight.copy_(both.head.weight[:, 64:])
    for explainer in (GradCAM(), HiResCAM(), LayerCAM()):
        np.testing.assert_allclose(explain(explainer, both), explain(explainer, mean), atol=1e-6)


def test_gradient_of_the_class_token_is_the_numerical_one():
    model = make("cls").double()
    maps, logits = model.trace(IMAGES)
    (gradient,) = torch.autograd.grad(logits[0, 0], maps["backbone"])
    attention, step = model.members["backbone"].net.blocks[-1].attn, 1e-5

    def logit(sign: int) -> float:
        def push(module, args):
            tokens = args[0].clone()
            tokens[0, 1 + 6, 3] += sign * step  # row 1, column 2
            return tokens, *args[1:]

        hook = attention.register_forward_pre_hook(push)
        try:
            with torch.no_grad():
                return model(IMAGES)[0, 0].item()
        finally:
            hook.remove()

    assert gradient[0, 3, 1, 2].item() == pytest.approx((logit(1) - logit(-1)) / (2 * step), rel=1e-6)
    assert gradient[0, 3, 1, 2].item() != 0


@pytest.mark.parametrize("pooling", POOLINGS)
def test_traced_logits_are_those_of_the_model(pooling):
    model = make(pooling)
    for stride in (None, 16):
        _, logits = model.trace(IMAGES, stride)
        torch.testing.assert_close(logits, model(IMAGES))
    backbones = {"first": make(pooling).members["backbone"], "second": Backbone("test_resnet", pooling="lse")}
    combined = Combined(backbones, 2).eval()
    torch.testing.assert_close(combined.trace(IMAGES)[1], combined(IMAGES))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_explainer_has_a_map_of_every_pooling(pooling):
    explainers = {
        **{one.name: one for one in CAMS},
        "hirescam": HiResCAM(stride=None),
        "occlusion": Occlusion(),
        "integrated_gradients": IntegratedGradients(),
    }
    model = make(pooling)
    try_explainers(model, explainers, ImageSize(64, 64))
    for explainer in CAMS:
        signed = explain(explainer, model)
        assert signed.shape == (64, 64)
        assert abs(signed).max() > 1e-4


@pytest.mark.parametrize("pooling", ["max", "pcam"])
def test_map_of_a_linear_pooling_adds_up_to_the_logit_less_the_bias(pooling):
    model = make(pooling)
    maps, logits = model.trace(IMAGES)
    (gradient,) = torch.autograd.grad(logits[0, 0], maps["backbone"])
    total = (gradient * maps["backbone"].detach()).sum().item()
    assert total == pytest.approx((logits[0, 0] - model.head.bias[0]).item(), abs=1e-5)


def test_grad_cam_of_pcam_is_the_map_of_the_classifier():
    model = make("pcam")
    cells = model.feature_maps(IMAGES)["backbone"].detach()[0].flatten(1).T @ model.head.weight[1]
    np.testing.assert_allclose(explain(GradCAM(), model), enlarge(cells), atol=1e-5)


@pytest.mark.parametrize("stride", [None, 16])
def test_hirescam_of_a_transformer_adds_up_to_the_logit_whichever_name_its_last_map_has(stride):
    model = make("avg")
    attribution = HiResCAM(stride=stride)(model, IMAGES, [[1]])[0][0]
    assert attribution.manifest["layer"] == {"backbone": "test_vit.forward_features"}
    logit = (model(IMAGES)[0, 1] - model.head.bias[1]).item()
    assert attribution.signed.mean() == pytest.approx(logit, rel=1e-3)


def test_hirescam_of_pcam_is_that_map_weighted_by_the_probability():
    model = make("pcam")
    cells = model.feature_maps(IMAGES)["backbone"].detach()[0].flatten(1).T @ model.head.weight[1]
    attention = torch.sigmoid(cells + model.head.bias[1])
    np.testing.assert_allclose(explain(HiResCAM(), model), enlarge(16 * cells * attention / attention.sum()), atol=1e-5)


def test_combined_model_takes_the_map_of_each_member_where_its_pooling_reads():
    torch.manual_seed(0)
    members = {"vit": Backbone("test_vit", options=OPTIONS, pooling="cls"), "cnn": Backbone("test_resnet")}
    model = Combined(members, 2).eval()
    (attribution,) = GradCAM()(model, IMAGES, [[0]])[0]
    assert attribution.manifest["layer"] == {
        "vit": "test_vit.blocks.1.attn",
        "cnn": "test_resnet.forward_features",
    }
    assert all(abs(own).max() > 1e-4 for own in attribution.members.values())


def test_transformer_whose_attention_is_hidden_names_the_explainers_that_work():
    model = Single(Backbone("test_vit", options=OPTIONS, pooling="cls"), 1).eval()
    for block in model.members["backbone"].net.blocks:
        block.attention = block.attn
        block.forward = lambda x, block=block, **_: x + block.attention(block.norm1(x))
        del block.attn
    with raises("explainer", "explainer") as error:
        try_explainers(model, {"gradcam": GradCAM()}, ImageSize(64, 64))
    assert "explainer=[lime,occlusion,rise,integrated_gradients]" in error.value.hint
