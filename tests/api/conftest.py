"""One tiny run of the API, in a folder as the page on Python has it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.runs import TINY

import chexpert

FOLDER = "outputs/chexpert/2026-01-01_12-00-00"
SETTINGS = [*TINY, "data=small", "data.root=data", "explainer=[gradcam]", "data.dev=0.3", "predict_train=true"]


@dataclass
class Workplace:
    """A folder with the phantom as ``data``, images, and a run."""

    folder: Path
    run: chexpert.Run


@contextmanager
def within(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory, phantom) -> Workplace:
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "data").symlink_to(phantom)
    views = sorted((phantom / "CheXpert-v1.0-small/valid").rglob("*_frontal.jpg"))[:3]
    (folder / "images").mkdir()
    for number, view in enumerate(views):
        shutil.copy(view, folder / "images" / f"DOE_JANE_{number}.jpg")
    shutil.copy(views[0], folder / "image.jpg")
    with within(folder):
        run = chexpert.train(*SETTINGS, f"hydra.run.dir={FOLDER}")
    return Workplace(folder, run)


@pytest.fixture
def at_work(workplace, monkeypatch) -> Workplace:
    """The same, as the current folder."""
    monkeypatch.chdir(workplace.folder)
    return workplace
