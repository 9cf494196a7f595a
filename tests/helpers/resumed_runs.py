"""Runs that are stopped, resumed and compared."""

import json
import os
import signal
from pathlib import Path

import torch

from chexpert.training import MultilabelModule

COSTS = ("seconds", "resources")
SHORT = ["trainer.max_epochs=2", "explainer=[]", "model.dropout=0.3", "calibration=null", "save_every_n_minutes=1000"]


def read(folder: Path, name: str) -> dict:
    """What of a checkpoint must be the same."""
    content = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
    del content["chexpert"]  # it holds the config, in which workers may differ
    content.get("callbacks", {}).pop("Resources", None)  # its seconds
    return content


def same(one, other) -> bool:
    """Equal to the bit, whatever the nesting and the device."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one.cpu(), other.cpu())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def find_differences(one, other, at="") -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [found for key in one for found in find_differences(one[key], other[key], f"{at}/{key}")]
    return [] if same(one, other) else [at]


def stop_at(monkeypatch, step: str, count: int, signum: int = signal.SIGTERM) -> None:
    """Sends a signal in the count-th call of a step of the module, as it would come from outside."""
    calls = []
    original = getattr(MultilabelModule, step)

    def stepping(self, batch, batch_idx):
        calls.append(batch_idx)
        if len(calls) == count:
            os.kill(os.getpid(), signum)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(MultilabelModule, step, stepping)


def check_equal(folder: Path, whole: Path) -> None:
    for name in ("last", "best"):
        assert find_differences(read(folder, name), read(whole, name)) == [], name
    for name in ("metrics.json", "predictions/valid.csv"):
        ours, theirs = ((run / name).read_text() for run in (folder, whole))
        if name == "metrics.json":
            ours, theirs = ({k: v for k, v in json.loads(text).items() if k not in COSTS} for text in (ours, theirs))
        assert ours == theirs, name
