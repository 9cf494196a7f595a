"""Several processes train the same model as one process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.runs import PROJECT, TINY, train

from chexpert.distributed import count_devices

# Without batch statistics, which are each process's own, and in full precision.
SMOOTH = [
    "backbone.name=convnext_atto",
    "+backbone.options={depths:[1,1,1,1],dims:[8,16,16,16]}",
    "trainer.precision=32-true",
    "explainer=[gradcam]",
    "trainer.max_epochs=2",
    "predict_train=true",
]
TWO = ["trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu"]


def options(phantom: Path, *more: str) -> list[str]:
    tiny = [option for option in TINY if not option.lstrip("+").startswith("backbone")]
    return ["data=small", f"data.root={phantom}", *tiny, *SMOOTH, "explain.score=0", *more]


def read(folder: Path) -> dict:
    """Return the AUROCs, paths and predictions of a run."""
    metrics = json.loads((folder / "metrics.json").read_text())
    rows = [(folder / "predictions" / f"{split}.csv").read_text().split() for split in ("train", "valid")]
    return {
        "auroc": {name: own["value"] for name, own in metrics["valid"]["auroc"].items()},
        "paths": [[row.split(",")[0] for row in part] for part in rows],
        "values": [float(value) for part in rows for row in part[2:] for value in row.split(",")[1:] if value],
    }


def check_equal(ours: Path, theirs: Path) -> None:
    one, other = read(ours), read(theirs)
    assert one["auroc"] == pytest.approx(other["auroc"], abs=1e-6)
    assert one["paths"] == other["paths"]  # each view once, in the order of the file
    assert one["values"] == pytest.approx(other["values"], abs=1e-6)


@pytest.fixture(scope="module")
def single(tmp_path_factory, phantom) -> Path:
    """The run of one process."""
    folder = tmp_path_factory.mktemp("single") / "run"
    done = train(*options(phantom), f"hydra.run.dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def test_two_processes_match_one(tmp_path, phantom, single):
    """The last of 39 views in batches of 8 are 7: the processes get unequal shares of them."""
    done = train(*options(phantom, *TWO), f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    printed = (done.stderr.count("run folder:"), done.stdout.count("run folder:"))
    assert printed == (1, 1)  # at the start and at the end, by the first process only
    check_equal(tmp_path / "run", single)
    assert list((tmp_path / "run/explanations/gradcam").glob("*/*.png"))


@pytest.mark.slow
def test_sweep_trains_each_job_on_two_processes(tmp_path, phantom, single):
    swept = ["data.num_workers=0,1,2", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = train("-m", *options(phantom, *TWO), *swept)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == ["0", "1", "2"]
    for job in ("0", "1", "2"):
        check_equal(tmp_path / "sweep" / job, single)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["torchrun", "srun"])
def test_processes_of_torchrun_and_srun_share_one_folder(tmp_path, phantom, single, by):
    """Two seconds apart, so that their clocks would name two folders."""
    ranks = []
    for rank in range(2):
        extra = torchrun_variables(rank) if by == "torchrun" else slurm_variables(rank)
        command = [sys.executable, str(PROJECT / "train.py"), *options(phantom, *TWO)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"} | extra
        ranks.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True))
        time.sleep(2)
    errors = [rank.communicate(timeout=240)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    (folder,) = (tmp_path / "outputs/chexpert").iterdir()
    check_equal(folder, single)


def torchrun_variables(rank: int) -> dict[str, str]:
    """Return the variables that torchrun sets without the store of an agent."""
    names = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": 2,
        "LOCAL_WORLD_SIZE": 2,
        "GROUP_RANK": 0,
        "ROLE_RANK": rank,
    }
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29611", "TORCHELASTIC_RUN_ID": "none"}
    return {name: str(value) for name, value in names.items()} | place


def slurm_variables(rank: int) -> dict[str, str]:
    """Return the variables that srun sets for two tasks on one node."""
    names = {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "SLURM_NTASKS": 2, "SLURM_NTASKS_PER_NODE": 2}
    job = {"SLURM_JOB_ID": "424242", "SLURM_JOB_NAME": "train", "SLURM_NODEID": "0", "SLURM_NODELIST": "127.0.0.1"}
    return {name: str(value) for name, value in names.items()} | job


@pytest.mark.slow
def test_two_processes_take_the_kept_predictions_of_the_best_epoch(tmp_path, phantom):
    whole = tmp_path / "whole"
    done = train(*options(phantom, *TWO, "averaging=ema"), f"hydra.run.dir={whole}")
    assert done.returncode == 0, done.stderr
    resume_before_evaluation(whole, tmp_path / "anew", lambda file: file.unlink())
    resume_before_evaluation(whole, tmp_path / "kept", lambda file: None)
    resume_before_evaluation(whole, tmp_path / "marked", mark)
    resume_before_evaluation(whole, tmp_path / "one", mark, "trainer.devices=1", "trainer.strategy=auto")
    found = {path.name: (path / "predictions/valid.csv").read_bytes() for path in tmp_path.iterdir()}
    assert found["whole"] == found["anew"] == found["kept"]
    assert [row.split(b",")[1] for row in found["marked"].splitlines()[1:]] == [b"0.25"] * 24
    assert read(tmp_path / "one")["values"] == pytest.approx(read(whole)["values"], abs=1e-6)  # evaluated anew


def resume_before_evaluation(whole: Path, folder: Path, change: Callable[[Path], object], *more: str) -> None:
    """Resume a copy of a run as if it had been killed after its last epoch, with a changed file of predictions."""
    shutil.copytree(whole, folder)
    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"state": "running"}))
    change(folder / "checkpoints/best-validation.pt")
    done = train(f"resume={folder}", *more)
    assert done.returncode == 0, done.stderr


def mark(file: Path) -> None:
    """Set all kept probabilities, so that it shows where they are taken."""
    content = torch.load(file, weights_only=True)
    content["validation"]["probabilities"].fill_(0.25)
    torch.save(content, file)


@pytest.mark.slow
def test_death_of_one_process_ends_all(tmp_path, phantom):
    command = [sys.executable, str(PROJECT / "train.py"), *options(phantom, *TWO, "trainer.max_epochs=200")]
    with subprocess.Popen([*command, f"hydra.run.dir={tmp_path}/run"], stderr=subprocess.PIPE, text=True) as parent:
        while not next(parent.stderr).startswith("epoch 2/"):
            pass
        ranks = find_children(parent.pid)
        assert len(ranks) == 2
        os.kill(ranks[1], signal.SIGKILL)
        begun = time.monotonic()
        parent.communicate(timeout=60)
    assert parent.returncode != 0
    assert time.monotonic() - begun < 30
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)
    assert json.loads((tmp_path / "run/state.json").read_text())["state"] == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_all_processes_and_the_run_resumes(tmp_path, phantom, single, signum):
    command = [sys.executable, str(PROJECT / "train.py"), *options(phantom, *TWO, f"hydra.run.dir={tmp_path}/run")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as parent:
        while not next(parent.stderr).startswith("epoch 1/"):
            pass
        parent.send_signal(signum)
        parent.communicate(timeout=60)
    assert parent.returncode == 128 + signum
    done = train(f"resume={tmp_path}/run", "trainer.devices=1", "trainer.strategy=auto")  # on fewer devices, too
    assert done.returncode == 0, done.stderr
    check_equal(tmp_path / "run", single)


def find_children(parent: int) -> list[int]:
    """Return the ids of the processes that torch spawned."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if f"PPid:\t{parent}\n" in status.read_text() and b"spawn_main" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
        except OSError:
            continue
    return sorted(found)


@pytest.mark.parametrize(("devices", "count"), [(1, 1), (3, 3), ([0, 2], 2)])
def test_devices_are_counted(devices, count):
    assert count_devices({"devices": devices}) == count


def test_auto_devices_of_a_cpu_are_one():
    assert count_devices({"devices": "auto", "accelerator": "cpu"}) == 1
    assert torch.cuda.is_available() or count_devices({"devices": "auto"}) == 1
