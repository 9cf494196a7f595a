"""One backbone and its head."""

import torch

from chexpert.models import Backbone, Single


def make_single(outputs=3, **options):
    return Single(Backbone("mnasnet_small"), outputs, **options).eval()


def test_there_is_a_logit_for_each_observation():
    assert tuple(make_single(5)(torch.zeros(2, 1, 32, 32)).shape) == (2, 5)


def test_forward_is_classify_of_the_feature_maps():
    model, images = make_single(), torch.rand(2, 1, 32, 32)
    maps = model.feature_maps(images)
    assert list(maps) == list(model.members) == ["backbone"]
    assert torch.equal(model(images), model.classify(maps))


def test_the_head_sees_the_mean_of_the_map():
    model = make_single(1)
    torch.nn.init.constant_(model.head.weight, 0)
    torch.nn.init.constant_(model.head.bias, 0.5)
    model.head.weight.data[0, 7] = 2
    features = torch.zeros(1, 1280, 2, 2)
    features[0, 7] = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    assert model.classify({"backbone": features}).tolist() == [[2 * 3 + 0.5]]


def test_uint8_and_float_images_give_equal_logits():
    model = make_single()
    images = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    assert torch.equal(model(images), model(images / 255))


def test_dropout_acts_in_training_only():
    model, images = make_single(dropout=0.5), torch.rand(2, 1, 32, 32)
    maps = model.feature_maps(images)
    assert torch.equal(model.classify(maps), model.classify(maps))
    model.train()
    assert not torch.equal(model.classify(maps), model.classify(maps))
