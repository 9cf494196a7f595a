"""Public weights: a file under the names that their authors use gives the outputs of their network."""

import hashlib
import logging
import re
from argparse import Namespace
from dataclasses import replace

import pytest
import safetensors.torch
import timm
import torch
import torchvision
from helpers.errors import raises
from timm.layers import resample_abs_pos_embed

from chexpert.models import Backbone
from chexpert.models.key_layouts import KEY_LAYOUTS
from chexpert.weights import read_cards

SMALL = {"depth": 2, "embed_dim": 48, "num_heads": 3}
SMALL_SWIN = {"embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 4, 8], "window_size": 4}
PIXELS = (0, 127, 255)


def rename(state, *patterns):
    """The state under other names."""
    for pattern, new in patterns:
        state = {re.sub(pattern, new, key): value for key, value in state.items()}
    return state


def split_qkv(state, old, new):
    """The state with query, key and value apart."""
    found = dict(state)
    for key in state:
        if f"{old}." in key:
            block, kind = key.split(f"{old}.")
            found |= {
                f"{block}{name}.{kind}": part for name, part in zip(new, found.pop(key).chunk(3, dim=0), strict=True)
            }
    return found


def write_rad_dino(state):
    return state | {"mask_token": torch.zeros(1, 48)}


def write_medical_mae(state):
    decoder = {"mask_token": torch.zeros(1, 1, 9), "decoder_pos_embed": torch.zeros(1, 5, 9)}
    decoder |= {f"decoder_{name}.weight": torch.zeros(9, 9) for name in ("embed", "norm", "pred", "blocks.0.attn.qkv")}
    return {"model": state | decoder, "epoch": 3, "args": Namespace(lr=0.1), "optimizer": {"state": {}}}


def write_eva_x(state):
    """Names of BAAI's EVA-02: separate query, key and value have biases of their own, and SwiGLU's parts are w1, ..."""
    named = rename(
        state,
        (r"mlp\.fc1_g\.", "mlp.w1."),
        (r"mlp\.fc1_x\.", "mlp.w2."),
        (r"mlp\.fc1\.", "mlp.w12."),
        (r"mlp\.fc2\.", "mlp.w3."),
        (r"mlp\.norm\.", "mlp.ffn_ln."),
        (r"q_proj\.bias", "q_bias"),
        (r"v_proj\.bias", "v_bias"),
    )
    head = {"lm_head.weight": torch.zeros(2, 48), "lm_head.bias": torch.zeros(2)}
    return {"module": named | head | {"mask_token": torch.zeros(1), "rope.freqs_cos": torch.zeros(4)}}


def write_cxformer(state):
    """Names of the library transformers, whose class token has a position of its own."""
    position = torch.full((1, 1, 48), 0.3)
    positions = torch.cat([position, state.pop("pos_embed")], dim=1)
    token, registers = state.pop("cls_token") - position, state.pop("reg_token")
    named = rename(
        split_qkv(
            state, "attn.qkv", ("attention.attention.query", "attention.attention.key", "attention.attention.value")
        ),
        (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layer.\1.attention.output.dense."),
        (r"^blocks\.(\d+)\.ls(\d)\.gamma$", r"encoder.layer.\1.layer_scale\2.lambda1"),
        (r"^blocks\.", "encoder.layer."),
        (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
        (r"^norm\.", "layernorm."),
    )
    return named | {
        "embeddings.cls_token": token,
        "embeddings.register_tokens": registers,
        "embeddings.position_embeddings": positions,
        "embeddings.mask_token": torch.zeros(1, 48),
    }


def write_biomedclip(state):
    other = {"visual.head.proj.weight": torch.zeros(2, 48), "text.proj.0.weight": torch.zeros(2, 2)}
    return {f"visual.trunk.{key}": value for key, value in state.items()} | other | {"logit_scale": torch.tensor(1.0)}


def write_xrayclip(state):
    named = rename(
        split_qkv(state, "attn.qkv", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
        (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layers.\1.self_attn.out_proj."),
        (r"^blocks\.(\d+)\.norm(\d)\.", r"encoder.layers.\1.layer_norm\2."),
        (r"^blocks\.", "encoder.layers."),
        (r"^patch_embed\.proj\.", "embeddings.patch_embedding."),
        (r"^norm_pre\.", "pre_layrnorm."),
        (r"^norm\.", "post_layernorm."),
        (r"^cls_token$", "embeddings.class_embedding"),
        (r"^pos_embed$", "embeddings.position_embedding.weight"),
    )
    named["embeddings.class_embedding"] = named["embeddings.class_embedding"].flatten()
    named["embeddings.position_embedding.weight"] = named["embeddings.position_embedding.weight"][0]
    named["embeddings.position_ids"] = torch.zeros(1, 5, dtype=torch.long)
    towers = {f"vision_model.{key}": value for key, value in named.items()}
    return towers | {
        "visual_projection.weight": torch.zeros(2, 48),
        "text_model.final_layer_norm.weight": torch.ones(2),
    }


def write_ark(state):
    """Names of timm 0.5.4, which merges patches at the end of a stage."""
    moved = {
        re.sub(r"layers\.(\d+)\.downsample", lambda found: f"layers.{int(found[1]) - 1}.downsample", key): value
        for key, value in state.items()
    }
    other = {
        "omni_heads.0.weight": torch.zeros(3, 8),
        "projector.0.bias": torch.zeros(8),
        "head.weight": torch.zeros(1, 8),
    }
    buffers = {"layers.0.blocks.0.attn.relative_position_index": torch.zeros(4, 4, dtype=torch.long)}
    network = {f"module.{key}": value for key, value in (moved | other | buffers).items()}
    return {"epoch": 200, "student": {key: value * 0 for key, value in network.items()}, "teacher": network}


FAMILIES = {
    "rad-dino": (write_rad_dino, SMALL, 56),
    "medical-mae-vit-s": (write_medical_mae, SMALL, 64),
    "medical-mae-vit-b": (write_medical_mae, SMALL, 64),
    "eva-x-ti": (write_eva_x, SMALL, 64),
    "eva-x-s": (write_eva_x, SMALL, 64),
    "eva-x-b": (write_eva_x, SMALL, 64),
    "cxformer-s": (write_cxformer, SMALL, 56),
    "cxformer-b": (write_cxformer, SMALL, 56),
    "biomedclip": (write_biomedclip, SMALL, 64),
    "xrayclip": (write_xrayclip, SMALL, 64),
    "ark6-swin-b": (write_ark, SMALL_SWIN, 128),
}
"""By card: how its authors' file is written, options that make its network small, and an image size."""
TORCHVISION = {
    "xrv-densenet121-chex": (torchvision.models.densenet121, "features.conv0"),
    "xrv-resnet50-all": (torchvision.models.resnet50, "conv1"),
    "medicalpatchnet": (torchvision.models.efficientnet_v2_s, "features.0.0"),
    "medicalpatchnet-baseline": (torchvision.models.efficientnet_v2_s, "features.0.0"),
}
"""By card: the network of torchvision that its authors call, and its first layer, which they replace."""


def make_random(net, seed=0):
    """Gives every weight and statistic of a network a value that is no other's."""
    generator = torch.Generator().manual_seed(seed)
    for key, value in net.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            spread = (
                noise + 0.5
                if "var" in key or (("norm" in key or "bn" in key) and "weight" in key)
                else (noise - 0.5) / 5
            )
            value.copy_(spread)
    return net.eval()


@pytest.fixture
def small(monkeypatch):
    """Puts a card with a small network in the place of a card."""

    def small(name, **changes):
        card = read_cards()[name]
        options = {**card.options, **changes.pop("options", {})}
        card = replace(card, options=options, **changes)
        monkeypatch.setitem(read_cards(), name, card)
        return card

    return small


@pytest.fixture
def family(small, tmp_path):
    """Writes a file of a small network of a family; returns the card, the network of three channels, and the file."""

    def family(name, size=None):
        write, options, made_for = FAMILIES[name]
        card = small(name, options=options, sha256=None, image_size=made_for)
        net = timm.create_model(card.network, in_chans=3, num_classes=0, img_size=made_for, **card.options)
        make_random(net)
        path = tmp_path / f"{name}.{'safetensors' if card.format == 'safetensors' else 'pt'}"
        content = write(net.state_dict())
        if card.format == "safetensors":
            safetensors.torch.save_file({key: value.contiguous().clone() for key, value in content.items()}, path)
        else:
            torch.save(content, path)
        return card, net, path

    return family


def load(card, path, size):
    return Backbone(card.network, f"{card.name}:{path}", options={"img_size": size}).eval()


def make_images(size):
    return torch.randint(0, 256, (2, 1, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_a_file_of_the_authors_gives_the_outputs_of_their_network(family, name):
    card, net, path = family(name)
    size = FAMILIES[name][2]
    backbone, images = load(card, path, size).double(), make_images(size)
    mean, std = (torch.tensor(own).broadcast_to(3).view(1, 3, 1, 1).double() for own in (card.mean, card.std))
    expected = net.double().forward_features((images.double() / 255 - mean) / std)
    found = backbone(images)
    assert torch.allclose(found, backbone.to_map(expected, (size, size)), rtol=1e-6, atol=1e-6)
    assert found.std() > 0.01


@torch.no_grad()
@pytest.mark.parametrize("sides", [(84, 56), (56, 84)])
def test_a_rectangle_gives_the_outputs_of_the_authors_network_at_that_size(family, sides):
    card, net, path = family("rad-dino")
    backbone = load(card, path, list(sides)).double()
    images = torch.randint(0, 256, (2, 1, *sides), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    net.set_input_size(list(sides))
    mean, std = (torch.tensor(own).broadcast_to(3).view(1, 3, 1, 1).double() for own in (card.mean, card.std))
    tokens = net.double().forward_features((images.double() / 255 - mean) / std)[:, net.num_prefix_tokens :]
    expected = tokens.reshape(2, sides[0] // 14, sides[1] // 14, -1).permute(0, 3, 1, 2)
    assert torch.allclose(backbone(images), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_three_channels_are_those_of_the_authors(family, name):
    card, net, path = family(name)
    size = FAMILIES[name][2]
    options = {"img_size": size, "in_chans": 3}
    backbone = Backbone(card.network, f"{card.name}:{path}", options=options, mean=card.gray_mean, std=card.gray_std)
    mean, std = (torch.tensor(own).broadcast_to(3).view(3, 1, 1) for own in (card.mean, card.std))
    assert torch.equal(backbone.mean, mean)
    assert torch.equal(backbone.std, std)
    images = make_images(size)
    expected = net.double().forward_features((images.double() / 255 - mean) / std)
    found = backbone.eval().double()(images)
    assert torch.allclose(found, backbone.to_map(expected, (size, size)), rtol=1e-6, atol=1e-6)


@torch.no_grad()
def test_weights_of_one_channel_serve_three_copies(tmp_path):
    name = "xrv-densenet121-chex"
    state = Backbone("densenet121").net.state_dict()
    torch.save(state, tmp_path / "x.pt")
    one, three = (
        Backbone("densenet121", f"{name}:{tmp_path / 'x.pt'}", options={"in_chans": channels}).eval().double()
        for channels in (1, 3)
    )
    expected = one(make_images(64))
    assert torch.allclose(three(make_images(64)) / expected.abs().max(), expected / expected.abs().max(), atol=1e-6)


@pytest.mark.parametrize("name", TORCHVISION)
@torch.no_grad()
def test_a_file_of_torchvisions_network_gives_its_outputs(small, tmp_path, name):
    make, first = TORCHVISION[name]
    net = make(num_classes=14)
    old = net.get_submodule(first)
    parent, _, last = first.rpartition(".")
    new = torch.nn.Conv2d(1, old.out_channels, old.kernel_size, old.stride, old.padding, bias=False)
    setattr(net.get_submodule(parent), last, new)
    make_random(net)
    prefix = "_orig_mod.baseBackbone." if name.startswith("medical") else ""
    torch.save({prefix + key: value for key, value in net.state_dict().items()}, tmp_path / "state.pt")
    card, images = read_cards()[name], make_images(64)
    backbone = Backbone(card.network, f"{name}:{tmp_path / 'state.pt'}").eval().double()
    gray = (images.double() / 255 - card.gray_mean) / card.gray_std
    parts = list(net.double().children())[:-1]  # without the classifier
    body = torch.nn.Sequential(*parts) if name.startswith("xrv-resnet") else None
    expected = torch.nn.Sequential(*parts[:-1])(gray) if body is not None else net.features(gray)
    if name.startswith("xrv-densenet"):
        expected = expected.relu()
    scale = expected.abs().max()
    assert torch.allclose(backbone(images) / scale, expected / scale, atol=1e-6)


STATISTICS = {
    "rad-dino": (0.5307, 0.2583, (-2.0545877, -0.1264452, 1.8168796)),
    "medical-mae-vit-s": (0.5056, 0.252, (-2.0063492, -0.0300031, 1.9619048)),
    "medical-mae-vit-b": (0.5056, 0.252, (-2.0063492, -0.0300031, 1.9619048)),
    "eva-x-ti": (0.49185243, 0.28509309, (-1.7252345, 0.0217009, 1.7823917)),
    "eva-x-s": (0.49185243, 0.28509309, (-1.7252345, 0.0217009, 1.7823917)),
    "eva-x-b": (0.49185243, 0.28509309, (-1.7252345, 0.0217009, 1.7823917)),
    "cxformer-s": (0.449, 0.226, (-1.9867257, 0.2169877, 2.4380531)),
    "cxformer-b": (0.449, 0.226, (-1.9867257, 0.2169877, 2.4380531)),
    "biomedclip": (0.44916430, 0.26856974, (-1.6724308, 0.1819822, 2.0509969)),
    "xrayclip": (0.44916430, 0.26856974, (-1.6724308, 0.1819822, 2.0509969)),
    "ark6-swin-b": (0.449, 0.226, (-1.9867257, 0.2169877, 2.4380531)),
    "medicalpatchnet": (0.0, 1.0, (0.0, 0.4980392, 1.0)),
    "medicalpatchnet-baseline": (0.0, 1.0, (0.0, 0.4980392, 1.0)),
    "xrv-resnet50-all": (0.5, 0.00048828125, (-1024.0, -4.0156863, 1024.0)),
} | {
    f"xrv-densenet121-{name}": (0.5, 0.00048828125, (-1024.0, -4.0156863, 1024.0))
    for name in ("all", "chex", "nih", "pc", "mimic_ch", "mimic_nb")
}
"""By card: gray mean and standard deviation, and what pixels of 0, 127 and 255 are after normalization by them."""


def test_each_card_has_its_statistics():
    found = {name: (card.gray_mean, card.gray_std) for name, card in read_cards().items()}
    assert found == {name: pytest.approx((mean, std), abs=1e-7) for name, (mean, std, _) in STATISTICS.items()}


@pytest.mark.parametrize("name", FAMILIES)
def test_pixels_arrive_as_the_family_expects(family, monkeypatch, name):
    card, _, path = family(name)
    size = FAMILIES[name][2]
    assert see_input(load(card, path, size), monkeypatch, size) == pytest.approx(STATISTICS[name][2], abs=2e-6)


@pytest.mark.parametrize("name", [*TORCHVISION, "xrv-densenet121-all"])
def test_pixels_of_convolutional_networks_arrive_as_the_family_expects(tmp_path, monkeypatch, name):
    make, _ = TORCHVISION.get(name, TORCHVISION["xrv-densenet121-chex"])
    torch.save(make().state_dict(), tmp_path / "state.pt")
    backbone = Backbone(read_cards()[name].network, f"{name}:{tmp_path / 'state.pt'}").eval()
    assert see_input(backbone, monkeypatch, 64) == pytest.approx(STATISTICS[name][2], abs=1e-3)


NAMES = {  # of the authors' code, by hand: the public name, and timm's
    "transformers_dinov2": [
        ("embeddings.cls_token", "cls_token"),
        ("embeddings.register_tokens", "register_tokens"),
        ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.patch_embeddings.projection.weight", "patch_embed.proj.weight"),
        ("encoder.layer.11.attention.output.dense.bias", "blocks.11.attn.proj.bias"),
        ("encoder.layer.0.layer_scale1.lambda1", "blocks.0.ls1.gamma"),
        ("encoder.layer.0.mlp.fc1.weight", "blocks.0.mlp.fc1.weight"),
        ("layernorm.weight", "norm.weight"),
    ],
    "transformers_clip": [
        ("embeddings.class_embedding", "cls_token"),
        ("embeddings.patch_embedding.weight", "patch_embed.proj.weight"),
        ("pre_layrnorm.weight", "norm_pre.weight"),
        ("post_layernorm.bias", "norm.bias"),
        ("encoder.layers.3.self_attn.out_proj.weight", "blocks.3.attn.proj.weight"),
        ("encoder.layers.3.layer_norm2.weight", "blocks.3.norm2.weight"),
        ("encoder.layers.3.mlp.fc2.bias", "blocks.3.mlp.fc2.bias"),
    ],
    "torchvision_efficientnetv2_s": [
        ("features.0.0.weight", "conv_stem.weight"),
        ("features.0.1.running_mean", "bn1.running_mean"),
        ("features.1.1.block.0.0.weight", "blocks.0.1.conv.weight"),
        ("features.2.0.block.1.0.weight", "blocks.1.0.conv_pwl.weight"),
        ("features.4.2.block.2.fc1.weight", "blocks.3.2.se.conv_reduce.weight"),
        ("features.6.14.block.3.1.bias", "blocks.5.14.bn3.bias"),
        ("features.7.0.weight", "conv_head.weight"),
    ],
    "eva": [("blocks.0.attn.q_bias", "blocks.0.attn.q_bias"), ("rope.freqs_cos", "rope.freqs_cos")],
    "torchvision_densenet": [("features.denseblock1.denselayer1.norm1.weight",) * 2],
    "torchvision_resnet": [("layer1.0.conv1.weight",) * 2],
}


@pytest.mark.parametrize("layout", NAMES)
def test_public_names_become_those_of_timm(layout):
    state = {old: torch.full((1,), number) for number, (old, _) in enumerate(NAMES[layout])}
    found = KEY_LAYOUTS[layout].convert(state)
    for number, (_, new) in enumerate(NAMES[layout]):
        assert found[new].flatten().tolist() == [number]


def see_input(backbone, monkeypatch, size):
    """What the network gets for images of one gray value each."""
    seen = []
    monkeypatch.setattr(backbone.net, "forward_features", lambda x: seen.append(x) or torch.zeros(len(x), 1, 1, 1))
    monkeypatch.setattr(backbone, "to_map", lambda x, size: x)
    backbone(torch.tensor(PIXELS, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, size, size))
    return seen[0][:, 0, 0, 0].tolist()


@pytest.mark.parametrize(("name", "patch"), [("medical-mae-vit-b", 16), ("rad-dino", 14), ("xrayclip", 16)])
@pytest.mark.parametrize("grid", [(24, 24), (24, 20), (20, 24), (3, 3)], ids=str)
def test_positions_are_resampled_as_timm_does(family, name, patch, grid):
    card, net, path = family(name)
    size = [patch * cells for cells in grid]
    found = load(card, path, size).net.pos_embed
    expected = resample_abs_pos_embed(net.pos_embed, new_size=list(grid))
    if name == "xrayclip":  # whose positions hold what the mean of each channel leaves
        expected, found = expected[:, 1:] - expected[:, 1:2], found[:, 1:] - found[:, 1:2]
    assert torch.allclose(found, expected, atol=1e-6)


CHANGES = {
    "key": lambda state: rename(state, (r"^blocks\.0\.norm1\.bias$", "blocks.0.norm.bias")),
    "unexpected key": lambda state: state | {"blocks.9.norm1.bias": torch.zeros(48)},
    "shape": lambda state: state | {"blocks.0.norm1.bias": torch.zeros(47)},
    "dtype": lambda state: state | {"blocks.0.norm1.bias": torch.zeros(48, dtype=torch.int8)},
    "no layer of patches": lambda state: {key: state[key] for key in state if "patch" not in key},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_file_is_refused(family, change):
    card, net, path = family("rad-dino")
    safetensors.torch.save_file(change(write_rad_dino(net.state_dict())), path)
    with raises("other-weights", f"{path} for rad-dino"):
        load(card, path, 56)


def test_missing_and_unexpected_names_are_listed(family):
    card, net, path = family("rad-dino")
    state = write_rad_dino(net.state_dict())
    state["norm.biases"] = state.pop("norm.bias")
    safetensors.torch.save_file(state, path)
    with raises("other-weights") as error:
        load(card, path, 56)
    assert "1 missing (norm.bias), 1 unexpected (norm.biases)" in str(error.value)


def test_the_sha256_of_the_cards_own_file_is_checked(family, small, tmp_path):
    _, _, path = family("rad-dino")
    own = path.rename(tmp_path / "backbone_compatible.safetensors")
    card = small("rad-dino", sha256=hashlib.sha256(own.read_bytes()).hexdigest())
    load(card, own, 56)
    card = small("rad-dino", sha256="0" * 64)
    with raises("changed-file", str(own)):
        load(card, own, 56)
    load(card, own.rename(tmp_path / "converted.safetensors"), 56)  # a copy has other bytes


@pytest.mark.slow
@pytest.mark.parametrize("name", read_cards())
def test_the_network_of_each_card_exists_with_its_options(name):
    card = read_cards()[name]
    size = {"img_size": card.image_size} if card.patch else {}
    net = timm.create_model(card.network, in_chans=1, num_classes=0, **size, **card.options)
    assert card.patch is None or card.image_size % card.patch == 0
    assert net.num_features > 0


PLAIN = {  # by card: the network without a card, and what its file has beside
    "xrv-densenet121-nih": ("densenet121", {"op_threshs": torch.zeros(18)}, {}),
    "medical-mae-vit-b": ("vit_base_patch16_224", {"decoder_pos_embed": torch.zeros(1, 5, 9)}, SMALL),
    "biomedclip": ("vit_base_patch16_224", {"visual.trunk.norm.bias": torch.zeros(48)}, SMALL),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_file_of_public_weights_is_refused_without_its_name(tmp_path, name):
    network, beside, options = PLAIN[name]
    state = Backbone(network, options=options).net.state_dict()
    path = tmp_path / "x.pt"
    torch.save({"model": state | beside}, path)
    with raises("other-weights", f"{path} for backbone {network}") as error:
        Backbone(network, str(path), options=options)
    assert f"pretrained={name}:{path}" in error.value.hint
    other = Backbone(network, str(path), options=options, mean=0.4, std=0.2)  # its owner knows better
    assert other.mean.item() == pytest.approx(0.4)
    torch.save({"model": state}, path)
    assert Backbone(network, str(path), options=options).mean.item() == pytest.approx(
        0.449 if network == "densenet121" else 0.5
    )


def test_a_file_of_public_weights_is_known_by_its_name_and_sha256(small, tmp_path):
    path = tmp_path / "backbone_compatible.safetensors"
    path.write_bytes(b"bytes")
    small("rad-dino", sha256=hashlib.sha256(b"bytes").hexdigest(), size_mb=5e-6)
    for one in (path, path.rename(tmp_path / "x.safetensors")):
        one.write_bytes(b"bytes")
        (error,) = Backbone.validate_args("vit_base_patch14_dinov2", str(one))
        assert (error.code, error.hint) == ("other-weights", f"pretrained=rad-dino:{one}")
    (tmp_path / "y.safetensors").write_bytes(b"other")
    assert Backbone.validate_args("vit_base_patch14_dinov2", str(tmp_path / "y.safetensors")) == []


@pytest.mark.parametrize(
    ("mean", "std", "wrong"),
    [
        (None, None, 0),
        (0.5056, 0.252, 0),
        (0.449, 0.226, 0),
        (0.449, None, 1),
        (0.5056, 0.226, 1),
        (0.5, 0.5, 1),
    ],
)
def test_the_two_statistics_of_medical_mae_are_allowed(mean, std, wrong):
    found = Backbone.validate_args("vit_base_patch16_224", "medical-mae-vit-b", mean=mean, std=std)
    assert [error.code for error in found if error.code == "conflict"] == ["conflict"] * wrong


@torch.no_grad()
def test_medical_mae_with_the_statistics_of_imagenet(family):
    card, net, path = family("medical-mae-vit-b")
    images = make_images(64)
    own = {"mean": 0.449, "std": 0.226, "options": {"img_size": 64}}
    backbone = Backbone(card.network, f"{card.name}:{path}", **own).eval().double()
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = net.double().forward_features((images.double() / 255 - mean) / std)
    assert torch.allclose(backbone(images), backbone.to_map(expected, (64, 64)), rtol=1e-6, atol=1e-6)


def test_the_level_of_timms_logger_stays(family):
    card, _, path = family("medical-mae-vit-b")
    logger = logging.getLogger("timm")
    before = logger.level
    load(card, path, 96)
    assert logger.level == before
