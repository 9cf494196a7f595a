"""The settings that a run resolves before it fits."""

from contextlib import nullcontext

import pytest
import torch
from helpers.errors import raises
from omegaconf import OmegaConf

from chexpert.distributed import find_device_errors
from chexpert.engine import build, setup
from chexpert.errors import UserError
from chexpert.models import Backbone, Single


def resolve_trainer(monkeypatch, unfreeze_epoch=0, **trainer):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setattr(setup, "resolve", OmegaConf.to_container)
    return setup.resolve_settings(OmegaConf.create({"trainer": trainer, "unfreeze_epoch": unfreeze_epoch}))["trainer"]


def test_one_device_needs_no_strategy(monkeypatch):
    assert "strategy" not in resolve_trainer(monkeypatch, devices=1)


def test_several_devices_use_ddp(monkeypatch):
    assert resolve_trainer(monkeypatch, devices=2)["strategy"] == "ddp"
    assert resolve_trainer(monkeypatch, devices=[0, 3])["strategy"] == "ddp"


def test_later_unfreezing_uses_ddp_with_unused_parameters(monkeypatch):
    assert resolve_trainer(monkeypatch, 1, devices=2)["strategy"] == "ddp_find_unused_parameters_true"
    assert resolve_trainer(monkeypatch, 1, devices=2, strategy="fsdp")["strategy"] == "fsdp"


@pytest.mark.parametrize(("features", "expected"), [("folder", "32-true"), (None, "chosen")])
def test_classifier_on_features_is_trained_in_float32(features, expected, monkeypatch):
    monkeypatch.setattr(setup, "choose_precision", lambda model, accelerator: "chosen")
    plain = {"trainer": {"accelerator": "cpu"}, "features": features}
    setup.choose_settings(plain, Single(Backbone("mnasnet_small"), outputs=2), None)
    assert plain["trainer"]["precision"] == expected


def test_resumed_run_keeps_its_precision(tmp_path):
    (tmp_path / "config.yaml").write_text("trainer: {precision: 64-true}")
    plain = {"trainer": {"accelerator": "cpu"}, "features": None}
    setup.choose_settings(plain, Single(Backbone("mnasnet_small"), outputs=2), tmp_path)
    assert plain["trainer"]["precision"] == "64-true"


@pytest.mark.parametrize(
    ("trainer", "gpus", "where"),
    [
        ({"accelerator": "gpu"}, 0, "trainer.accelerator=gpu"),
        ({"accelerator": "cuda"}, 0, "trainer.accelerator=cuda"),
        ({"accelerator": "mps"}, 1, "trainer.accelerator=mps"),
        ({"accelerator": "gpu", "devices": 3}, 2, "trainer.devices=3"),
        ({"devices": [0, 2]}, 2, "trainer.devices=[0, 2]"),
        ({"devices": 2}, 2, ""),
        ({"devices": 3}, 0, ""),
        ({"accelerator": "cpu", "devices": 3}, 2, ""),
        ({"devices": "auto"}, 2, ""),
    ],
)
def test_missing_devices_are_an_error(trainer, gpus, where, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    errors = list(find_device_errors(trainer))
    assert [(error.code, error.where) for error in errors] == [("device", where)] * bool(where)
    assert all("CPU" in error.message for error in errors)


def test_start_from_requests_no_pretrained_weights(monkeypatch):
    metadata = {"observations": ["Edema"], "readout": {"uncertain": [], "parents": None}}
    metadata["config"] = {"model": {}}
    monkeypatch.setattr(build, "read_checkpoint", lambda path: (metadata, {}))
    monkeypatch.setattr(build, "load_state", lambda model, state, where: None)

    def refuse(name, **options):
        raise UserError("requested", code="download", where=name)

    monkeypatch.setattr("chexpert.models.backbone.create_pretrained", refuse)
    node = {"_target_": "chexpert.models.Single", "backbone": {"_target_": "chexpert.models.Backbone"}}
    node["backbone"] |= {"name": "mnasnet_small", "pretrained": True}
    labels = {"_target_": "chexpert.data.LabelPolicy", "uncertain": "zeros"}
    cfg = {"labels": labels, "observations": ["Edema"], "model": node, "channels_last": False, "start_from": "RUN"}
    cfg["trainer"] = {"accelerator": "cpu"}
    assert build.build_model(cfg).members["backbone"].name == "mnasnet_small"
    assert node["backbone"]["pretrained"] is True
    with raises("download", "mnasnet_small"):
        build.build_model(cfg | {"start_from": None})


@pytest.mark.parametrize(("size", "train", "devices", "fails"), [(32, 18, 2, 1), (64, 18, 2, 0), (32, 20, 2, 0)])
def test_one_image_for_a_device_is_an_error_if_batchnorm_fails(size, train, devices, fails):
    model = Single(Backbone("mnasnet_small"), outputs=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    plain = {"trainer": {"devices": devices}, "data": {"batch_size": 16, "image_size": size}}
    with raises("batch-size", "data.batch_size") if fails else nullcontext():
        setup.check_lengths(plain, model, {"train": train, "valid": 8})
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
