"""Frozen encoders, standardized features, a linear head or an MLP."""

import math

import pytest
import torch
from torch import nn

from chexpert.explain import GradCAM
from chexpert.models import Backbone, Probe
from chexpert.models.backbone import Backbone as Base


class Fixed(Base):
    """An encoder whose map has the image's mean times these numbers, in two cells that differ by 2."""

    def __init__(self, *values):
        nn.Module.__init__(self)
        self.width, self.values, self.frozen, self.name = len(values), torch.tensor(values), False, "fixed"
        self.pooling, self.sharpness = "avg", 10
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images):
        means = images.float().mean((1, 2, 3))[:, None] * self.values * self.weight
        return torch.stack([means - 1, means + 1], dim=2)[:, :, None]

    def to_map(self, features, size):
        return features

    def layer_at(self, stride=None):
        return "fixed"

    def activation_side(self, images, stride=None):
        return "none"


IMAGES = torch.tensor([1, 3], dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2)


@pytest.fixture
def probe():
    """Two encoders of widths 2 and 1, and one output, whose weights are 1, 2 and 3."""
    model = Probe(Fixed(1.0, 10.0), 1, {"other": Fixed(-1.0)}).eval()
    model.standardize(torch.tensor([2.0, 20.0, -2.0]), torch.tensor([1.0, 10.0, 0.5]))
    model.head.weight.data = torch.tensor([[1.0, 2.0, 3.0]])
    return model


def test_head_reads_standardized_features_side_by_side(probe):
    # features (1, 10, -1) and (3, 30, -3) are (-1, -1, 2) and (1, 1, -2) standard deviations
    assert probe(IMAGES)[:, 0].tolist() == [-1 - 2 + 6, 1 + 2 - 6]


def test_features_give_the_exact_logits_of_their_images(probe):
    assert torch.equal(probe(probe.pool(IMAGES)), probe(IMAGES))


def test_encoders_are_frozen_and_the_head_is_not():
    model = Probe(Backbone("mnasnet_small"), 2, {"b": Backbone("resnet10t")}, hidden=4).train()
    assert {name.split(".")[0] for name, weight in model.named_parameters() if weight.requires_grad} == {
        "hidden",
        "head",
    }
    assert [(member.frozen, member.training) for member in model.members.values()] == [(True, False)] * 2


def test_constant_feature_is_centered_and_not_divided():
    model = Probe(Fixed(1.0, 1.0, 1.0), 1)
    model.standardize(torch.tensor([0.0, 100.0, 100.0]), torch.tensor([0.0, 0.0005, 0.01]))
    assert model.deviation.tolist() == [1, 1, pytest.approx(0.01)]


def test_statistics_are_part_of_the_state(probe):
    other = Probe(Fixed(1.0, 10.0), 1, {"other": Fixed(-1.0)})
    other.load_state_dict(probe.state_dict())
    assert torch.equal(other.eval()(IMAGES), probe(IMAGES))


@pytest.mark.parametrize("hidden", [None, 3, [4, 3]])
def test_head_begins_with_the_prevalence_whatever_the_features(hidden):
    model = Probe(Fixed(1.0, 10.0), 2, hidden=hidden).eval()
    model.begin_with_prevalence(torch.tensor([[1.0, 0.0], [4.0, 0.0]], dtype=torch.float64))
    expected = torch.tensor([[1.5 / 6, 0.5]] * 2)  # half a label more on each side
    torch.testing.assert_close(model(IMAGES).sigmoid(), expected)


def test_three_classes_begin_with_the_prevalence_of_uncertain():
    model = Probe(Fixed(1.0), 2, uncertain=[1]).eval()
    model.begin_with_prevalence(torch.tensor([[1.0, 4.0, 2.0], [4.0, 1.0, 7.0]]))
    asked = model.training_logits(IMAGES).sigmoid()
    torch.testing.assert_close(asked, torch.tensor([[1.5 / 6, 4.5 / 6, 2.5 / 10]] * 2))


@pytest.mark.parametrize(("hidden", "widths"), [(None, [5]), (4, [4, 5]), ([4, 3], [4, 3, 5])])
def test_widths_of_the_layers(hidden, widths):
    model = Probe(Fixed(1.0, 2.0), 5, hidden=hidden)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in layers] == widths


def test_grad_cam_of_a_linear_head_adds_up_to_the_logit_less_that_of_no_features(probe):
    (found,), _ = GradCAM()(probe, IMAGES, [[0], [0]])
    nothing = probe(torch.zeros(1, 3)).item()
    assert nothing == -2 - 4 + 12
    assert found.signed.mean() == pytest.approx(probe(IMAGES)[0, 0].item() - nothing)


def test_gradient_of_an_mlp_is_that_at_the_features_of_the_image():
    torch.manual_seed(0)
    model = Probe(Fixed(1.0, 10.0), 1, hidden=3).eval()
    nn.init.normal_(model.head.weight)
    maps, logits = model.trace(IMAGES)
    (gradient,) = torch.autograd.grad(logits[0, 0], [maps["backbone"]])
    features, step = model.pool(IMAGES[:1]).double(), 1e-4
    model.double()
    for feature in range(2):
        shift = step * torch.eye(2, dtype=torch.float64)[feature]
        slope = (model(features + shift) - model(features - shift)).item() / (2 * step)
        assert gradient[0, feature].sum().item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("hidden", [0, -1, True, [], [64, 0], 1.5, "256,128"])
def test_impossible_width_of_a_hidden_layer_is_an_error(hidden):
    (error,) = Probe.validate_args(hidden=hidden)
    assert (error.code, error.where) == ("value", "model.hidden")
    assert repr(hidden) in error.message


def test_wrong_names_of_members_are_errors():
    errors = Probe.validate_args(members={"backbone": None, "a.b": None})
    assert [(error.code, error.where) for error in errors] == [
        ("value", "model.members"),
        ("repeated", "model.members.backbone"),
    ]


def test_possible_arguments_have_no_errors():
    assert Probe.validate_args(members={"a": None}, hidden=[256, 128], dropout=0.5) == []
    assert math.isclose(Probe(Fixed(1.0), 1, dropout=0.5).hidden[0].p, 0.5)
