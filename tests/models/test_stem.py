"""Networks that take a gray image once, and those that take it three times."""

import pytest
import torch
from safetensors.torch import save_file

from chexpert.engine.features import digest_member
from chexpert.explain import HiResCAM, IntegratedGradients
from chexpert.models import Backbone, Combined, Single
from chexpert.models.stem import fit_stem, make_statistic

IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
NETWORKS = {"test_resnet": {}, "test_vit": {"img_size": 64}, "test_efficientnet": {}}
STEMS = {
    "test_resnet": "conv1.0.weight",
    "test_vit": "patch_embed.proj.weight",
    "test_efficientnet": "conv_stem.weight",
}


def make_pair(name):
    """A network of three channels, and that of one channel whose first layer has the sum of their weights."""
    torch.manual_seed(0)
    three = Backbone(name, options={"in_chans": 3, **NETWORKS[name]}, mean=0.5, std=0.2).eval()
    one = Backbone(name, options=NETWORKS[name], mean=0.5, std=0.2).eval()
    state = three.net.state_dict()
    one.net.load_state_dict(state | {STEMS[name]: state[STEMS[name]].sum(1, keepdim=True)})
    return one, three


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_three_copies_equal_one_channel_of_summed_weights(name):
    one, three = make_pair(name)
    torch.testing.assert_close(three(IMAGES), one(IMAGES), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(three(IMAGES / 255), one(IMAGES / 255), rtol=1e-5, atol=1e-5)


def test_each_channel_is_normalized_by_its_own_mean_and_deviation():
    backbone = Backbone("test_resnet", options={"in_chans": 3})
    seen = []
    backbone.net.forward_features = lambda images: seen.append(images) or torch.zeros(1, 8, 2, 2)
    backbone(torch.full((1, 1, 2, 2), 51, dtype=torch.uint8))  # 0.2
    mean, std = backbone.net.pretrained_cfg["mean"], backbone.net.pretrained_cfg["std"]
    assert seen[0].shape == (1, 3, 2, 2)
    assert seen[0][0, :, 1, 0].tolist() == pytest.approx([(0.2 - m) / s for m, s in zip(mean, std, strict=True)])


def test_statistics_of_one_channel_are_numbers_and_of_three_are_three():
    assert make_statistic(None, (0.25, 0.5, 0.75), 1).tolist() == 0.5
    assert make_statistic(0.3, (0.25, 0.5, 0.75), 1).shape == ()
    assert make_statistic(None, (0.25, 0.5, 0.75), 3).tolist() == [[[0.25]], [[0.5]], [[0.75]]]
    assert make_statistic(None, (0.5,), 3).tolist() == [[[0.5]]] * 3
    assert make_statistic(0.25, (0.5, 0.5, 0.5), 3).tolist() == [[[0.25]]] * 3


@pytest.mark.parametrize("channels", [0, 2, 4, "3", None, True])
def test_other_numbers_of_channels_are_an_error(channels):
    (error,) = Backbone.validate_args("test_resnet", options={"in_chans": channels})
    assert (error.code, error.where) == ("value", "the options: options")


def test_weights_of_one_channel_are_divided_among_three():
    weights = torch.tensor([[[[3.0]]], [[[6.0]]]])
    assert fit_stem(weights, 3)[:, :, 0, 0].tolist() == [[1, 1, 1], [2, 2, 2]]
    assert fit_stem(fit_stem(weights, 3), 1).tolist() == weights.tolist()
    assert fit_stem(weights, 1) is weights


@pytest.mark.parametrize(("source", "target"), [(1, 3), (3, 1), (3, 3)])
@torch.no_grad()
def test_checkpoint_of_a_run_serves_networks_of_either_number(source, target, tmp_path):
    torch.manual_seed(0)
    options = {"options": {"in_chans": source}} if source == 3 else {}
    trained = Single(Backbone("test_resnet", **options, mean=0.4, std=0.3), 2).eval()
    path = tmp_path / "x.safetensors"
    save_file(trained.state_dict(), path)
    other = Backbone("test_resnet", str(path), options={"in_chans": target}).eval()
    assert other.mean.shape == ((3, 1, 1) if target == 3 else ())
    assert other.mean.flatten().tolist() == pytest.approx([0.4] * target)
    torch.testing.assert_close(other(IMAGES), trained.members["backbone"](IMAGES), rtol=1e-5, atol=1e-5)


def test_members_of_either_number_are_combined_explained_and_pooled():
    one, three = make_pair("test_resnet")
    model = Combined({"one": one, "three": three}, 2).eval()
    torch.testing.assert_close(model(model.pool(IMAGES)), model(IMAGES))
    (attribution,) = HiResCAM()(model, IMAGES[:1], [[0]])[0]
    assert all(abs(own).max() > 0 for own in attribution.members.values())
    (attribution,) = IntegratedGradients(steps=4)(model, IMAGES[:1], [[0]])[0]
    assert attribution.signed.shape == (64, 64)
    assert digest_member(one) != digest_member(three)


@torch.no_grad()
def test_channels_last_gives_the_same_map():
    _, three = make_pair("test_resnet")
    expected = three(IMAGES)
    torch.testing.assert_close(three.to(memory_format=torch.channels_last)(IMAGES), expected, rtol=1e-5, atol=1e-5)
