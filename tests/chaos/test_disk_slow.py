"""A full disk, and a folder that cannot be written: one error, and the last checkpoint still loads."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.chaos import PROJECT, begin, find_log, find_unreadable, finish, make_images
from helpers.errors import find_places

ROOT = os.geteuid() == 0


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("images"))


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path, request) -> Iterator[Path]:
    """A separate file system of so many MB."""
    if not ROOT:
        pytest.skip("mounting a small disk takes root")
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", str(place))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


# The best checkpoint of this model has 20 MB, the last 59: from no space for the first to none for the second last.
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("small_disk", [12, 18, 30, 50, 70, 85, 95, 105, 120, 130], indirect=True)
def test_full_disk_is_an_error_and_the_last_checkpoint_loads(images, small_disk, tmp_path):
    folder = small_disk / "run"
    process = begin(images, folder, tmp_path / "tmp", "save_every_n_minutes=1000")
    code = process.wait(300)
    log = find_log(tmp_path / "tmp").read_text()
    kept = sorted(path.name for path in folder.glob("checkpoints/*"))
    print(f"{small_disk}: code {code}, kept {kept}, log {log[-500:]}")
    assert code == 1
    assert "no space left" in log.lower()
    assert any(str(folder) in place or os.path.relpath(folder, PROJECT) in place for place in find_places(log))
    assert "Traceback" not in log
    assert find_unreadable(folder) == []
    assert list(folder.rglob("*.part")) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["remounted", "immutable"])
def test_read_only_folder_is_an_error_and_a_checkpoint_loads(images, tmp_path, way):
    """After a complete run, one more epoch cannot write its checkpoint."""
    if not ROOT:
        pytest.skip("both ways take root")
    folder = tmp_path / "run"
    finish(begin(images, folder, tmp_path / "tmp", "save_every_n_minutes=1000", "scheduler=constant"), tmp_path / "tmp")
    before = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"]
    checkpoints = folder / "checkpoints"
    if way == "remounted":
        mount("--bind", str(checkpoints), str(checkpoints))
        mount("-o", "remount,bind,ro", str(checkpoints))
    else:
        subprocess.run(["chattr", "+i", str(checkpoints)], check=True)
    try:
        process = begin(images, folder, tmp_path / "tmp", "trainer.max_epochs=5", resume=True)
        code, log = process.wait(300), find_log(tmp_path / "tmp").read_text()
    finally:
        if way == "remounted":
            subprocess.run(["umount", "-l", str(checkpoints)], check=True)
        else:
            subprocess.run(["chattr", "-i", str(checkpoints)], check=True)
    assert code == 1
    assert str(checkpoints) in log or os.path.relpath(checkpoints, PROJECT) in log
    assert "hint:" in log
    assert "Traceback" not in log
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == before
    assert find_unreadable(folder) == []
