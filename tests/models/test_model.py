"""Common behavior of single and combined models."""

import pytest
import torch

from chexpert.models import Backbone, Combined, Model, Single

IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
OPTIONS = {"outputs": 3, "uncertain": [1], "parents": [-1, 0, -1], "dropout": 0.5}


@pytest.fixture(scope="module", params=["single", "combined"])
def shared_model(request) -> Model:
    if request.param == "single":
        return Single(Backbone("mnasnet_small"), **OPTIONS)
    return Combined({"first": Backbone("mnasnet_small"), "second": Backbone("test_resnet")}, **OPTIONS)


@pytest.fixture
def model(shared_model) -> Model:
    return shared_model.eval()


def test_logits_follow_from_the_feature_maps(model):
    maps = model.feature_maps(IMAGES)
    assert list(maps) == list(model.members)
    raw = model.score(maps)
    assert raw.shape == (2, 4)  # three observations, and one logit of uncertain
    assert model(IMAGES).shape == (2, 3)
    assert torch.equal(model(IMAGES), model.output_head(raw))
    assert torch.equal(model.classify(maps), model.output_head(raw))
    assert torch.equal(model.training_logits(IMAGES), model.output_head.ask(raw))


def test_output_head_adds_nothing_to_the_state_dict(model):
    assert not any(key.startswith("output_head") for key in model.state_dict())


def test_uint8_and_float_images_give_equal_logits(model):
    assert torch.equal(model(IMAGES), model(IMAGES / 255))


def test_dropout_acts_in_training_only(model):
    maps = model.feature_maps(IMAGES)
    assert torch.equal(model.classify(maps), model.classify(maps))
    model.train()
    assert not torch.equal(model.classify(maps), model.classify(maps))


def test_single_model_classifies_the_mean_of_the_map():
    model = Single(Backbone("mnasnet_small"), 1).eval()
    torch.nn.init.constant_(model.head.weight, 0)
    torch.nn.init.constant_(model.head.bias, 0.5)
    model.head.weight.data[0, 7] = 2
    features = torch.zeros(1, 1280, 2, 2)
    features[0, 7] = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert model.classify({"backbone": features}).tolist() == [[2 * 3 + 0.5]]
