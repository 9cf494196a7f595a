"""Runs on a device without float64, like Apple's MPS, which is imitated on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from chexpert.checkpoints.random_state import collect_random, restore_random
from chexpert.data import write_phantom
from chexpert.engine.build import set_memory_format
from chexpert.models import Backbone, Single
from chexpert.training import choose_precision, find_device

HERE = Path(__file__).parent


def start(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "ignore", str(HERE / script), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture
def apple(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_steps_of_a_run_use_no_float64_on_a_device(tmp_path):
    done = start("checks_there.py", folder=tmp_path)
    results = json.loads(done.stdout or "{}")
    assert {check: error for check, error in results.items() if error} == {}, done.stderr
    assert {
        "refusals",
        "validation",
        "loss auc_margin",
        "optimizer pesg",
        "explainer integrated_gradients",
        "average",
    } <= set(results)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_run_trains_and_resumes_on_a_device_without_float64(tmp_path):
    write_phantom(tmp_path / "phantom", patients=6, valid=6)
    small = ["backbone=resnet10t", "backbone.pretrained=false", "data.image_size=64"]
    small += ["data.num_workers=0", "data.batch_size=4"]
    chosen = ["trainer.accelerator=pretended", "trainer.max_epochs=2", "trainer.limit_train_batches=2"]
    chosen += ["averaging=ema", "predict_train=true", "explainer=[integrated_gradients]", "explain.count=1"]
    chosen += ["explainer.integrated_gradients.steps=4", "explain.score=0"]
    done = start(
        "train_there.py", f"data.root={tmp_path / 'phantom'}", *small, *chosen, "hydra.run.dir=run", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "pretended:0" in done.stderr
    assert "32-true" in done.stderr
    assert json.loads((tmp_path / "run/metrics.json").read_text())["valid"]["auroc_mean"] is not None
    assert (tmp_path / "run/predictions/train.csv").is_file()
    assert (tmp_path / "run/explanations/integrated_gradients/manifest.json").is_file()
    more = start("train_there.py", "resume=run", "trainer.max_epochs=3", folder=tmp_path)
    assert more.returncode == 0, more.stderr


@pytest.mark.parametrize(("accelerator", "device"), [("auto", "mps"), ("gpu", "mps"), ("mps", "mps"), ("cpu", "cpu")])
def test_mac_trains_on_its_gpu_in_float32(apple, accelerator, device):
    assert find_device(accelerator) == device
    assert torch.device(find_device(accelerator)).type == device
    if device == "mps":
        assert choose_precision(Backbone("resnet10t"), accelerator) == "32-true"


def test_auto_is_the_cpu_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == "cpu"


@pytest.mark.parametrize(("accelerator", "last"), [("auto", False), ("cpu", True)])
def test_channels_last_is_not_used_on_a_mac_gpu(apple, accelerator, last):
    cfg = {"channels_last": True, "trainer": {"accelerator": accelerator}}
    weight = set_memory_format(Single(Backbone("resnet10t"), 2), cfg).members["backbone"].net.conv1[3].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == last


def test_random_state_of_a_mac_gpu_is_restored(apple, monkeypatch):
    states = [torch.tensor([1, 2], dtype=torch.uint8)]
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: states[-1])
    monkeypatch.setattr(torch.mps, "set_rng_state", states.append)
    kept = collect_random()
    states[0] = torch.tensor([3, 4], dtype=torch.uint8)
    restore_random(kept)
    assert states[-1].tolist() == [1, 2]


def test_checkpoint_without_a_mac_gpu_has_four_random_states():
    assert set(collect_random()) == {"python", "numpy", "torch", "cuda"}
