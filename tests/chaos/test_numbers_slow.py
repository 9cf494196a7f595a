"""NaN and infinity stop a run before it is saved; the same command gives the same files, with and without workers."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from helpers.chaos import digest, find_differences, find_unreadable
from helpers.errors import raises
from helpers.runs import start

from chexpert.data import ViewDataset, write_phantom
from chexpert.errors import UserError
from chexpert.training import MaskedBCE, MultilabelModule

SHORT = ["trainer.max_epochs=3", "explainer=[gradcam]", "explain.count=2", "explain.top=3", "model.dropout=0.3"]


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", patients=20, valid=24, test=8, size=96, workers=1)


def find_nan(folder: Path) -> list[str]:
    """List saved tensors that hold NaN or infinity."""
    return [
        f"{path.name} {key}"
        for path in folder.glob("checkpoints/*.ckpt")
        for key, value in torch.load(path, weights_only=True)["state_dict"].items()
        if not torch.isfinite(value).all()
    ]


class Spoiler:
    """Puts a NaN or an infinity into the loss, the gradients, the images or the weights at training step ``k``."""

    def __init__(self, monkeypatch, where: str, k: int, value: float) -> None:
        self.k, self.value, self.step = k, value, 0
        self.paths: list[str] = []
        training = MultilabelModule.training_step
        loss = MaskedBCE.forward

        def stepping(module, batch, index):
            self.step += 1
            if self.step == k:
                self.paths = list(batch.paths)
                if where == "weights":
                    next(module.model.parameters()).data.flatten()[0] = value
                if where == "images":
                    batch = batch._replace(images=batch.images.float() * value)
            return training(module, batch, index)

        def losing(module, *arguments):
            found = loss(module, *arguments)
            return found * value if where == "loss" and self.step == k and found.requires_grad else found

        def backward_done(module):
            if where == "gradients" and self.step == k:
                next(p for p in module.parameters() if p.grad is not None).grad.flatten()[0] = value

        monkeypatch.setattr(MultilabelModule, "training_step", stepping)
        monkeypatch.setattr(MaskedBCE, "forward", losing)
        monkeypatch.setattr(MultilabelModule, "on_after_backward", backward_done, raising=False)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("k", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("where", ["loss", "gradients", "images", "weights"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("minutes", [0.00001, 1000])
def test_run_stops_at_nan_and_saves_none(images, tmp_path, monkeypatch, k, where, value, minutes):
    spoiler = Spoiler(monkeypatch, where, k, value)
    folder = tmp_path / "run"
    with pytest.raises(UserError) as caught:
        start(folder, images, *SHORT, f"save_every_n_minutes={minutes}")
    print(f"{where} {value} at {k}: stopped in step {spoiler.step}: {str(caught.value)[:200]}")
    assert find_nan(folder) == []
    assert find_unreadable(folder) == []
    assert caught.value.code == "nan"
    assert spoiler.step <= k + 1  # wrong weights show in the next step
    if where != "gradients":
        assert spoiler.paths[0] in caught.value.where


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("options", [["data.num_workers=0"], ["data.num_workers=2"]])
def test_same_command_gives_the_same_files(images, tmp_path, options):
    start(tmp_path / "one", images, *SHORT, "data.num_workers=0")
    start(tmp_path / "two", images, *SHORT, *options)
    first, second = digest(tmp_path / "one"), digest(tmp_path / "two")
    assert len(first) > 8  # maps are among them
    assert find_differences(first, second) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_worker_is_an_error_and_the_run_resumes(images, tmp_path, monkeypatch):
    folder, whole = tmp_path / "run", tmp_path / "whole"
    start(whole, images, *SHORT, "data.num_workers=2")
    step, steps = MultilabelModule.training_step, []

    def stepping(module, batch, index):
        steps.append(index)
        if len(steps) == 2:
            children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children").read_text().split()
            assert children
            for child in children:
                os.kill(int(child), signal.SIGKILL)
        return step(module, batch, index)

    began = time.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr(MultilabelModule, "training_step", stepping)
        with raises("dead-process", "data.num_workers"):
            start(folder, images, *SHORT, "data.num_workers=2")
    assert time.monotonic() - began < 60
    assert find_unreadable(folder) == []
    start(folder, images, *SHORT, "data.num_workers=2", f"resume={folder}")
    assert find_differences(digest(folder), digest(whole)) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_loader_that_stalls_for_5_seconds_stops_nothing(images, tmp_path, monkeypatch):
    read, calls = ViewDataset.__getitems__, []

    def reading(views, keys):
        calls.append(keys)
        if len(calls) == 2:
            time.sleep(5)
        return read(views, keys)

    monkeypatch.setattr(ViewDataset, "__getitems__", reading)
    start(tmp_path / "run", images, *SHORT, "data.num_workers=2")
    start(tmp_path / "whole", images, *SHORT, "data.num_workers=0")
    assert find_differences(digest(tmp_path / "run"), digest(tmp_path / "whole")) == []
