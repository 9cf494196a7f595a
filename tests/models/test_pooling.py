"""Pooled features in place of images, and frozen members without a graph."""

import pytest
import torch

from chexpert.models import Backbone, Combined, Model, Single

IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=["single", "combined"])
def model(request) -> Model:
    if request.param == "single":
        return Single(Backbone("mnasnet_small", frozen=True), 5)
    return Combined({"a": Backbone("mnasnet_small", frozen=True), "b": Backbone("resnet10t", frozen=True)}, 5)


def test_pooled_features_give_the_exact_logits_of_their_images(model):
    with torch.no_grad():
        features = model.pool(IMAGES)
        assert features.shape == (2, sum(member.width for member in model.members.values()))
        assert torch.equal(model.training_logits(features), model.training_logits(IMAGES))
        assert torch.equal(model(features), model(IMAGES))


def test_frozen_member_keeps_nothing_for_gradients(model):
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


def test_only_the_trained_member_keeps_its_graph():
    model = Combined({"a": Backbone("mnasnet_small", frozen=True), "b": Backbone("resnet10t")}, 5)
    maps = model.feature_maps(IMAGES)
    assert [map_.requires_grad for map_ in maps.values()] == [False, True]
