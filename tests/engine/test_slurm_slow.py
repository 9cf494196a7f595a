"""Jobs of SLURM, with small scripts in place of its commands."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.runs import PROJECT, TINY
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from chexpert.data import write_phantom

FAKES = {
    # Starts the command once for each node, and exits with the code of the first.
    "srun": """
while [ "${1#-}" != "$1" ]; do shift; done
for node in $(seq 1 $((SLURM_JOB_NUM_NODES - 1))); do SLURM_NODEID=$node SLURM_PROCID=$node "$@" & done
SLURM_NODEID=0 SLURM_PROCID=0 exec "$@"
""",
    "scontrol": """
if [ "$1" = show ]; then echo localhost; else echo "$@" >> "$FAKE_SLURM/calls"; fi
""",
    "sinfo": "exit 0",
}


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Path:
    """A folder with the commands, first in PATH, and a record of their calls."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, script in FAKES.items():
        path = folder / name
        path.write_text(f"#!/bin/bash\n{script.strip()}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    settings = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "FAKE_SLURM": str(folder),
        "SLURM_JOB_ID": "4711",
        "SLURM_JOB_NAME": "chexpert",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_NNODES": "1",
        "SLURM_NTASKS": "1",
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": "0",
    }
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    return folder


@pytest.fixture
def images(tmp_path) -> Path:
    return write_phantom(tmp_path / "phantom", patients=20, valid=24, test=8, size=96, workers=1)


def submit(cwd: Path, images: Path, *options: str) -> subprocess.Popen:
    """Start the script that sbatch runs on the first node."""
    tiny = [*TINY, "data=small", f"data.root={images}", "explainer=[]", "calibration=null", *options]
    script = PROJECT / "docs/how-to/train.sbatch"
    return subprocess.Popen([str(script), *tiny], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A folder with all files that the script needs, and its own outputs."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("train.py", "conf", "chexpert"):
        (folder / name).symlink_to(PROJECT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("nodes", [1, 2])
def test_sbatch_example_trains_in_one_folder(slurm, images, checkout, monkeypatch, nodes):
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", str(nodes))
    monkeypatch.setenv("SLURM_NTASKS", str(nodes))
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "2" if nodes == 1 else "1")
    output = (process := submit(checkout, images)).communicate()[0]
    assert process.returncode == 0, output[-4000:]
    assert [path.name for path in (checkout / "outputs").iterdir()] == ["slurm-4711"]
    assert json.loads((checkout / "outputs/slurm-4711/state.json").read_text())["state"] == "finished"
    assert (checkout / "outputs/slurm-4711/checkpoints/best.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_job_at_its_time_limit_is_requeued_and_resumes(slurm, images, checkout, monkeypatch):
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "1")
    folder = checkout / "outputs/slurm-4711"
    process = submit(checkout, images, "trainer.max_epochs=40")
    while not (folder / "checkpoints/last.ckpt").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGUSR1)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 128 + signal.SIGUSR1, output[-3000:]
    assert (slurm / "calls").read_text() == "requeue 4711\n"
    state = json.loads((folder / "state.json").read_text())
    assert state["state"] == "stopped"
    assert "SIGUSR1" in state["why"]
    process = submit(checkout, images, "trainer.max_epochs=40")
    output = process.communicate()[0]
    assert process.returncode == 0, output[-3000:]
    state = json.loads((folder / "state.json").read_text())
    assert state["state"] == "finished"
    assert len(state["resumed"]) == 1


def test_launcher_requests_the_resources_of_its_config(slurm, tmp_path):
    import submitit

    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        cfg = compose("train", ["hydra/launcher=slurm"], return_hydra_config=True)
    node = OmegaConf.to_container(cfg.hydra.launcher)
    shared = ("timeout_min", "cpus_per_task", "gpus_per_node", "tasks_per_node", "mem_gb", "nodes", "stderr_to_stdout")
    left_out = ("_target_", "submitit_folder", "max_num_timeout", "name")
    options = {key if key in shared else f"slurm_{key}": value for key, value in node.items() if key not in left_out}
    executor = submitit.AutoExecutor(tmp_path, cluster="slurm")
    executor.update_parameters(**options)
    lines = executor._executor._make_submission_file_text("run", "id").split("\n")
    requests = "signal=USR1@300", "requeue", "cpus-per-task=16", "ntasks-per-node=1", "gpus-per-node=1", "time=1440"
    assert {f"#SBATCH --{request}" for request in requests} <= set(lines)
    assert lines.index("export HF_HUB_OFFLINE=1") < next(n for n, line in enumerate(lines) if line.startswith("srun"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_local_launcher_runs_a_sweep_of_four(images, tmp_path):
    sweep = tmp_path / "sweep"
    command = [
        sys.executable,
        "train.py",
        "-m",
        "hydra/launcher=slurm_local",
        f"hydra.sweep.dir={sweep}",
        "seed=0,1,2,3",
    ]
    options = [*TINY, "data=small", f"data.root={images}", "explainer=[]", "calibration=null"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *options], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    for number in range(4):
        assert json.loads((sweep / f"{number}/state.json").read_text())["state"] == "finished"
