"""Copies of models with shuffled weights."""

from pathlib import Path

import pytest
import torch
import yaml

from chexpert.explain.quality.weight_randomization import find_blocks, randomize
from chexpert.models import Backbone, Combined, Single

CONF = Path(__file__).parents[3] / "conf" / "backbone"
IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model() -> Single:
    torch.manual_seed(0)
    return Single(Backbone("resnet10t"), 3).eval()


def shares(model, other) -> dict[str, bool]:
    theirs = dict(other.named_parameters())
    return {name: torch.equal(own, theirs[name]) for name, own in model.named_parameters()}


@pytest.mark.parametrize("file", sorted(CONF.glob("*.yaml")), ids=lambda file: file.stem)
def test_blocks_have_all_parameters_once_the_classifier_first(file):
    with torch.device("meta"):
        backbone = Backbone(yaml.safe_load(file.read_text())["name"])
        model = Single(backbone, 2)
    blocks = find_blocks(model)
    names = [name for block in blocks for name in block]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert {"head.weight", "head.bias"} < set(blocks[0])
    assert 4 <= len(blocks) <= 6
    assert all(blocks)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_stages_of_a_transformer_are_blocks(name):
    with torch.device("meta"):
        blocks = find_blocks(Single(Backbone(name), 2))
    assert any("norm" in key for key in blocks[0])
    assert any("patch_embed" in key for key in blocks[-1])


def test_layers_after_the_last_stage_are_in_its_block():
    with torch.device("meta"):
        top = find_blocks(Single(Backbone("efficientnet_b0"), 2))[0]
    assert "_members.backbone.net.conv_head.weight" in top
    assert not any(".blocks.4." in name for name in top)


def test_top_block_has_the_last_stage_of_each_member():
    with torch.device("meta"):
        members = {"a": Backbone("resnet10t"), "b": Backbone("mnasnet_100")}
        top, *_ = find_blocks(Combined(members, 2))
    assert {"classifier.weight", "_members.a.net.layer4.0.conv1.weight"} < set(top)
    assert any(name.startswith("_members.b.net.blocks.6.") for name in top)


def test_only_named_parameters_are_shuffled_and_keep_their_values(model):
    top = set(find_blocks(model)[0])
    copy = randomize(model, top, IMAGES, seed=0)
    weights = {name for name, same in shares(model, copy).items() if not same}
    assert weights <= top
    assert {"head.weight", "_members.backbone.net.layer4.0.conv1.weight"} <= weights
    assert torch.equal(copy.head.weight.flatten().sort().values, model.head.weight.flatten().sort().values)


def test_randomized_copy_leaves_the_model_unchanged(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    model.train()
    copy = randomize(model, {name for name, _ in model.named_parameters()}, IMAGES, seed=0)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(module.training for module in model.modules())
    assert not any(module.training for module in copy.modules())


def test_statistics_are_measured_only_where_weights_are_shuffled(model):
    names = {name for name, _ in model.named_parameters() if ".layer4." in name}
    copy = randomize(model, names, IMAGES, seed=0)
    own, net = model.members["backbone"].net, copy.members["backbone"].net
    assert torch.equal(net.layer3[0].bn1.running_var, own.layer3[0].bn1.running_var)
    seen = []
    net.layer4[0].bn1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        copy(torch.cat([IMAGES, IMAGES.flip(-1)]))
    assert torch.allclose(net.layer4[0].bn1.running_mean, seen[0].mean((0, 2, 3)), atol=1e-4)
    assert torch.allclose(net.layer4[0].bn1.running_var, seen[0].var((0, 2, 3)), rtol=1e-3)


def test_one_small_view_is_enough(model):
    assert randomize(model, find_blocks(model)[0], IMAGES[:1, :, :32, :32], seed=0)(IMAGES).isfinite().all()


def test_seed_decides_the_copy(model):
    one, same, other = (randomize(model, ["head.weight"], IMAGES, seed).head.weight for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
