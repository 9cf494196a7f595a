"""Weights from files of every origin, and where none can be had."""

import os
import pickle
import re
import shlex
import sys
from argparse import Namespace

import huggingface_hub.constants
import pytest
import safetensors.torch
import torch

from chexpert.errors import UserError
from chexpert.models import Backbone, Combined, Single
from chexpert.models import pretrained as weights

NAME = "mnasnet_small"
STEM = "conv_stem.weight"


@pytest.fixture
def state():
    """The weights of a network, other than a new one's."""
    return Backbone(NAME).net.state_dict()


@pytest.fixture
def load(tmp_path):
    """Saves the content by torch and loads it into a new backbone."""

    def load(content, name=NAME, **options):
        torch.save(content, tmp_path / "weights.pt")
        return Backbone(name, str(tmp_path / "weights.pt"), **options).net.state_dict()

    return load


def assert_same(found, expected):
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def with_prefix(prefix, state):
    return {prefix + key: value for key, value in state.items()}


def test_a_new_backbone_has_other_weights(state):
    assert not torch.equal(Backbone(NAME).net.state_dict()[STEM], state[STEM])


def test_a_plain_state_dict(load, state):
    assert_same(load(state), state)


def test_a_state_dict_of_data_parallel(load, state):
    assert_same(load(with_prefix("module.", state)), state)


def test_safetensors(tmp_path, state):
    safetensors.torch.save_file(state, tmp_path / "weights.safetensors")
    assert_same(Backbone(NAME, str(tmp_path / "weights.safetensors")).net.state_dict(), state)


@pytest.mark.parametrize("key", ["model", "net", "state_dict", "model_state_dict", "weights", "network"])
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "encoder.", "_orig_mod.", "module._orig_mod.encoder."])
def test_weights_one_level_down_under_any_prefix(load, state, key, prefix):
    assert_same(load({"epoch": 3, key: with_prefix(prefix, state), "optimizer": {"state": {0: torch.zeros(3)}}}), state)


def test_a_mapping_within_itself_ends(load, state):
    content = {"model": state}
    content["again"] = content
    with pytest.raises(UserError, match="times"):
        load(content)


def test_weights_two_levels_down(load, state):
    assert_same(load({"algorithm": {"model": state}}), state)


def test_names_within_a_network_whose_parts_were_compiled(load, state):
    assert_same(load({key.replace("blocks.0.", "blocks.0._orig_mod."): value for key, value in state.items()}), state)


def test_a_checkpoint_of_timms_training(load, state, capsys):
    """Its arguments are an argparse.Namespace, and its averaged weights stand beside the others."""
    averaged = {key: torch.zeros_like(value) for key, value in state.items()}
    content = {"epoch": 3, "arch": NAME, "args": Namespace(lr=0.1, amp=True), "state_dict": state}
    assert_same(load(content), state)
    assert capsys.readouterr().err == ""
    assert_same(load(content | {"state_dict_ema": averaged}), state)
    assert "state_dict_ema would fit too" in capsys.readouterr().err


