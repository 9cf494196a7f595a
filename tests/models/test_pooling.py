"""Pooled features stand for images, and what is frozen keeps no graph."""

import pytest
import torch

from chexpert.models import Backbone, Combined, Single

IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def make_models(frozen=True):
    members = {"a": Backbone("mnasnet_small", frozen=frozen), "b": Backbone("resnet10t", frozen=frozen)}
    return [Single(Backbone("mnasnet_small", frozen=frozen), 5), Combined(members, 5)]


@pytest.mark.parametrize("model", make_models(), ids=["single", "combined"])
def test_pooled_features_give_the_logits_of_their_films_to_the_bit(model):
    with torch.no_grad():
        features = model.pool(IMAGES)
        assert features.shape == (2, sum(member.width for member in model.members.values()))
        assert torch.equal(model.training_logits(features), model.training_logits(IMAGES))
        assert torch.equal(model(features), model(IMAGES))


@pytest.mark.parametrize("model", make_models(), ids=["single", "combined"])
def test_a_frozen_member_keeps_nothing_for_gradients(model):
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda kept: kept
    ):
        maps = model.train().feature_maps(IMAGES)
        assert kept == []
        logits = model.training_logits(IMAGES)
    assert all(map_.grad_fn is None for map_ in maps.values())
    assert logits.requires_grad
    assert sum(kept) < 10 * sum(member.width for member in model.members.values()) * len(IMAGES)


def test_in_a_combined_model_only_the_trained_member_keeps_its_graph():
    model = Combined({"a": Backbone("mnasnet_small", frozen=True), "b": Backbone("resnet10t")}, 5)
    maps = model.feature_maps(IMAGES)
    assert [map_.requires_grad for map_ in maps.values()] == [False, True]
