"""Pooled features from the pass that computes the logits."""

import pytest
import torch
from helpers.errors import raises

from chexpert.models import Backbone, Combined, PatchBackbone, Probe, Single
from chexpert.models.pooled_features import PooledFeatures, pool_batch

TINY = {"name": "resnet10t", "options": {"channels": [4, 4, 8, 8], "stem_width": 4}}
IMAGES = torch.randint(0, 256, (3, 1, 64, 96), dtype=torch.uint8)


def make(kind):
    if kind == "combined":
        return Combined({"a": Backbone(**TINY), "b": Backbone(**TINY, pooling="lse")}, outputs=2)
    if kind == "probe":
        return Probe(Backbone(**TINY), outputs=2)
    if kind == "patches":
        return Single(PatchBackbone(**TINY, patch=32), outputs=2)
    return Single(Backbone(**TINY, pooling=kind), outputs=2)


@pytest.mark.parametrize("kind", ["avg", "max", "lse", "combined", "probe", "patches"])
def test_features_are_those_that_the_model_pools(kind):
    model = make(kind).eval()
    with torch.inference_mode(), PooledFeatures(model) as pooled:
        logits = model(IMAGES)
        found = pooled.take()
        assert torch.equal(found, model.pool(IMAGES))
        pooled.take()
    assert found.shape == (3, pooled.width)
    assert torch.equal(pool_batch(model, IMAGES), found)
    with torch.inference_mode():
        assert torch.equal(model(IMAGES), logits)  # with and without hooks


def test_pcam_gives_the_mean_of_its_map():
    model = make("pcam").eval()
    with torch.inference_mode(), PooledFeatures(model) as pooled:
        model(IMAGES)
        assert torch.equal(pooled.take(), model.members["backbone"](IMAGES).mean((2, 3)))


def test_first_of_several_passes_is_kept_and_hooks_are_removed():
    model = make("avg").eval()
    with torch.inference_mode():
        with PooledFeatures(model) as pooled:
            model(IMAGES)
            model(255 - IMAGES)
            assert torch.equal(pooled.take(), model.pool(IMAGES))
        assert not model.members["backbone"]._forward_hooks


def test_features_in_the_place_of_images_are_an_error():
    model = make("avg").eval()
    with PooledFeatures(model) as pooled:
        model(torch.zeros(2, model.members["backbone"].width))
        with raises("feature-map", "pooled features"):
            pooled.take()
