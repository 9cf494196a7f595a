"""Position embeddings for images of another size."""

import pytest
import torch
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed, resize_rel_pos_bias_table
from timm.models.beit import checkpoint_filter_fn

from chexpert.image_size import ImageSize
from chexpert.models import Backbone, Combined, Single
from chexpert.models.positions import find_made_for, fit_bias_tables, fit_positions

VIT = "vit_tiny_patch16_224"


def make(size, name=VIT):
    return Backbone(name, options={"img_size": list(size), "depth": 1})


def fill(backbone, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        backbone.net.pos_embed.copy_(torch.randn(backbone.net.pos_embed.shape, generator=generator))
    return backbone


def test_positions_of_a_ramp_stay_a_ramp():
    # one channel has the row of each patch, at its center from 0 to 1: away from the border cubic keeps what is linear
    rows = (torch.arange(8) + 0.5) / 8
    positions = torch.zeros(1, 1 + 8 * 4, 192)
    positions[0, 1:, 0] = rows.repeat_interleave(4)
    positions[0, 0] = 7
    found = fit_positions(make((256, 32)).net, positions, ImageSize(128, 64))
    assert found.shape == (1, 1 + 16 * 2, 192)
    assert found[0, 0].tolist() == [7] * 192
    column = found[0, 1:, 0].reshape(16, 2)
    torch.testing.assert_close(column[:, 0], column[:, 1])
    torch.testing.assert_close(column[4:-4, 0], ((torch.arange(16) + 0.5) / 16)[4:-4], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [None, ImageSize(64, 64)])
def test_a_square_is_resampled_as_timm_does(size):
    positions = fill(make((64, 64))).net.pos_embed
    found = fit_positions(make((96, 160)).net, positions, size)
    assert torch.equal(found, resample_abs_pos_embed(positions, [6, 10]))


def test_a_rectangle_is_not_taken_for_a_square():
    positions = fill(make((64, 144))).net.pos_embed  # 4 x 9 patches, as many as 6 x 6
    found = fit_positions(make((96, 96)).net, positions, ImageSize(64, 144))
    assert torch.equal(found, resample_abs_pos_embed(positions, [6, 6], [4, 9]))
    assert torch.equal(fit_positions(make((64, 144)).net, positions, ImageSize(64, 144)), positions)


def test_positions_of_this_network_stay_as_they_are_whatever_it_was_trained_on():
    net = fill(make((64, 144))).net  # 4 x 9 patches, as many as 6 x 6
    assert fit_positions(net, net.pos_embed) is net.pos_embed
    dynamic = {"img_size": [96, 64], "depth": 1, "dynamic_img_size": True}
    backbone = fill(Backbone(VIT, options=dynamic))
    config = {"model": {"backbone": {"options": dynamic}}}
    state = {"_members.backbone.net.pos_embed": backbone.net.pos_embed}
    assert torch.equal(Single(backbone, 2).fit_weights(state, config)[next(iter(state))], backbone.net.pos_embed)


@pytest.mark.parametrize(
    ("config", "member", "size"),
    [
        ({"model": {"backbone": {"options": {"img_size": 64}}}}, "backbone", (64, 64)),
        ({"model": {"members": {"a": {"options": {"img_size": [64, 48]}}}}}, "a", (64, 48)),
        ({"model": {"backbone": {"options": None}}}, "backbone", None),
        ({"model": {"backbone": {"options": {"img_size": "64"}}}}, "backbone", None),
        ({"model": {"backbone": {}}}, "a", None),
        ({}, "backbone", None),
    ],
)
def test_size_that_a_member_was_made_for(config, member, size):
    assert find_made_for(config, member) == size


def test_positions_of_another_network_stay_as_they_are():
    positions = torch.zeros(1, 17, 8)
    assert fit_positions(make((96, 96)).net, positions, ImageSize(64, 64)) is positions
    assert fit_positions(make((96, 96)).net, torch.zeros(1, 12, 192), ImageSize(64, 64)).shape == (1, 12, 192)
    assert fit_positions(Backbone("test_resnet").net, positions) is positions


@pytest.mark.parametrize("combined", [False, True])
def test_a_model_takes_the_weights_of_a_smaller_one(combined):
    models = []
    for size in ((64, 48), (96, 128)):
        vit = fill(make(size))
        models.append(Combined({"a": vit, "b": Backbone("test_resnet")}, 2) if combined else Single(vit, 2))
    small, large = models
    name = "a" if combined else "backbone"
    node = {"options": {"img_size": [64, 48]}}
    config = {"model": {"members": {"a": node}} if combined else {"backbone": node}}
    large.load_state_dict(large.fit_weights(small.state_dict(), config))
    before, after = (model.members[name].net for model in models)
    assert torch.equal(after.pos_embed, resample_abs_pos_embed(before.pos_embed, [6, 8], [4, 3]))
    assert torch.equal(after.blocks[0].attn.qkv.weight, before.blocks[0].attn.qkv.weight)


def test_a_file_of_timm_at_another_size_is_loaded(tmp_path):
    small = fill(make((64, 64)))
    torch.save(small.net.state_dict(), tmp_path / "vit.pt")
    options = {"img_size": [96, 128], "depth": 1}
    found = Backbone(VIT, str(tmp_path / "vit.pt"), options=options).net.pos_embed
    assert torch.equal(found, resample_abs_pos_embed(small.net.pos_embed, [6, 8]))


def test_a_converted_checkpoint_is_loaded(tmp_path):
    backbone = fill(make((64, 48)))
    state = {f"_members.backbone.{key}": value for key, value in backbone.state_dict().items()}
    save_file(state, tmp_path / "c.safetensors", {"chexpert": '{"synthetic": false, "contamination": "no"}'})
    options = {"img_size": [64, 48], "depth": 1}
    found = Backbone(VIT, str(tmp_path / "c.safetensors"), options=options).net.pos_embed
    assert torch.equal(found, backbone.net.pos_embed)


def make_beit(size):
    return Backbone("beit_base_patch16_224", options={"img_size": size, "depth": 1, "embed_dim": 48, "num_heads": 3})


@pytest.mark.filterwarnings("ignore::UserWarning")  # of timm's own resampling
def test_tables_of_relative_positions_are_resampled_as_timm_does(tmp_path):
    small, large = make_beit(64), make_beit(96)
    with torch.no_grad():
        for key, value in small.net.named_parameters():
            value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(len(key))))
    state = small.net.state_dict()
    expected = checkpoint_filter_fn(dict(state), large.net)
    save_file(state, tmp_path / "small.safetensors")
    options = {"img_size": 96, "depth": 1, "embed_dim": 48, "num_heads": 3}
    loaded = Backbone("beit_base_patch16_224", str(tmp_path / "small.safetensors"), options=options)
    for key, value in loaded.net.state_dict().items():
        assert torch.equal(value, expected[key]), key
    first, second = Single(small, outputs=2), Single(large, outputs=2)
    fitted = second.fit_weights(first.state_dict(), {})
    second.load_state_dict(fitted)
    key = "blocks.0.attn.relative_position_bias_table"
    assert torch.equal(second.state_dict()[f"_members.backbone.net.{key}"], expected[key])
    assert fit_bias_tables(small.net, state)[key] is state[key]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of timm's own resampling
def test_tables_of_a_rectangle_are_not_taken_for_those_of_another():
    tall, wide = make_beit([96, 64]), make_beit([64, 96])
    table = torch.randn(tall.net.blocks[0].attn.relative_position_bias_table.shape)
    key = "blocks.0.attn.relative_position_bias_table"
    fitted = fit_bias_tables(wide.net, {key: table}, size=ImageSize(96, 64))[key]
    expected = resize_rel_pos_bias_table(table, (4, 6), table.shape, old_window_size=(6, 4))
    assert torch.equal(fitted, expected)
    assert not torch.equal(fitted, table)
    assert fit_bias_tables(tall.net, {key: table}, size=ImageSize(96, 64))[key] is table
    square = make_beit(64).net.blocks[0].attn.relative_position_bias_table.detach()
    assert fit_bias_tables(wide.net, {key: square})[key] is square  # refused later, by its shape
