"""The recipes of a container: scripts parse, the files that they name are there, and all name the same."""

import os
import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "docs/examples/container"
COLLECTED = {"wheels", "constraints.txt", "extras.txt"}


def run(*words: object, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*map(str, words)], env=os.environ | environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("script", sorted(FOLDER.glob("*.s*")), ids=lambda path: path.name)
def test_script_parses(script):
    assert run("bash", "-n", script).returncode == 0


def test_files_of_the_recipe_are_those_that_are_collected():
    docker, apptainer = (FOLDER / "Dockerfile").read_text(), (FOLDER / "chexpert.def").read_text()
    assert set(re.findall(r"/collected/([\w.]+)", docker)) == COLLECTED
    assert set(re.findall(r"^    (\S+) /collected/", apptainer, re.MULTILINE)) == COLLECTED
    bases = re.findall(r"^FROM (\S+)$|^From: (\S+)$", docker + apptainer, re.MULTILINE | re.IGNORECASE)
    assert len({"".join(base) for base in bases}) == 1
    for text in (docker, apptainer):
        assert "--no-index" in text
        assert "not built by the project" in text


def test_collecting_calls_pip_and_copies_the_recipes(tmp_path):
    stand_in = tmp_path / "python"
    stand_in.write_text('#!/bin/bash\nprintf "%s\\n" "$@" > "$CALLED"\n')
    stand_in.chmod(0o755)
    called = tmp_path / "called"
    done = run(FOLDER / "collect.sh", tmp_path / "a b", "dicom", PYTHON=str(stand_in), CALLED=str(called))
    assert done.returncode == 0, done.stderr
    wheels = str(tmp_path / "a b/wheels")
    constraints = str(PROJECT / "constraints.txt")
    assert called.read_text().splitlines() == [
        "-m", "pip", "wheel", "--constraint", constraints, "--wheel-dir", wheels, f"{PROJECT}[dicom]"
    ]  # fmt: skip
    assert (tmp_path / "a b/extras.txt").read_text() == "dicom\n"
    copied = {path.name for path in (tmp_path / "a b").iterdir()}
    assert copied == {*COLLECTED, "Dockerfile", "chexpert.def", "container.sbatch"}


def test_collecting_needs_a_folder():
    assert run(FOLDER / "collect.sh").returncode != 0


@pytest.mark.parametrize(("ended", "requeued"), [(0, False), (1, False), (138, True)])
def test_job_is_requeued_once_the_run_has_saved(tmp_path, ended, requeued):
    """With stand-ins of srun and scontrol."""
    (tmp_path / "srun").write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" > called\nexit {ended}\n')
    (tmp_path / "scontrol").write_text('#!/bin/bash\necho "$@" > requeued\n')
    for name in ("srun", "scontrol"):
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "SLURM_JOB_ID": "7", "DATA": "/my data", "HF_HOME": "/hf"}
    script = FOLDER / "container.sbatch"
    done = subprocess.run(["bash", script, "seed=3"], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == ended
    assert (tmp_path / "requeued").exists() == requeued
    words = (tmp_path / "called").read_text().splitlines()
    assert words[-5:] == ["train", "data.root=/data", "hydra.run.dir=outputs/slurm-7", "resume=auto", "seed=3"]
    assert "/my data:/data:ro" in words
    assert "SLURM_JOB_ID=7" in words
