"""A run whose network takes the gray image three times."""

import json

import torch
from helpers.errors import raises
from helpers.runs import start

import chexpert
from chexpert.checkpoints.export import export

IMAGES = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_run_of_three_channels_loads_and_starts_another(phantom, tmp_path):
    three = "+backbone.options.in_chans=3"
    start(tmp_path / "run", phantom, three)
    model = chexpert.load(tmp_path / "run").model
    backbone = model.members["backbone"]
    assert backbone.mean.shape == backbone.std.shape == (3, 1, 1)
    assert len(set(backbone.mean.flatten().tolist())) == 3
    assert torch.equal(chexpert.load(export(tmp_path / "run")).model(IMAGES), model(IMAGES))
    start(tmp_path / "next", phantom, three, f"start_from={tmp_path / 'run'}", "trainer.max_epochs=0", "explainer=[]")
    metrics = [json.loads((tmp_path / name / "metrics.json").read_text())["valid"] for name in ("run", "next")]
    assert metrics[0]["auroc_mean"] == metrics[1]["auroc_mean"]


def test_two_channels_are_an_error_before_anything_is_built(phantom, tmp_path):
    with raises("value", "backbone.options"):
        start(tmp_path / "run", phantom, "+backbone.options.in_chans=2")
