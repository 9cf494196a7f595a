"""Several members, one classifier."""

import pytest
import torch
from torch import nn

from chexpert.models import Backbone, Combined


class Fixed(nn.Module):
    """A member whose map has these means, and a ripple about them that grows from channel to channel."""

    pooling = "avg"

    def __init__(self, *values):
        super().__init__()
        self.width, self.values = len(values), torch.tensor(values)

    def forward(self, images):
        ripple = torch.arange(self.width)[:, None, None] * torch.tensor([[-1.0, 1.0], [1.0, -1.0]])
        return (self.values[:, None, None] + ripple).expand(len(images), -1, 2, 2)

    def pool(self, features):
        return features.mean((2, 3))


@pytest.fixture
def narrow_and_wide():
    """Members of width 2 and 8, and a classifier that returns its input."""
    members = {"narrow": Fixed(1.0, 3.0), "wide": Fixed(*[10.0, 30.0] * 4)}
    model = Combined(members, outputs=10).eval()
    model.classifier.weight.data = torch.eye(10)
    model.classifier.bias.data.zero_()
    return model


def test_gain_is_the_root_of_mean_width_over_own_width(narrow_and_wide):
    assert narrow_and_wide.gains == pytest.approx({"narrow": 2.5**0.5, "wide": 0.625**0.5})


def test_pooled_features_are_normalized_and_weighted(narrow_and_wide):
    features = narrow_and_wide(torch.zeros(1, 1, 8, 8))[0].tolist()  # energy of each member: 2 x 2.5 = 8 x 0.625
    assert features[:2] == pytest.approx([-(2.5**0.5), 2.5**0.5], rel=1e-4)
    assert features[2:] == pytest.approx([-(0.625**0.5), 0.625**0.5] * 4, rel=1e-4)


def test_normalization_has_no_weights(narrow_and_wide):
    assert list(dict(narrow_and_wide.named_parameters())) == ["classifier.weight", "classifier.bias"]


def test_order_of_maps_does_not_matter(narrow_and_wide):
    maps = narrow_and_wide.feature_maps(torch.zeros(1, 1, 8, 8))
    turned = dict(reversed(maps.items()))
    assert torch.equal(narrow_and_wide.classify(turned), narrow_and_wide.classify(maps))


def test_every_member_gets_a_gradient():
    model = Combined({"first": Backbone("mnasnet_small"), "second": Backbone("test_resnet")}, outputs=3)
    model(torch.rand(2, 1, 64, 64)).sum().backward()
    stems = [next(member.net.parameters()) for member in model.members.values()]
    assert [bool(stem.grad.abs().sum() > 0) for stem in stems] == [True, True]


def test_frozen_member_stays_in_eval_mode_beside_a_trained_one():
    members = {"frozen": Backbone("mnasnet_small", frozen=True), "trained": Backbone("mnasnet_small")}
    model = Combined(members, outputs=3).train()
    assert [member.training for member in model.members.values()] == [False, True]


@pytest.mark.parametrize(("members", "count"), [({"only": None}, 1), ({}, 0)])
def test_fewer_than_two_members_are_an_error(members, count):
    (error,) = Combined.validate_args(members)
    assert (error.code, error.where) == ("too-few", "model.members")
    assert str(count) in error.message
    assert "+backbone@model.members.resnet=resnet18" in error.hint


def test_dot_in_a_member_name_is_an_error():
    (error,) = Combined.validate_args({"a.b": None, "c": None})
    assert (error.code, error.where) == ("value", "model.members")
    assert "a.b" in error.message


def test_two_members_have_no_errors():
    assert Combined.validate_args({"a": None, "b": None}) == []


def test_logits_of_a_member_by_hand(narrow_and_wide):
    narrow_and_wide.classifier.bias.data.fill_(0.5)
    own = narrow_and_wide.member_logits(torch.zeros(1, 1, 8, 8))
    # the classifier returns its input: outputs 0 and 1 are all of the narrow member, twice its share with two members
    assert own["narrow"][0, :3].tolist() == pytest.approx([0.5 - 2 * 2.5**0.5, 0.5 + 2 * 2.5**0.5, 0.5], rel=1e-4)
    assert own["wide"][0, :3].tolist() == pytest.approx([0.5, 0.5, 0.5 - 2 * 0.625**0.5], rel=1e-4)


@pytest.mark.parametrize("pooling", ["avg", "pcam"])
def test_mean_of_the_members_logits_is_the_logit(pooling):
    members = {"first": Backbone("mnasnet_small", pooling=pooling), "second": Backbone("test_resnet")}
    model = Combined(members, outputs=3).eval()
    images = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        mean = torch.stack(list(model.member_logits(images).values())).mean(0)
        torch.testing.assert_close(mean, model(images))


def test_logits_of_members_are_of_the_observations_where_those_are_conditional():
    members = {"first": Backbone("mnasnet_small"), "second": Backbone("test_resnet")}
    model = Combined(members, outputs=2, parents=[-1, 0]).eval()
    with torch.no_grad():
        own = model.member_logits(torch.rand(2, 1, 64, 64))
    assert all((logits[:, 1] < logits[:, 0]).all() for logits in own.values())  # a child is no more probable
