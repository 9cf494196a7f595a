"""Sweeps and searches of real jobs, with the real command and launchers; also killed ones."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
import yaml
from helpers.runs import PROJECT, TINY
from helpers.runs import train_anew as train  # launchers import the main module anew

SMALL = [*TINY, "explainer=[]", "calibration=null", "data=small", "name=sweep"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def read_table(sweep: Path) -> list[dict]:
    return list(csv.DictReader((sweep / "table.csv").open()))


def read_states(sweep: Path) -> dict[str, dict]:
    return {path.parent.name: json.loads(path.read_text()) for path in sweep.glob("*/state.json")}


def kill_once(arguments: list[str], cwd: Path, count: int) -> Path:
    """Start the command, and kill it, but not its workers, when ``count`` of its jobs are finished."""
    command = [sys.executable, str(PROJECT / "train.py"), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (cwd / "killed.log").open("w") as log:
        parent = subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log)
    while parent.poll() is None:
        for sweep in (cwd / "outputs/sweep").glob("*"):
            if sum(state["state"] == "finished" for state in read_states(sweep).values()) >= count:
                parent.send_signal(signal.SIGKILL)
        time.sleep(0.1)
    assert parent.wait() == -signal.SIGKILL, (cwd / "killed.log").read_text()
    return next((cwd / "outputs/sweep").glob("*"))


@pytest.mark.parametrize("launcher", ["local", "submitit_local"])
def test_launcher_runs_a_sweep_with_a_failing_job(tmp_path, phantom, launcher):
    sweep = ["-m", f"hydra/launcher={launcher}", *SMALL, f"data.root={phantom}", f"hydra.sweep.dir={tmp_path}/sweep"]
    done = train(*sweep, "optimizer.lr=1e-3,2e-3,-1,3e-3")
    assert done.returncode == 1
    assert done.stdout.rstrip().endswith(f"chexpert compare {tmp_path}/sweep")
    rows = {row["job"]: row for row in read_table(tmp_path / "sweep")}
    assert {job: row["state"] for job, row in rows.items()} == {
        "0": "finished", "1": "finished", "2": "failed", "3": "finished",
    }  # fmt: skip
    assert "-1" in rows["2"]["why"]
    for job in "013":
        evaluation = json.loads((tmp_path / "sweep" / job / "evaluation/valid.json").read_text())
        assert float(rows[job]["auroc_mean"]) == evaluation["auroc_mean"]["value"]
    assert [row["optimizer.lr"] for row in sorted(rows.values(), key=lambda row: row["job"])] == [
        "0.001", "0.002", "-1", "0.003",
    ]  # fmt: skip


def test_killed_sweep_resumes_and_repeats_nothing(tmp_path, phantom):
    grid = ["seed=0,1,2,3,4", "optimizer.lr=1e-3,2e-3,3e-3,4e-3,5e-3,-1"]
    sweep = ["-m", "hydra/launcher=local", *SMALL, f"data.root={phantom}", *grid]
    folder = kill_once(sweep, tmp_path, count=10)
    before = {job for job, state in read_states(folder).items() if state["state"] in ("finished", "failed")}
    assert 10 <= len(before) < 30
    stamps = {job: (folder / job / "state.json").stat().st_mtime_ns for job in before}
    done = train(*sweep, "resume=auto", cwd=tmp_path)
    assert done.returncode == 1  # five have failed
    assert str(folder.relative_to(tmp_path)) in done.stderr
    assert [path.name for path in (tmp_path / "outputs/sweep").iterdir()] == [folder.name]
    assert {job: (folder / job / "state.json").stat().st_mtime_ns for job in before} == stamps
    rows = read_table(folder)
    failed = [row for row in rows if row["state"] == "failed"]
    assert len(rows) == 30
    assert sum(row["state"] == "finished" for row in rows) == 25
    assert ["-1" in row["why"] for row in failed] == [True] * 5
    assert {row["optimizer.lr"] for row in failed} == {"-1"}
    values = [float(row["auroc_mean"]) for row in rows if row["state"] == "finished"]
    assert values == sorted(values, reverse=True)


def test_killed_search_resumes_with_the_same_trials(tmp_path, phantom):
    search = ["-m", "hydra/sweeper=optuna", "hydra/launcher=local", "hydra.sweeper.n_trials=8", *SMALL]
    search += [
        "trainer.max_epochs=2",
        f"data.root={phantom}",
        "optimizer.lr=tag(log, interval(1e-6, 1e-1))",
        "seed=choice(0,1)",
    ]
    whole = train(*search, f"hydra.sweep.dir={tmp_path}/whole")
    assert whole.returncode == 0, whole.stderr
    folder = kill_once(search, tmp_path, count=3)
    done = train(*search, "resume=auto", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    trials = [read_trials(sweep) for sweep in (tmp_path / "whole", folder)]
    assert len(trials[1]) == 8
    assert [trial.params for trial in trials[0]] == [trial.params for trial in trials[1]]
    assert [trial.intermediate_values for trial in trials[0]] == [trial.intermediate_values for trial in trials[1]]
    assert [(trial.state, trial.value) for trial in trials[0]] == [(trial.state, trial.value) for trial in trials[1]]
    assert yaml.safe_load((folder / "best.yaml").read_text()) == yaml.safe_load(
        (tmp_path / "whole/best.yaml").read_text()
    )
    states = {trial.number: trial.state.name for trial in trials[1]}
    words = {"COMPLETE": "finished", "PRUNED": "pruned"}
    assert {row["job"]: row["state"] for row in read_table(folder)} == {
        str(number): words[state] for number, state in states.items()
    }


def read_trials(sweep: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="search", storage=f"sqlite:///{sweep}/study.db").trials


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=lambda signum: signum.name)
@pytest.mark.parametrize("manner", [[], ["hydra/launcher=local"], ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=3"]])
def test_interrupted_sweep_prints_the_command_that_resumes_it(tmp_path, phantom, manner, signum):
    values = "interval(1e-4, 1e-2)" if "hydra/sweeper=optuna" in manner else "1e-3,2e-3,3e-3"
    sweep, log = tmp_path / "sweep", tmp_path / "log"
    options = ["-m", *manner, *SMALL, f"data.root={phantom}", f"hydra.sweep.dir={sweep}", f"optimizer.lr={values}"]
    with log.open("w") as output_file:
        command = [sys.executable, str(PROJECT / "train.py"), *options, "trainer.max_epochs=3"]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        parent = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=output_file, stderr=output_file, start_new_session=True
        )
    while parent.poll() is None and not (sweep / "1/checkpoints/last.ckpt").exists():
        time.sleep(0.05)
    if signum == signal.SIGINT:
        os.killpg(parent.pid, signum)  # as a terminal does
    else:
        parent.send_signal(signum)
    code = parent.wait(60)
    output = log.read_text()
    print(f"code {code}: {output[-1500:]}")
    assert code == 128 + signum
    folders = set(re.findall(r"python train\.py resume=(\S+)", output))
    assert [Path(PROJECT / folder).resolve() for folder in folders] == [sweep]
    assert "Traceback" not in output
    assert read_states(sweep).keys() < {"0", "1", "2"} or any(
        state["state"] != "finished" for state in read_states(sweep).values()
    )
    done = train(f"resume={folders.pop()}")
    assert done.returncode == 0, done.stderr
    assert {job: state["state"] for job, state in read_states(sweep).items()} == dict.fromkeys("012", "finished")
