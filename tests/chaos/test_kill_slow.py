"""kill -9 at any moment, also within the write of a checkpoint, with outputs and TMPDIR on two file systems."""

import random
import shutil
import time
from pathlib import Path

import pytest
from helpers.chaos import (
    begin,
    digest,
    find_differences,
    find_parts,
    find_unreadable,
    finish,
    kill_at_random,
    kill_in_a_write,
    make_images,
)  # fmt: skip

MEMORY = Path("/dev/shm")
KILLS = 4


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def undisturbed(images, tmp_path_factory) -> tuple[dict[str, str], float]:
    """The digest of an undisturbed run, and its seconds."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = begin(images, folder, folder.parent / "tmp")
    while process.poll() is None and not (folder / "config.yaml").exists():
        time.sleep(0.05)
    started = time.monotonic()
    finish(process, folder.parent / "tmp")
    return digest(folder), time.monotonic() - started


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("seed", "often"), [(seed, seed < 5) for seed in range(8)])
def test_killed_run_resumes_to_the_same_bits(images, undisturbed, tmp_path, seed, often, request):
    expected, seconds = undisturbed
    dice = random.Random(seed)
    memory = MEMORY / f"chexpert-chaos-{time.time_ns()}"
    memory.mkdir()
    request.addfinalizer(lambda: shutil.rmtree(memory, ignore_errors=True))
    assert memory.stat().st_dev != tmp_path.stat().st_dev
    places = [(memory / "run", tmp_path / "tmp"), (tmp_path / "run", memory / "tmp")]
    folder, temporary = places[seed % 2]
    inside = 0
    for number in range(KILLS):
        options = [] if often or number else ["save_every_n_minutes=1000"]  # written at the ends of epochs only
        process = begin(images, folder, temporary, *options, resume=number > 0)
        inside += (
            kill_in_a_write(process, folder, dice)
            if often and number < 2
            else kill_at_random(process, folder, dice, seconds / (1 + number) if often else seconds + 5)
        )
        assert find_unreadable(folder) == []
    process = begin(images, folder, temporary, resume=folder.exists())
    finish(process, temporary)
    print(f"chain {seed}: {KILLS} kills, {inside} within a write, {folder} with TMPDIR {temporary}")
    assert find_parts(folder) == []
    assert list(folder.rglob("*.part")) == []
    assert list(temporary.iterdir()) == []
    assert find_unreadable(folder) == []
    assert find_differences(digest(folder), expected) == []
    assert inside >= often
