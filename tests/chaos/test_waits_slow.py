"""A signal ends every wait for processes that hang, and a /dev/shm that is too small is an error."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from helpers.chaos import PROJECT, begin, digest, find_differences, find_log, find_unreadable, finish, make_images
from helpers.chaos import wait_for as wait_briefly

from chexpert.data import write_phantom

ENDS = {signal.SIGTERM: {143, -15}, signal.SIGINT: {130, -2}}  # by the handler, or by the system
SECONDS = 10
FEW = ["data.num_workers=2", "save_every_n_minutes=1000"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.skipif(sys.platform != "linux", reason="/proc")]
signals = pytest.mark.parametrize("signum", ENDS, ids=lambda signum: signum.name)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Enough images for several processes."""
    folder = tmp_path_factory.mktemp("many") / "phantom"
    return write_phantom(folder, patients=150, valid=160, test=8, size=96, workers=1)


@pytest.fixture(scope="module")
def trained(many, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    finish(begin(many, folder / "run", folder / "tmp", "trainer.max_epochs=1", "data.num_workers=2"), folder / "tmp")
    return folder / "run"


@pytest.fixture(autouse=True)
def none_left(monkeypatch) -> Iterator[None]:
    """Kill processes that a failed test has left running or frozen."""
    original, started = subprocess.Popen, []

    def start(*arguments, **options):
        started.append(original(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    yield
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait(30)


def wait_for(message: Callable[[], object], process: subprocess.Popen) -> bool:
    return wait_briefly(message, process, 400)


def find_children(process: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def find_lasting(process: int) -> list[int]:
    """Return children that are not just being started: those would freeze with their parent."""
    before = find_children(process)
    time.sleep(0.05)
    return [child for child in find_children(process) if child in before]


def freeze(processes: Sequence[int]) -> None:
    for process in processes:
        os.kill(process, signal.SIGSTOP)


def call(tmp_path: Path, *command: object) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (tmp_path / "call.log").open("w") as log:
        arguments = [sys.executable, *map(str, command)]
        return subprocess.Popen(arguments, cwd=PROJECT, env=environment, stdout=log, stderr=log)


def end(process: subprocess.Popen, signum: int, log: Path) -> None:
    """Signal a process that waits; check that it and its children end in time."""
    children = find_children(process.pid)
    children += [grandchild for child in children for grandchild in find_children(child)]
    began = time.monotonic()
    process.send_signal(signum)
    try:
        code = process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        code = None
    seconds = time.monotonic() - began
    print(f"{signum.name}: {seconds:.1f} s, code {code}; {log.read_text()[-300:]}")
    for child in children:  # a frozen one checks its parent only when it continues
        try:
            os.kill(child, signal.SIGCONT)
        except ProcessLookupError:
            continue
    assert code in ENDS[signum], log.read_text()[-3000:]
    assert seconds <= SECONDS
    until = time.monotonic() + SECONDS
    while any(is_alive(child) for child in children) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [child for child in children if is_alive(child)]


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@signals
def test_training_with_frozen_loaders_stops_and_resumes(images, tmp_path, signum):
    folder = tmp_path / "run"
    process = begin(images, folder, tmp_path / "tmp", *FEW)
    assert wait_for(lambda: (folder / "checkpoints/last.ckpt").exists(), process)
    time.sleep(0.2)
    freeze(find_lasting(process.pid))
    time.sleep(1)
    end(process, signum, find_log(tmp_path / "tmp"))
    assert '"stopped"' in (folder / "state.json").read_text()
    assert find_unreadable(folder) == []
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] >= 9
    finish(begin(images, folder, tmp_path / "tmp", resume=True), tmp_path / "tmp")
    whole = begin(images, tmp_path / "whole", tmp_path / "whole_tmp", "save_every_n_minutes=1000")
    finish(whole, tmp_path / "whole_tmp")
    assert find_differences(digest(folder), digest(tmp_path / "whole")) == []


@signals
@pytest.mark.parametrize("workers", [0, 2])
def test_wait_for_a_hanging_disk_ends(tmp_path, signum, workers):
    """Reading a pipe without a writer waits like reading from a network share that is gone."""
    images, folder = make_images(tmp_path), tmp_path / "run"
    process = begin(images, folder, tmp_path / "tmp", f"data.num_workers={workers}", "save_every_n_minutes=1000")
    assert wait_for(lambda: (folder / "checkpoints/last.ckpt").exists(), process)
    for file in images.glob("*/train/**/*.jpg"):
        file.unlink()
        os.mkfifo(file)
    time.sleep(3)
    end(process, signum, find_log(tmp_path / "tmp"))
    assert find_unreadable(folder) == []
    assert '"stopped"' in (folder / "state.json").read_text()


@signals
@pytest.mark.parametrize("message", ["validation", "cache"])
def test_run_ends_before_it_trains(many, tmp_path, signum, message):
    """It validates, or fills its cache, when its processes freeze."""
    options = ["trainer.max_epochs=0"] if message == "validation" else [f"data.cache={tmp_path / 'cache'}"]
    process = begin(many, tmp_path / "run", tmp_path / "tmp", "data.num_workers=2", *options)
    assert wait_for(lambda: find_lasting(process.pid), process)
    freeze(find_lasting(process.pid))
    time.sleep(1)
    end(process, signum, find_log(tmp_path / "tmp"))


COMMANDS = {
    "predict": lambda run, images, out: [
        "scripts/predict.py",
        run,
        images,
        out / "p.csv",
        "--workers",
        2,
    ],
    "audit": lambda run, images, out: ["scripts/audit_data.py", images],
    "phantom": lambda run, images, out: ["scripts/make_phantom.py", out / "new", "--patients", 500],
    "explain": lambda run, images, out: ["scripts/explain.py", run, "--explainer", "gradcam", "--out", out / "e"],
    "ensemble": lambda run, images, out: ["scripts/ensemble.py", run / "checkpoints/best.ckpt", "--out", out / "e"],
}


@signals
@pytest.mark.parametrize("command", COMMANDS)
def test_command_with_frozen_processes_ends(trained, many, tmp_path, signum, command):
    process = call(tmp_path, *COMMANDS[command](trained, many, tmp_path))
    if not wait_for(lambda: find_lasting(process.pid), process):
        pytest.fail((tmp_path / "call.log").read_text())
    freeze(find_lasting(process.pid))
    time.sleep(1)
    end(process, signum, tmp_path / "call.log")


@signals
@pytest.mark.parametrize("frozen", ["loader", "process"])
def test_run_of_two_processes_ends_if_one_hangs(images, tmp_path, signum, frozen):
    folder = tmp_path / "run"
    together = ["trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", "trainer.precision=32-true"]
    process = begin(images, folder, tmp_path / "tmp", *FEW, *together)
    assert wait_for(lambda: (folder / "checkpoints/last.ckpt").exists(), process)
    ranks = [child for child in find_children(process.pid) if find_children(child)]
    assert len(ranks) == 2
    freeze([ranks[1]] if frozen == "process" else find_children(ranks[1]))
    time.sleep(2)
    end(process, signum, find_log(tmp_path / "tmp"))
    assert find_unreadable(folder) == []


@signals
def test_run_that_waits_within_a_library_ends(images, tmp_path, signum):
    """A wait in C, as a look-up of a host name, delays signals to Python."""
    waits = "import ctypes, chexpert.engine.train\nlock = ctypes.CDLL(None).pthread_mutex_lock\n"
    waits += "mutex = ctypes.create_string_buffer(64)\n"
    waits += "def wait(): lock(mutex); lock(mutex)\n"
    waits += "chexpert.engine.train.try_out = lambda cfg: wait(); "
    options = [f"hydra.run.dir={tmp_path / 'run'}", f"data.root={images}", "data=small", "pretrained=false"]
    code = f"{waits}import runpy, sys; sys.argv[1:] = {options!r}; runpy.run_path('train.py', run_name='__main__')"
    process = call(tmp_path, "-c", code)
    assert wait_for(lambda: (tmp_path / "run/state.json").exists(), process)
    time.sleep(1)
    end(process, signum, tmp_path / "call.log")


@signals
def test_sweep_job_that_waits_for_another_process_ends(images, tmp_path, signum):
    (tmp_path / "sweep/0").mkdir(parents=True)
    hold = "import sys, time; from pathlib import Path; from chexpert.runs.state import run_lock\n"
    hold += "with run_lock(Path(sys.argv[1])): print(flush=True); time.sleep(3000)"
    with subprocess.Popen([sys.executable, "-c", hold, tmp_path / "sweep/0"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        options = [
            "-m",
            f"hydra.sweep.dir={tmp_path / 'sweep'}",
            f"data.root={images}",
            "data=small",
            "pretrained=false",
            "seed=0,1",
        ]
        process = call(tmp_path, "train.py", *options, "resume=auto")
        log = tmp_path / "call.log"
        assert wait_for(lambda: "waiting" in log.read_text(), process), log.read_text()
        time.sleep(1)
        end(process, signum, log)
        other.kill()


# Shared memory


def shared(size: str, script: str, tmp_path: Path) -> subprocess.CompletedProcess:
    """Run a script with a separate /dev/shm."""
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("a /dev/shm of its own takes root and unshare")
    mount = f"mount -t tmpfs -o size={size} tmpfs /dev/shm || exit 77\n"
    options = {"capture_output": True, "text": True, "cwd": PROJECT, "timeout": 240, "check": False}
    done = subprocess.run(["unshare", "-m", "bash", "-c", mount + script], **options)
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip(f"a /dev/shm of its own cannot be mounted here: {done.stderr.strip()}")
    return done


def spell(images: Path, folder: Path, *options: str) -> str:
    base = [f"data.root={images}", "data=small", "trainer.max_epochs=20", "trainer.accelerator=cpu", "pretrained=false"]
    base += ["backbone=resnet10t", "explainer=[]", "data.batch_size=16", *FEW]
    return " ".join([sys.executable, "train.py", f"hydra.run.dir={folder}", *map(repr, [*base, *options])])


def test_too_little_shared_memory_is_an_error_before_a_step(images, tmp_path):
    done = shared("4m", spell(images, tmp_path / "run", "data.image_size=320"), tmp_path)
    assert done.returncode == 1
    for word in ("/dev/shm", "4 MiB", "data.num_workers=", "--shm-size", "--ipc=host"):
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_run_without_free_shared_memory_ends_and_resumes(images, tmp_path):
    folder = tmp_path / "run"
    fill = f"""
    {spell(images, folder, "data.image_size=96")} &
    run=$!
    while ! test -f {folder}/checkpoints/last.ckpt; do sleep .1; done
    # Repeatedly: an older batch leaves space for another one when it is freed.
    while kill -0 $run; do head -c 100m /dev/zero >> /dev/shm/full; sleep .02; done 2> /dev/null
    wait $run
    """
    began = time.monotonic()
    done = shared("64m", fill, tmp_path)
    print(f"{time.monotonic() - began:.1f} s in all: {done.stderr}")
    assert done.returncode == 1
    assert "/dev/shm" in done.stderr
    assert "64 MiB" in done.stderr
    assert "Traceback" not in done.stderr
    assert find_unreadable(folder) == []
    before = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"]
    again = f"{sys.executable} train.py resume={folder} data.num_workers=0"
    done = subprocess.run(again.split(), cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] > before


def test_shared_memory_without_space_for_a_semaphore_is_an_error(trained, images, tmp_path):
    script = f"""
    head -c 1m /dev/zero > /dev/shm/full 2> /dev/null
    {sys.executable} scripts/make_phantom.py {tmp_path}/new --patients 500
    {sys.executable} scripts/predict.py {trained} {images} {tmp_path}/p.csv --workers 2
    """
    done = shared("64k", script, tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("/dev/shm") == 2
    assert "Traceback" not in done.stderr
