"""Tiny runs through the real command and in this process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest import mock

from chexpert.engine.train import run
from chexpert.runs import files as run_files
from helpers.commands import run_command
from helpers.configs import make

PROJECT = Path(__file__).parents[2]

# CHEXPERT_TEST_ACCELERATOR=gpu runs every tiny run of the tests on a GPU
ACCELERATOR = os.environ.get("CHEXPERT_TEST_ACCELERATOR", "cpu")
TINY = [
    "data.image_size=64",
    "data.batch_size=8",
    "data.num_workers=0",
    "trainer.max_epochs=1",
    f"trainer.accelerator={ACCELERATOR}",
    f"trainer.deterministic={str(ACCELERATOR != 'cpu').lower()}",
    "pretrained=false",
    "trainer.log_every_n_steps=1",
    "backbone=resnet10t",
    "+backbone.options={channels:[4,4,8,8],stem_width:4}",
    "explain.count=1",
    "explain.top=2",
    "explain.score=0",
    "gate=null",
]


LIME = ["explainer.lime.samples=20", "explainer.lime.superpixels=8"]


def train(*arguments: str, cwd: Path = PROJECT, plotted: bool = False) -> subprocess.CompletedProcess:
    """Run train.py in a process that has imported the libraries; metrics are plotted where that is asked for."""
    return run_command("train.py", *arguments, cwd=cwd, within=nullcontext if plotted else leaving_plots_out)


def train_anew(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess:
    """Run train.py as a user does, by a new interpreter."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(PROJECT / "train.py"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def start(folder: Path, phantom: Path, *overrides: str, plotted: bool = False) -> float:
    """Run one tiny job in this process; explain by Grad-CAM, and plot metrics only where that is asked for.

    Plotting takes four times as long as all the rest of such a job.
    """
    folder.mkdir(exist_ok=True)
    cfg = make("data=small", f"data.root={phantom}", *TINY, "explainer=[gradcam]", *overrides)
    with nullcontext() if plotted else leaving_plots_out():
        return run(cfg, folder)


@contextmanager
def leaving_plots_out() -> Iterator[None]:
    """An empty report, and no plots in TensorBoard."""

    def leave_empty(folder: Path) -> None:
        (folder / run_files.REPORT).touch()

    with (
        mock.patch("chexpert.engine.train.write_report", leave_empty),
        mock.patch("chexpert.engine.fit.write_report", leave_empty),
        mock.patch("chexpert.engine.fit.show_evaluation"),
    ):
        yield
