"""SIGTERM and SIGINT at 20 moments of training, evaluation and explaining: exit code and files."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from helpers.chaos import begin, digest, find_differences, find_log, find_unreadable, finish, make_images, wait_for
from helpers.runs import start

from chexpert.data import write_phantom
from chexpert.explain import GradCAM, HiResCAM
from chexpert.signals import Stopped
from chexpert.training import MultilabelModule

SHORT = ["trainer.max_epochs=2", "explainer=[gradcam,hirescam]", "model.dropout=0.3", "save_every_n_minutes=1000"]
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
TRAINING, VALIDATION = (MultilabelModule, "training_step"), (MultilabelModule, "validation_step")
MOMENTS = [
    *((TRAINING, count) for count in (1, 2, 3, 5)),
    *((VALIDATION, count) for count in (1, 2, 4, 8)),  # 1 and 2: the sanity check before training
    ((GradCAM, "__call__"), 1),
    ((HiResCAM, "__call__"), 1),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", patients=20, valid=24, test=8, size=96, workers=1)


@pytest.fixture(scope="module")
def undisturbed(images, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("whole")
    start(folder, images, *SHORT)
    return digest(folder)


class Signaller:
    """Sends a signal in the count-th call of a method, and counts the training steps before it."""

    def __init__(self, monkeypatch, where, count: int, signum: int) -> None:
        self.sent = 0.0
        self.trained = self.calls = 0
        kind, name = where
        original, step = getattr(kind, name), MultilabelModule.on_before_zero_grad

        def calling(*arguments, **options):
            self.calls += 1
            if self.calls == count:
                self.sent = time.monotonic()
                os.kill(os.getpid(), signum)
            return original(*arguments, **options)

        def stepping(*arguments):
            self.trained += self.sent == 0
            return step(*arguments)

        monkeypatch.setattr(kind, name, calling)
        monkeypatch.setattr(MultilabelModule, "on_before_zero_grad", stepping)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("where", "count"), MOMENTS, ids=lambda value: value[1] if isinstance(value, tuple) else str(value)
)
@pytest.mark.parametrize("signum", CODES, ids=lambda signum: signum.name)
def test_run_stops_at_a_signal_and_resumes(images, undisturbed, tmp_path, monkeypatch, where, count, signum):
    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        signaller = Signaller(patched, where, count, signum)
        with pytest.raises(Stopped) as caught:
            start(folder, images, *SHORT)
    seconds = time.monotonic() - signaller.sent
    print(f"{signum.name} in {where[1]} {count}: {seconds:.2f} s, code {caught.value.code}")
    assert caught.value.code == CODES[signum]
    assert seconds <= 10
    assert find_unreadable(folder) == []
    if signaller.trained > 1:
        left = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"]
        assert left >= signaller.trained - 1
    assert list(folder.rglob("*.part")) == []
    start(folder, images, *SHORT, f"resume={folder}")
    assert find_differences(digest(folder), undisturbed) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("signum", CODES, ids=lambda signum: signum.name)
def test_command_stops_with_the_exit_code_of_the_signal(tmp_path, signum):
    images, folder = make_images(tmp_path), tmp_path / "run"
    process = begin(images, folder, tmp_path / "tmp", "save_every_n_minutes=1000", "backbone.name=mnasnet_small")
    assert wait_for(lambda: list(folder.glob("tensorboard/events*")), process)
    time.sleep(1)
    sent = time.monotonic()
    process.send_signal(signum)
    assert wait_for(lambda: '"stopped"' in (folder / "state.json").read_text(), process)
    assert time.monotonic() - sent <= 10  # and then Python takes its modules apart, seconds on a busy machine
    assert process.wait(60) == CODES[signum], find_log(tmp_path / "tmp").read_text()[-2000:]
    finish(begin(images, folder, tmp_path / "tmp", resume=True), tmp_path / "tmp")
