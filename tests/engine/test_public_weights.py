"""A run that begins with public weights: its outputs say so, and its checkpoint needs no card."""

import json
import re

import pytest
import timm
import torch
from helpers.runs import start

import chexpert
from chexpert.report.html.provenance import list_facts
from chexpert.report.names import Names
from chexpert.report.run_data import RunData
from chexpert.runs.read import read_config
from chexpert.weights import SENTENCES, read_cards

NETWORK = "eva02_tiny_patch14_224"
LINE = f"{SENTENCES['yes']} before this run (eva-x-ti)"


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, phantom):
    folder = tmp_path_factory.mktemp("run")
    net = timm.create_model(NETWORK, num_classes=0, img_size=224, **read_cards()["eva-x-ti"].options)
    state = {re.sub(r"mlp\.fc(\d)", lambda found: f"mlp.w{('12', '3')[int(found[1]) - 1]}", key): value
             for key, value in net.state_dict().items()}  # fmt: skip
    torch.save({"model": state}, folder / "x.pt")
    weights = [f"pretrained=eva-x-ti:{folder / 'x.pt'}", f"backbone.name={NETWORK}", "~backbone.options"]
    start(folder / "run", phantom, *weights, "trainer.limit_train_batches=1", "explainer=[]")
    return folder / "run"


def test_what_the_backbone_saw_stands_in_the_outputs(run_folder):
    assert json.loads((run_folder / "metrics.json").read_text())["contamination"] == LINE
    assert json.loads((run_folder / "checkpoints/best.json").read_text())["contamination"] == LINE
    assert dict(list_facts(RunData.read(run_folder), Names("path", run_folder)))["Weights"] == LINE


def test_the_config_has_the_options_of_the_card(run_folder):
    options = read_config(run_folder)["model"]["backbone"]["options"]
    assert options == dict(read_cards()["eva-x-ti"].options) | {"img_size": 64}


def test_the_checkpoint_loads_without_card_and_file(run_folder, monkeypatch):
    (run_folder.parent / "x.pt").unlink()
    monkeypatch.delitem(read_cards(), "eva-x-ti")
    backbone = chexpert.load(run_folder).model.members["backbone"]
    assert (backbone.mean.item(), backbone.std.item()) == pytest.approx((0.49185243, 0.28509309))
