"""The files of public weights: without a network, from a repository of timm, and where a form or code is needed."""

import json
from contextlib import nullcontext

import huggingface_hub
import huggingface_hub.constants
import pytest
import safetensors.torch
import timm
import torch
from helpers.errors import raises

from chexpert.models import Backbone
from chexpert.models import pretrained as weights
from chexpert.weights import read_cards

NAME = "resnet10t"


@pytest.fixture(autouse=True)
def no_network(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_offline", lambda: True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)  # restored after the test
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))

    def refuse(url, path, **options):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


@pytest.mark.parametrize("name", ["rad-dino", "xrv-resnet50-all", "ark6-swin-b", "medical-mae-vit-s"])
def test_without_a_network_the_way_by_hand_is_named(name):
    card = read_cards()[name]
    with raises("download", f"pretrained={name}") as error:
        Backbone(card.network, name)
    for fact in (card.url or card.source, card.file or card.title, f"pretrained={name}:FILE"):
        assert fact in error.value.hint
    assert not huggingface_hub.constants.HF_HUB_OFFLINE


def test_a_pickled_module_is_not_fetched():
    with raises("unreadable-file", "pretrained=xrv-densenet121-all") as error:
        Backbone("densenet121", "xrv-densenet121-all")
    assert read_cards()["xrv-densenet121-all"].url in error.value.hint


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Lays out a repository of timm, which the Hub's library finds."""

    def repository(config, state, file="model.safetensors"):
        (tmp_path / "config.json").write_text(json.dumps(config))
        if state and file.endswith("safetensors"):
            safetensors.torch.save_file(state, tmp_path / file)
        elif state:
            torch.save(state, tmp_path / file)

        def download(name, file):
            if not (tmp_path / file).is_file():
                raise huggingface_hub.errors.LocalEntryNotFoundError("no such file")
            return str(tmp_path / file)

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)

    return repository


def write_config(**changes):
    about = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.2], "input_size": [3, 224, 224], "classifier": "fc"}
    return {"architecture": NAME, "num_classes": 10, "pretrained_cfg": about} | changes


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_weights_of_a_repository_of_timm(repository, file):
    net = timm.create_model(NAME, num_classes=10)
    repository(write_config(), net.state_dict(), file)
    backbone = Backbone(NAME, "hf:me/mine")
    assert torch.equal(backbone.net.layer1[0].conv1.weight, net.layer1[0].conv1.weight)
    assert torch.allclose(backbone.net.conv1[0].weight, net.conv1[0].weight.sum(1, keepdim=True))
    assert (backbone.mean.item(), backbone.std.item()) == pytest.approx((0.5, 0.2))
    assert backbone.history == ("hf:me/mine", "unknown")


@pytest.mark.parametrize(
    ("config", "code", "hint"),
    [
        (write_config(architecture="resnet18"), "other-weights", "backbone.name=resnet18"),
        ({"model_type": "dinov2", "architectures": ["Dinov2Model"]}, "other-weights", "chexpert weights list"),
        (write_config(model_args={"stem_width": 8}), "conflict", "+backbone.options.stem_width=8"),
    ],
)
def test_another_repository_is_refused(repository, config, code, hint):
    repository(config, timm.create_model(NAME, num_classes=10).state_dict())
    with raises(code, "pretrained=hf:me/mine") as error:
        Backbone(NAME, "hf:me/mine")
    assert hint in error.value.hint


def test_a_repository_without_a_network_is_an_error():
    with raises("download", "pretrained=hf:me/mine") as error:
        Backbone(NAME, "hf:me/mine")
    assert "https://huggingface.co/me/mine" in error.value.hint


def test_a_release_is_not_fetched_offline(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda url, path, **options: asked.append(url))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with raises("download", "pretrained=xrv-resnet50-all") as error:
        Backbone("resnet50", "xrv-resnet50-all")
    assert "pretrained=xrv-resnet50-all:FILE" in error.value.hint
    assert asked == []


def test_timms_own_release_is_not_fetched_offline(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda url, path, *rest, **options: asked.append(url))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with raises("download", "backbone legacy_seresnet18"):
        Backbone("legacy_seresnet18", True)
    assert asked == []


@pytest.mark.parametrize(
    "config",
    [
        [],
        None,
        "text",
        write_config(pretrained_cfg="text"),
        write_config(pretrained_cfg=[1]),
        write_config(pretrained_cfg={"mean": ["a"]}),
        write_config(pretrained_cfg={"mean": 3}),
        write_config(pretrained_cfg={"mean": [0.5], "std": [0.5, 0.5, 0.5]}),
        write_config(pretrained_cfg={"std": [0, 0, 0]}),
        write_config(pretrained_cfg={"input_size": 3}),
        write_config(pretrained_cfg={"classifier": 3}),
        write_config(model_args=[1]),
    ],
    ids=str,
)
def test_an_odd_config_of_a_repository_is_an_error(repository, config):
    repository(config, timm.create_model(NAME, num_classes=10).state_dict())
    with raises("other-weights", "pretrained=hf:me/mine"):
        Backbone(NAME, "hf:me/mine")


@pytest.mark.parametrize("about", [None, {}, {"mean": None, "std": None}])
def test_a_repository_that_says_nothing_has_timms_defaults(repository, about):
    repository(
        write_config(pretrained_cfg=about, classifier="fc"),
        dict(timm.create_model(NAME, num_classes=0).state_dict()),
    )
    backbone = Backbone(NAME, "hf:me/mine")
    assert (backbone.mean.item(), backbone.std.item()) == pytest.approx((0.449, 0.226))


@pytest.mark.parametrize(("given", "wrong"), [({"mean": 0.5, "std": 0.2}, 0), ({"mean": 0.4}, 1), ({"std": 0.226}, 1)])
def test_statistics_that_contradict_a_repository_are_an_error(repository, given, wrong):
    repository(write_config(), timm.create_model(NAME, num_classes=10).state_dict())
    with raises("conflict", f"backbone.{next(iter(given))}") if wrong else nullcontext():
        Backbone(NAME, "hf:me/mine", **given)
