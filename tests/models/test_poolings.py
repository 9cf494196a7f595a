"""From the last features to the vector that the classifier reads."""

import math

import pytest
import torch
from helpers.errors import raises
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from chexpert.engine.features import digest_member
from chexpert.models import Backbone, Combined, Single
from chexpert.models.pooling import attend, pool_map

IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
VIT = {"name": "test_vit", "options": {"img_size": 64}}
MAP = torch.tensor([[[[0.0, 1.0], [2.0, 5.0]], [[-1.0, -1.0], [-1.0, -1.0]]]])  # two channels of 2 x 2


def test_known_maps_pool_to_known_numbers():
    assert pool_map(MAP, "avg").tolist() == [[2.0, -1.0]]
    assert pool_map(MAP, "max").tolist() == [[5.0, -1.0]]
    by_hand = math.log((1 + math.e + math.e**2 + math.e**5) / 4)
    assert pool_map(MAP, "lse", 1.0)[0].tolist() == pytest.approx([by_hand, -1.0])


@given(
    cells=st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=9),
    sharpness=st.floats(0.01, 100),
)
def test_log_sum_exp_lies_between_mean_and_maximum(cells, sharpness):
    features = torch.tensor(cells, dtype=torch.float64).reshape(1, 1, 1, -1)
    low, value, high = (pool_map(features, own, sharpness).item() for own in ("avg", "lse", "max"))
    assert low - 1e-9 <= value <= high + 1e-9
    assert pool_map(features + 7, "lse", sharpness).item() == pytest.approx(value + 7, abs=1e-6)


def test_log_sum_exp_of_large_values_in_half_precision_is_finite():
    features = torch.full((1, 1, 2, 2), 300.0, dtype=torch.float16)
    pooled = pool_map(features, "lse")
    assert (pooled.item(), pooled.dtype) == (300.0, torch.float16)


def pcam_by_loops(features, head):
    """jfhealthcare/Chexpert, global_pool=PCAM: one output, one image and one cell at a time."""
    logits = torch.zeros(len(features), head.out_features, dtype=features.dtype)
    for b, image in enumerate(features):
        for c in range(head.out_features):
            pooled, total = torch.zeros_like(image[:, 0, 0]), 0.0
            for row in range(image.shape[1]):
                for column in range(image.shape[2]):
                    cell = image[:, row, column]
                    probability = torch.sigmoid(head.weight[c] @ cell + head.bias[c])
                    pooled, total = pooled + probability * cell, total + probability
            logits[b, c] = head.weight[c] @ (pooled / total) + head.bias[c]
    return logits


def test_pcam_and_its_gradients_equal_a_reference_by_loops():
    model = Single(Backbone("test_resnet", pooling="pcam"), 3).double().eval()
    features = torch.randn(2, model.head.in_features, 2, 3, dtype=torch.float64, requires_grad=True)
    ours, theirs = model.classify({"backbone": features}), pcam_by_loops(features, model.head)
    torch.testing.assert_close(ours, theirs)
    inputs = [features, model.head.weight, model.head.bias]
    for own, expected in zip(
        torch.autograd.grad(ours.sum(), inputs), torch.autograd.grad(theirs.sum(), inputs), strict=True
    ):
        torch.testing.assert_close(own, expected)


def test_pcam_without_any_probability_is_the_limit_and_not_nan():
    features = torch.tensor([[[[-1000.0, -1001.0]]]])
    assert attend(features, torch.ones(1, 1), torch.zeros(1)).item() == pytest.approx(-1000 - 1 / (1 + math.e))


def test_class_token_and_mean_of_the_patches_are_those_of_timm():
    token, both = (Backbone(**VIT, pooling=pooling).eval() for pooling in ("cls", "cls+avg"))
    both.load_state_dict(token.state_dict())
    tokens = token.net.forward_features((IMAGES / 255 - token.mean) / token.std)
    torch.testing.assert_close(token.pool(token(IMAGES)), token.net.forward_head(tokens))  # timm: global_pool="token"
    expected = torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], dim=1)
    torch.testing.assert_close(both.pool(both(IMAGES)), expected)
    assert (token.width, both.width) == (64, 128)


def test_registers_are_neither_class_token_nor_patches():
    backbone = Backbone("vit_small_patch14_reg4_dinov2", options={"img_size": 56, "depth": 1}, pooling="cls+avg").eval()
    tokens = torch.zeros(1, 21, 384)
    tokens[:, 0], tokens[:, 1:5], tokens[:, 5:] = 1, 100, 3
    pooled = backbone.pool(tokens)
    assert pooled[:, :384].unique().tolist() == [1.0]
    assert pooled[:, 384:].unique().tolist() == [3.0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet10t", {}),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "embed_dim": 8, "depths": (1, 1, 1, 1)}),
        ("vit_medium_patch16_reg4_gap_256", {"depth": 1}),  # registers, and no class token
    ],
)
@pytest.mark.parametrize("pooling", ["cls", "cls+avg"])
def test_network_without_class_token_is_an_error(name, options, pooling):
    with raises("conflict", "backbone.pooling"):
        Backbone(name, options=options, pooling=pooling)


