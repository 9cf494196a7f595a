"""A disk that is full, and a folder that cannot be written: one message, and the checkpoint before still loads."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.chaos import PROJECT, begin, find_log, find_unreadable, finish, make_images

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
    """A file system of so many MB of its own."""
    if not ROOT:
        pytest.skip("mounting a small disk takes root")
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", str(place))
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


# The best checkpoint of this model takes 20 MB, the last 59: from no space for the first to none for the second last.
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("small_disk", [12, 18, 30, 50, 70, 85, 95, 105, 120, 130], indirect=True)
def test_a_full_disk_is_reported_and_the_checkpoint_before_loads(images, small_disk, tmp_path):
    folder = small_disk / "run"
    process = begin(images, folder, tmp_path / "tmp", "save_every_n_minutes=1000")
    code = process.wait(300)
    said = find_log(tmp_path / "tmp").read_text()
    kept = sorted(path.name for path in folder.glob("checkpoints/*"))
    print(f"{small_disk}: code {code}, kept {kept}, said {said[-500:]}")
    assert code == 1
    assert "cannot be saved" in said
    assert "no space left" in said.lower()
    assert str(folder) in said or os.path.relpath(folder, PROJECT) in said
    assert "Traceback" not in said
    assert find_unreadable(folder) == []
    assert list(folder.rglob("*.part")) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("way", ["remounted", "immutable"])
def test_a_folder_that_turns_read_only_is_reported_and_the_checkpoint_before_loads(images, tmp_path, way):
    """After a first run that was whole: one more epoch cannot write its checkpoint."""
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
        code, said = process.wait(300), find_log(tmp_path / "tmp").read_text()
    finally:
        if way == "remounted":
            subprocess.run(["umount", "-l", str(checkpoints)], check=True)
        else:
            subprocess.run(["chattr", "-i", str(checkpoints)], check=True)
    assert code == 1
    assert str(checkpoints) in said or os.path.relpath(checkpoints, PROJECT) in said
    assert "hint:" in said
    assert "Traceback" not in said
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == before
    assert find_unreadable(folder) == []
