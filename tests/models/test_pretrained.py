"""Weights from files of every origin, and the errors where none can be loaded."""

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
from helpers.errors import raises

from chexpert.models import Backbone, Combined, Single
from chexpert.models import pretrained as weights

NAME = "mnasnet_small"
STEM = "conv_stem.weight"


@pytest.fixture(scope="module")
def trained():
    return Backbone(NAME).net.state_dict()


@pytest.fixture
def state(trained):
    """The weights of a network, other than a new one's."""
    return dict(trained)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pt"


@pytest.fixture
def load(path):
    """Saves the content by torch and loads it into a new backbone."""

    def load(content, name=NAME, **options):
        torch.save(content, path)
        return Backbone(name, str(path), **options).net.state_dict()

    return load


@pytest.fixture
def place(path):
    """The place of an error in the weights of the file."""
    return f"{path} for backbone {NAME}"


def assert_same(found, expected):
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def with_prefix(prefix, state):
    return {prefix + key: value for key, value in state.items()}


def test_new_backbone_has_other_weights(state):
    assert not torch.equal(Backbone(NAME).net.state_dict()[STEM], state[STEM])


LAYOUTS = {
    "plain": lambda state: state,
    "two levels down": lambda state: {"algorithm": {"model": state}},
    "compiled parts": lambda state: {key.replace("blocks.0.", "blocks.0._orig_mod."): state[key] for key in state},
    "Lightning": lambda state: {"epoch": 3, "state_dict": with_prefix("model._members.backbone.net.", state)},
    "with a head": lambda state: state | {"classifier.weight": torch.zeros(1000, 1280)},
    "without step counters": lambda state: {key: state[key] for key in state if "num_batches_tracked" not in key},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_weights_are_found_in_each_layout(load, state, layout):
    assert_same(load(layout(state)), state)


@pytest.mark.parametrize(
    ("key", "prefix"),
    [(key, "") for key in ("model", "net", "state_dict", "model_state_dict", "weights", "network")]
    + [("model", prefix) for prefix in ("module.", "backbone.", "encoder.", "_orig_mod.", "module._orig_mod.encoder.")],
)
def test_weights_are_found_under_any_key_and_prefix(load, state, key, prefix):
    assert_same(load(with_prefix(prefix, state)), state)
    assert_same(load({"epoch": 3, key: with_prefix(prefix, state), "optimizer": {"state": {0: torch.zeros(3)}}}), state)


def test_safetensors_file_is_loaded(tmp_path, state):
    safetensors.torch.save_file(state, tmp_path / "weights.safetensors")
    assert_same(Backbone(NAME, str(tmp_path / "weights.safetensors")).net.state_dict(), state)


def test_mapping_within_itself_is_an_error(load, state, place):
    content = {"model": state}
    content["again"] = content
    with raises("other-weights", place) as error:
        load(content)
    assert "'again.model.'" in error.value.message


def test_averaged_weights_of_a_timm_checkpoint_are_left_alone(load, state, capsys):
    averaged = {key: torch.zeros_like(value) for key, value in state.items()}
    content = {"epoch": 3, "arch": NAME, "args": Namespace(lr=0.1, amp=True), "state_dict": state}
    assert_same(load(content), state)
    assert capsys.readouterr().err == ""
    assert_same(load(content | {"state_dict_ema": averaged}), state)
    assert "state_dict_ema" in capsys.readouterr().err


def test_several_networks_are_an_error_with_a_working_command(tmp_path, load, state, place, monkeypatch):
    averaged = {key: value + 1 for key, value in state.items()}
    with raises("other-weights", place) as error:
        load({"model_ema": with_prefix("module.", averaged), "model": state} | {"model_ema": averaged})
    assert "['model_ema.', 'model.']" in error.value.message
    command, _, setting = error.value.hint.rpartition("; ")
    assert setting.endswith("pretrained=one.pt")
    arguments = shlex.split(command[command.index("python ") :])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", arguments[2:])
    exec(arguments[2], {})
    assert_same(Backbone(NAME, str(tmp_path / "one.pt")).net.state_dict(), averaged)


def test_two_members_of_one_architecture_are_an_error(load, place):
    model = Combined({"first": Backbone(NAME), "second": Backbone(NAME)}, outputs=3)
    with raises("other-weights", place) as error:
        load(model.state_dict())
    assert re.search(r"\b2\b.*first.*second", error.value.message)


def test_older_torchvision_names_of_densenet_are_read(load):
    state = Backbone("densenet121").net.state_dict()
    older = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): value for key, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in older
    content = {"epoch": 1, "state_dict": with_prefix("module.densenet121.", older)}
    assert_same(load(content | {"best_loss": 0.5}, "densenet121"), state)