@pytest.mark.parametrize(
    ("given", "code", "where"),
    [
        ({"pooling": "median"}, "choice", "the options: pooling"),
        ({"pooling": "lse", "sharpness": 0}, "value", "the options: sharpness"),
        ({"pooling": "lse", "sharpness": True}, "value", "the options: sharpness"),
        ({"pooling": "max", "sharpness": 5}, "unused-setting", "the options: sharpness"),
    ],
)
def test_impossible_pooling_is_an_error(given, code, where):
    (error,) = Backbone.validate_args("resnet10t", **given)
    assert (error.code, error.where) == (code, where)


def make_combined(first: str, second: str) -> Combined:
    torch.manual_seed(0)
    members = {"vit": Backbone(**VIT, pooling=first), "cnn": Backbone("test_resnet", pooling=second)}
    return Combined(members, 3, dropout=0.2).eval()


@pytest.mark.parametrize("poolings", [("cls", "lse"), ("cls+avg", "avg"), ("avg", "max")])
def test_members_of_unlike_poolings_give_the_logits_of_their_vectors(poolings):
    model = make_combined(*poolings)
    vectors = [member.pool(member(IMAGES)) for member in model.members.values()]
    normed = [
        nn.functional.layer_norm(own, own.shape[1:]) * gain
        for own, gain in zip(vectors, model.gains.values(), strict=True)
    ]
    torch.testing.assert_close(model(IMAGES), model.classifier(torch.cat(normed, dim=1)))
    assert torch.equal(model(model.pool(IMAGES)), model(IMAGES))


def test_member_by_pcam_weighs_cells_by_its_part_of_the_classifier():
    model = make_combined("pcam", "avg")
    vit, cnn = (member(IMAGES) for member in model.members.values())
    width, gain = vit.shape[1], model.gains["vit"]
    rest = nn.functional.layer_norm(cnn.mean((2, 3)), cnn.shape[1:2]) * model.gains["cnn"]
    for c in range(3):
        weight, bias = model.classifier.weight[c], model.classifier.bias[c]
        cells = vit.flatten(2).transpose(1, 2)
        attention = torch.sigmoid(nn.functional.layer_norm(cells, [width]) @ weight[:width] * gain + bias)
        pooled = (attention[..., None] * cells).sum(1) / attention.sum(1, keepdim=True)
        normed = nn.functional.layer_norm(pooled, [width]) * gain
        torch.testing.assert_close(model(IMAGES)[:, c], torch.cat([normed, rest], dim=1) @ weight + bias)


@pytest.mark.parametrize("poolings", [("cls", "lse"), ("pcam", "max"), ("cls+avg", "pcam")])
def test_every_pooling_trains_in_half_precision(poolings):
    model = make_combined(*poolings).train()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.training_logits(IMAGES)
    logits.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_pcam_has_no_features():
    with raises("conflict", "features"):
        Single(Backbone("test_resnet", pooling="pcam"), 2).pool(IMAGES)


def test_features_of_another_pooling_have_another_key():
    models = {}
    for pooling, sharpness in (("avg", 10), ("max", 10), ("lse", 10), ("lse", 5)):
        torch.manual_seed(0)
        models[pooling, sharpness] = digest_member(Backbone("test_resnet", pooling=pooling, sharpness=sharpness))
    assert len(set(models.values())) == 4


def test_features_of_other_options_have_another_key():
    keys = set()
    for options in ({}, {"output_stride": 8}):
        torch.manual_seed(0)
        keys.add(digest_member(Backbone("resnet10t", options=options)))
    assert len(keys) == 2


def test_key_of_averaged_features_is_that_of_earlier_files():
    torch.manual_seed(0)
    backbone = Backbone("test_resnet")
    for tensor in backbone.state_dict().values():
        tensor.zero_()
    assert digest_member(backbone) == "4f8e18eed9804fc9f4665fd5ae536f51c6a6062dbd538babed11ab3fa8cb5de8"


@pytest.mark.parametrize("pooling", ["lse", "pcam", "cls+avg"])
def test_every_pooling_compiles_as_one_graph(pooling):
    model = Single(Backbone(**VIT, pooling=pooling), 2).eval()
    compiled = torch.compile(model.training_logits, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(IMAGES), model.training_logits(IMAGES))