def test_several_networks_without_a_state_dict_are_named_and_can_be_taken_apart(tmp_path, load, state, monkeypatch):
    averaged = {key: value + 1 for key, value in state.items()}
    with pytest.raises(UserError, match=r"2 times: \['model_ema\.', 'model\.'\]") as caught:
        load({"model_ema": with_prefix("module.", averaged), "model": state} | {"model_ema": averaged})
    command = shlex.split(caught.value.hint.removeprefix("save one of them alone: ").partition("; then")[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", command[2:])
    exec(command[2], {})
    assert_same(Backbone(NAME, str(tmp_path / "one.pt")).net.state_dict(), averaged)


def test_densenet_under_torchvisions_older_names(load):
    state = Backbone("densenet121").net.state_dict()
    older = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): value for key, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in older
    content = {"epoch": 1, "state_dict": with_prefix("module.densenet121.", older)}
    assert_same(load(content | {"best_loss": 0.5}, "densenet121"), state)


def test_a_lightning_checkpoint(load, state):
    content = {"epoch": 3, "state_dict": with_prefix("model._members.backbone.net.", state)}
    assert_same(load(content), state)


def test_a_model_of_this_project(load):
    model = Single(Backbone(NAME), outputs=3)
    assert_same(
        load({"state_dict": with_prefix("model.", model.state_dict())}), model.members["backbone"].net.state_dict()
    )


def test_one_member_of_a_combined_model(load):
    model = Combined({"first": Backbone(NAME), "second": Backbone("test_resnet")}, outputs=3)
    assert_same(load(model.state_dict()), model.members["first"].net.state_dict())


def test_the_head_of_a_whole_network_is_left_alone(load, state):
    assert_same(load(state | {"classifier.weight": torch.zeros(1000, 1280)}), state)


def test_absent_step_counters_do_not_matter(load, state):
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    assert_same(load(old), state)


def test_an_absent_entry_is_refused(load, state):
    value = state.pop("blocks.0.0.conv_pw.weight")
    with pytest.raises(UserError, match=r"'model\.' 1 of \d+ are missing \(blocks.0.0.conv_pw.weight\), 1 .*conv_x"):
        load({"model": state | {"blocks.0.0.conv_x.weight": value}})


@pytest.mark.parametrize(("content", "word"), [({"epoch": 3}, "no tensor"), ({"a": torch.zeros(1)}, "the file has a")])
def test_a_file_without_any_of_the_names_says_what_it_has(load, content, word):
    with pytest.raises(UserError, match=f"its weights are not there: .*{word}"):
        load(content)


def test_names_that_end_alike_are_told_apart(load):
    state = Backbone("resnet18").net.state_dict()
    assert {"conv1.weight", "layer1.0.conv1.weight"} < set(state)
    assert_same(load(state, "resnet18"), state)


def test_a_stem_of_three_channels_is_summed(load, state):
    color = torch.stack([state[STEM][:, 0] * share for share in (0.5, 0.25, 0.25)], dim=1)
    found = load(state | {STEM: color})
    assert torch.allclose(found[STEM], state[STEM], atol=1e-6)


def test_a_stem_behind_a_class_token_is_summed_too(load):
    options = {"img_size": 64}
    state = Backbone("test_vit", options=options).net.state_dict()
    stem = "patch_embed.proj.weight"
    found = load(state | {stem: state[stem].repeat(1, 3, 1, 1) / 3}, "test_vit", options=options)
    assert torch.allclose(found[stem], state[stem], atol=1e-6)


def test_another_architecture_is_refused(load):
    with pytest.raises(UserError, match="its weights are not there"):
        load(Backbone("test_resnet").net.state_dict())


def test_another_width_is_refused_with_the_entry(load, state):
    with pytest.raises(UserError, match=r"blocks\.0\.0\.conv_pw\.weight is \(1, 2, 1, 1\)"):
        load(state | {"blocks.0.0.conv_pw.weight": torch.zeros(1, 2, 1, 1)})


def test_two_members_of_one_architecture_are_ambiguous(load):
    model = Combined({"first": Backbone(NAME), "second": Backbone(NAME)}, outputs=3)
    with pytest.raises(UserError, match=r"2 times: .*first.*second"):
        load(model.state_dict())


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, state, save):
    path, marker = tmp_path / "weights.pt", tmp_path / "marker"
    save(state | {"extra": Touch(marker)}, path)
    with pytest.raises(UserError, match=r"safely(?s:.*)weights\.pt"):
        Backbone(NAME, str(path))
    assert not marker.exists()


def test_the_code_in_such_a_file_would_run_otherwise(tmp_path):
    torch.save(Touch(tmp_path / "marker"), tmp_path / "weights.pt")
    torch.load(tmp_path / "weights.pt", weights_only=False)
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_a_file_without_weights_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        Backbone(NAME, str(tmp_path / name))


@pytest.mark.parametrize("content", [{}, [1, 2], torch.zeros(3), {"state_dict": None}])
def test_a_file_of_something_else_is_refused(load, content):
    with pytest.raises(UserError, match="its weights are not there"):
        load(content)


def test_pretrained_weights_without_a_network_name_the_ways_out(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_offline", lambda: True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)  # put back after the test
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=rf"weights of {NAME} cannot be had(?s:.*)pretrained=false"):
        Backbone(NAME, pretrained=True)
    assert not huggingface_hub.constants.HF_HUB_OFFLINE  # as it was before


def test_the_gray_statistics_beside_the_weights_come_with_them(tmp_path):
    source = Backbone("mnasnet_small", mean=0.2, std=0.1)
    state = {f"model._members.backbone.{key}": value for key, value in source.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "best.ckpt")
    loaded = Backbone("mnasnet_small", pretrained=str(tmp_path / "best.ckpt"))
    assert loaded.mean.item() == pytest.approx(0.2)
    assert loaded.std.item() == pytest.approx(0.1)
    assert Backbone("mnasnet_small", pretrained=str(tmp_path / "best.ckpt"), mean=0.5).mean.item() == 0.5
