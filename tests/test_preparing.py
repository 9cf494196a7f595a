"""What a run settles before it fits."""

import pytest
from omegaconf import OmegaConf

from chexpert import preparing
from chexpert.models import Backbone, Single


def settle(monkeypatch, unfreeze_epoch=0, **trainer):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setattr(preparing, "resolve", OmegaConf.to_container)
    return preparing.settle(OmegaConf.create({"trainer": trainer, "unfreeze_epoch": unfreeze_epoch}))["trainer"]


def test_one_device_needs_no_strategy(monkeypatch):
    assert "strategy" not in settle(monkeypatch, devices=1)


def test_several_devices_train_together(monkeypatch):
    assert settle(monkeypatch, devices=2)["strategy"] == "ddp"
    assert settle(monkeypatch, devices=[0, 3])["strategy"] == "ddp"


def test_what_is_unfrozen_later_has_no_gradients_at_first(monkeypatch):
    assert settle(monkeypatch, 1, devices=2)["strategy"] == "ddp_find_unused_parameters_true"
    assert settle(monkeypatch, 1, devices=2, strategy="fsdp")["strategy"] == "fsdp"


@pytest.mark.parametrize(("features", "expected"), [("folder", "32-true"), (None, "chosen")])
def test_a_classifier_alone_is_trained_in_float32(features, expected, monkeypatch):
    monkeypatch.setattr(preparing, "choose_precision", lambda model, accelerator: "chosen")
    plain = {"trainer": {"accelerator": "cpu"}, "features": features}
    preparing.choose_settings(plain, Single(Backbone("mnasnet_small"), outputs=2), None)
    assert plain["trainer"]["precision"] == expected


def test_a_run_that_goes_on_keeps_its_precision(tmp_path):
    (tmp_path / "config.yaml").write_text("trainer: {precision: 64-true}")
    plain = {"trainer": {"accelerator": "cpu"}, "features": None}
    preparing.choose_settings(plain, Single(Backbone("mnasnet_small"), outputs=2), tmp_path)
    assert plain["trainer"]["precision"] == "64-true"