def test_single_model_of_this_project_is_read(load):
    model = Single(Backbone(NAME), outputs=3)
    assert_same(
        load({"state_dict": with_prefix("model.", model.state_dict())}), model.members["backbone"].net.state_dict()
    )


def test_fitting_member_of_a_combined_model_is_read(load):
    model = Combined({"first": Backbone(NAME), "second": Backbone("test_resnet")}, outputs=3)
    assert_same(load(model.state_dict()), model.members["first"].net.state_dict())


def test_gray_statistics_are_read_with_the_weights(path):
    source = Backbone(NAME, mean=0.2, std=0.1)
    torch.save({"state_dict": with_prefix("model._members.backbone.", source.state_dict())}, path)
    loaded = Backbone(NAME, pretrained=str(path))
    assert loaded.mean.item() == pytest.approx(0.2)
    assert loaded.std.item() == pytest.approx(0.1)
    assert Backbone(NAME, pretrained=str(path), mean=0.5).mean.item() == 0.5


def test_names_with_a_common_ending_are_distinguished(load):
    state = Backbone("resnet18").net.state_dict()
    assert {"conv1.weight", "layer1.0.conv1.weight"} < set(state)
    assert_same(load(state, "resnet18"), state)


@pytest.mark.parametrize(
    ("name", "options", "stem"), [(NAME, {}, STEM), ("test_vit", {"img_size": 64}, "patch_embed.proj.weight")]
)
def test_stem_of_three_channels_is_summed(load, name, options, stem):
    state = Backbone(name, options=options).net.state_dict()
    color = torch.stack([state[stem][:, 0] * share for share in (0.5, 0.25, 0.25)], dim=1)
    found = load(state | {stem: color}, name, options=options)
    assert torch.allclose(found[stem], state[stem], atol=1e-6)


def test_missing_entry_is_an_error_that_names_it(load, state, place):
    value = state.pop("blocks.0.0.conv_pw.weight")
    with raises("other-weights", place) as error:
        load({"model": state | {"blocks.0.0.conv_x.weight": value}})
    assert re.search(r"'model\.' 1 of \d+ .*blocks.0.0.conv_pw.weight.* 1 .*blocks.0.0.conv_x", error.value.message)


def test_entry_of_another_shape_is_an_error_that_names_it(load, state, place):
    with raises("other-weights", place) as error:
        load(state | {"blocks.0.0.conv_pw.weight": torch.zeros(1, 2, 1, 1)})
    assert "blocks.0.0.conv_pw.weight" in error.value.message
    assert "(1, 2, 1, 1)" in error.value.message


def test_another_architecture_is_an_error(load, place):
    with raises("other-weights", place):
        load(Backbone("test_resnet").net.state_dict())


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"other_name": torch.zeros(1)}, "other_name"),
        ({"epoch": 3}, ""),
        ({}, ""),
        ([1, 2], ""),
        (torch.zeros(3), ""),
        ({"state_dict": None}, ""),
    ],
)
def test_file_without_the_weights_is_an_error(load, place, content, name):
    with raises("other-weights", place) as error:
        load(content)
    assert name in error.value.message


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_damaged_file_is_an_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with raises("unreadable-file", tmp_path / name):
        Backbone(NAME, str(tmp_path / name))


class Touch:
    """Unpickled, it makes a folder."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))])
def test_code_in_a_weight_file_is_not_run(tmp_path, path, state, save):
    save(state | {"extra": Touch(tmp_path / "marker")}, path)
    with raises("unreadable-file", path):
        Backbone(NAME, str(path))
    assert not (tmp_path / "marker").exists()


def test_unsafe_loading_runs_the_same_code(tmp_path, path):
    torch.save(Touch(tmp_path / "marker"), path)
    torch.load(path, weights_only=False)
    assert (tmp_path / "marker").exists()


def test_pretrained_weights_without_a_network_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_offline", lambda: True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)  # restored after the test
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with raises("download", f"backbone {NAME}") as error:
        Backbone(NAME, pretrained=True)
    assert "pretrained=false" in error.value.hint
    assert not huggingface_hub.constants.HF_HUB_OFFLINE
