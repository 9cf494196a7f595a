"""Runs of the real command that are killed, starved and compared. The model is large enough that it is often being
written; everything random in training is on, so that a run that resumes wrongly ends with other weights."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from chexpert.data import write_phantom

PROJECT = Path(__file__).parents[2]
SHORT = tempfile.TemporaryDirectory(prefix="s")
CHAOS = [
    "data=small",
    "data.image_size=64",
    "data.batch_size=8",
    "data.num_workers=0",
    "trainer.max_epochs=3",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
    "trainer.log_every_n_steps=1",
    "pretrained=false",
    "backbone=resnet10t",
    "model.dropout=0.3",
    "save_every_n_minutes=0.0001",  # a checkpoint after every step
    "explainer=[gradcam]",
    "explain.count=2",
    "explain.score=4",
]


def make_images(folder: Path) -> Path:
    return write_phantom(folder / "phantom", patients=40, valid=24, test=8, size=96, workers=1)


def begin(images: Path, folder: Path, temporary: Path, *options: str, resume: bool = False) -> subprocess.Popen:
    """Starts the command; what it says lies beside its folder for temporary files."""
    temporary.mkdir(exist_ok=True)
    new = [f"hydra.run.dir={folder}", f"data.root={images}", *CHAOS]
    place = [*([f"resume={folder}"] if resume else new), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(shorten(temporary))}
    with find_log(temporary).open("a") as log:
        command = [sys.executable, str(PROJECT / "train.py"), *place]
        return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)


def shorten(folder: Path) -> Path:
    """A short path of a folder: the path of a socket in it is bounded."""
    link = Path(SHORT.name) / str(len(list(Path(SHORT.name).iterdir())))
    link.symlink_to(folder)
    return link


def find_log(temporary: Path) -> Path:
    return temporary.with_suffix(".log")


def finish(process: subprocess.Popen, temporary: Path, seconds: float = 600) -> None:
    assert process.wait(seconds) == 0, find_log(temporary).read_text()[-3000:]


def wait_for(message: Callable[[], object], process: subprocess.Popen, seconds: float = 120) -> bool:
    """Whether this became true while the process lived."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if message():
            return True
        time.sleep(0.0005)
    return False


def find_parts(folder: Path) -> list[Path]:
    """Checkpoints that are being written."""
    return list(folder.glob("checkpoints/*.part"))


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def kill_in_a_write(process: subprocess.Popen, folder: Path, dice: random.Random) -> bool:
    """Kills while a checkpoint is being written, somewhere in its bytes; whether a part of one was left."""
    count = dice.randrange(1, 8)
    for _ in range(count):  # not always the first
        wait_for(lambda: find_parts(folder), process)
        wait_for(lambda: not find_parts(folder), process)
    wait_for(lambda: find_parts(folder), process)
    time.sleep(dice.uniform(0, 0.05))
    kill(process)
    return bool(find_parts(folder))


def kill_at_random(process: subprocess.Popen, folder: Path, dice: random.Random, seconds: float) -> bool:
    """Kills up to so many seconds after the run has begun its work; whether it was in a write."""
    wait_for(lambda: (folder / "config.yaml").exists(), process)
    time.sleep(dice.uniform(0, seconds))
    kill(process)
    return bool(find_parts(folder))


def find_unreadable(folder: Path) -> list[str]:
    """Checkpoints that torch cannot load."""
    broken = []
    for path in folder.glob("checkpoints/*.ckpt"):
        try:
            torch.load(path, weights_only=True)["state_dict"]
        except Exception as error:
            broken.append(f"{path}: {error}")
    return broken


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of everything that must be the same: weights, optimizer, metrics, predictions, maps."""
    found = {}
    for name in ("last", "best"):
        content = torch.load(folder / f"checkpoints/{name}.ckpt", weights_only=True)
        for part in ("state_dict", "optimizer_states"):  # the best has weights only
            found[f"{name} {part}"] = hashlib.sha256(_bytes(content.get(part))).hexdigest()
    metrics = json.loads((folder / "metrics.json").read_text())
    for cost in ("seconds", "resources"):
        metrics.pop(cost, None)
    found["metrics"] = json.dumps(metrics, sort_keys=True)
    for path in [*folder.glob("predictions/*.csv"), *folder.glob("explanations/**/*_map.npz")]:
        found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _bytes(content: object) -> bytes:
    if isinstance(content, torch.Tensor):
        return content.contiguous().numpy().tobytes()
    if isinstance(content, dict):
        return b"".join(str(key).encode() + _bytes(content[key]) for key in sorted(content, key=str))
    if isinstance(content, list | tuple):
        return b"".join(map(_bytes, content))
    return repr(content).encode()


def find_differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))
