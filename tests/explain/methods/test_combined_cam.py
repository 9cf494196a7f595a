"""Maps of a combined model: the part of each member, and their agreement."""

import copy

import numpy as np
import pytest
import torch

from chexpert.explain import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM
from chexpert.explain.methods.cam import mean_spearman
from chexpert.models import Backbone, Combined, Single

IMAGES = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LAST = [GradCAM(), HiResCAM(), LayerCAM(), EigenCAM()]
LINEAR = [*LAST, HiResCAM(stride=16), LayerCAM(stride=16)]  # in the gradient


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone("test_resnet").eval()


@pytest.fixture(scope="module")
def alone(backbone) -> Combined:
    """The member by itself, with the normalization before the classifier of a combined model."""
    torch.manual_seed(1)
    return Combined({"only": backbone}, outputs=2).eval()


@pytest.fixture(scope="module")
def twins(backbone, alone) -> Combined:
    """The same member twice, each with half of the weights."""
    model = Combined({"first": backbone, "second": copy.deepcopy(backbone)}, outputs=2).eval()
    model.classifier.weight.data = alone.classifier.weight.data.repeat(1, 2) / 2
    model.classifier.bias.data = alone.classifier.bias.data
    return model


def explain(explainer, model):
    return explainer(model, IMAGES, [[1]])[0][0]


def assert_same(ours, theirs, tolerance=1e-5):
    assert abs(theirs).max() > 0
    assert abs(ours - theirs).max() <= tolerance * abs(theirs).max()


@pytest.mark.parametrize("explainer", LINEAR, ids=lambda e: f"{e.name}-{e.stride}")
def test_two_equal_members_with_half_the_weights_equal_the_member(explainer, twins, alone):
    assert torch.allclose(twins(IMAGES), alone(IMAGES), atol=1e-6)
    both, one = explain(explainer, twins), explain(explainer, alone)
    assert_same(both.signed, one.signed)
    assert_same(both.members["first"], one.signed / 2)
    assert_same(both.members["second"], one.signed / 2)


def test_two_equal_members_equal_the_member_by_score_cam(twins, alone):
    both, one = explain(ScoreCAM(channels=8), twins), explain(ScoreCAM(channels=4), alone)
    assert_same(both.signed, one.signed, 1e-4)


def test_two_equal_members_exceed_the_member_by_grad_cam_plus_plus(twins, alone):
    both, one = explain(GradCAMPlusPlus(), twins), explain(GradCAMPlusPlus(), alone)
    assert (both.signed >= one.signed * (1 - 1e-5)).all()  # 1 / (2 + half) is more than half of 1 / (2 + whole)
    assert mean_spearman([both.signed, one.signed]) > 0.99


@pytest.mark.parametrize("explainer", [GradCAM(), HiResCAM(), EigenCAM()], ids=lambda e: e.name)
@pytest.mark.parametrize("combined", [True, False], ids=["combined", "single"])
def test_maps_add_up_to_the_logit_less_the_bias(explainer, combined, backbone):
    torch.manual_seed(4)
    members = {"coarse": backbone, "fine": Backbone("resnet10t", options={"output_stride": 8})}
    model = (Combined(members, outputs=2) if combined else Single(backbone, outputs=2)).eval()
    bias = (model.classifier if combined else model.head).bias
    (attributions,) = explainer(model, IMAGES, [[0, 1]])
    found = [attribution.signed.mean(dtype="float64") for attribution in attributions]  # maps are densities
    with torch.no_grad():
        assert found == pytest.approx((model(IMAGES)[0] - bias).tolist(), rel=1e-4)
    assert all(abs(own.mean()) > 1e-3 for attribution in attributions for own in attribution.members.values())


@pytest.mark.parametrize("explainer", LINEAR, ids=lambda e: f"{e.name}-{e.stride}")
def test_equal_members_equal_a_linearized_single_model(explainer, twins, alone, backbone):
    pooled = backbone(IMAGES).mean((2, 3)).detach().requires_grad_()
    normed = (pooled - pooled.mean()) / (pooled.detach().var(correction=0) + alone.norms["only"].eps).sqrt()
    (weights,) = torch.autograd.grad(alone.classifier(normed)[0, 1], pooled)
    single = Single(backbone, outputs=2).eval()
    single.head.weight.data[1] = weights[0]
    assert_same(explain(explainer, twins).signed, explain(explainer, single).signed)


@pytest.mark.parametrize("explainer", [*LINEAR, GradCAMPlusPlus()], ids=lambda e: f"{e.name}-{e.stride}")
def test_member_without_classifier_weights_has_a_zero_map(explainer, backbone):
    torch.manual_seed(2)
    model = Combined({"read": backbone, "ignored": Backbone("resnet10t").eval()}, outputs=2).eval()
    model.classifier.weight.data[:, backbone.width :] = 0
    attribution = explain(explainer, model)
    assert (attribution.members["ignored"] == 0).all()
    assert (attribution.signed == attribution.members["read"]).all()
    assert attribution.manifest["member_spearman"] is None


@pytest.mark.parametrize("explainer", [*LAST, GradCAMPlusPlus(), ScoreCAM(4)], ids=lambda e: e.name)
def test_members_of_different_grids_are_summed_and_described(explainer):
    torch.manual_seed(3)
    members = {
        "fine": Backbone("resnet10t", options={"output_stride": 8}),
        "tokens": Backbone("test_vit", options={"img_size": 64}),
    }
    attribution = explain(explainer, Combined(members, outputs=2))
    assert set(attribution.members) == {"fine", "tokens"}
    assert_same(attribution.signed, attribution.members["fine"] + attribution.members["tokens"])
    assert attribution.manifest["grid"] == [8, 8]
    assert attribution.manifest["layer"] == {
        "fine": "resnet10t.forward_features",
        "tokens": "test_vit.forward_features",
    }
    assert attribution.manifest["relu"] == {"fine": "after", "tokens": "none"}
    assert attribution.manifest["member_spearman"] == pytest.approx(mean_spearman(list(attribution.members.values())))
    assert attribution.disagreement.shape == (64, 64)


def test_mean_spearman_is_over_all_pairs():
    rising, falling, bent = np.array([[1, 2, 3]]), np.array([[9, 5, 1]]), np.array([[1, 3, 2]])
    assert mean_spearman([rising, falling, bent]) == pytest.approx((-1 + 0.5 - 0.5) / 3)


def test_single_model_has_no_member_maps(backbone):
    attribution = explain(GradCAM(), Single(backbone, outputs=2))
    assert attribution.members == {}
    assert attribution.disagreement is None
    assert "member_spearman" not in attribution.manifest
