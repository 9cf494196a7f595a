"""docs/examples: each package is installed, and trains, predicts and explains by the real command."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MYLAB = PROJECT / "docs/examples/mylab"
ALLOW = "allow=[mylab.losses,mylab.labels,mylab.networks,mylab.explainers]"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Install the example into a folder, and return the environment that finds it there."""
    folder = tmp_path_factory.mktemp("site")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", folder, MYLAB], check=True)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(PROJECT)])}


def chexpert(environment, folder, *words):
    command = [sys.executable, "-m", "chexpert", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_own_parts_train_predict_and_explain(environment, phantom, tmp_path):
    shown = ["explainer=[gradient_times_input]", "explain.count=1", "explain.score=0", "hydra.run.dir=run"]
    chosen = ["--config-dir", MYLAB / "conf", "experiment=mylab", "trainer=debug", f"data.root={phantom}", *shown]
    done = chexpert(environment, tmp_path, "train", ALLOW, *chosen)
    assert done.returncode == 0, done.stderr
    state = json.loads((tmp_path / "run/state.json").read_text())
    assert state["command"].split()[:5] == ["chexpert", "train", *[f"allow=mylab.{name}" for name in (
        "losses", "labels", "networks")]]  # fmt: skip
    assert state["command"].split()[6] == "--config-dir"
    assert not any(word.startswith(("allow", "-")) for word in state["overrides"])
    refused = chexpert(environment, tmp_path, "train", "resume=run")
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    again = shlex.split(refused.stderr.strip().partition("again: chexpert ")[2])
    done = chexpert(environment, tmp_path, *again)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/explanations/gradient_times_input/sheet.png").is_file()

    predict = ["predict", "run", phantom / "CheXpert-v1.0-small/valid.csv", "p.csv"]
    refused = chexpert(environment, tmp_path, *predict)
    assert (refused.returncode, "mylab.networks" in refused.stderr) == (2, True)
    assert not (tmp_path / "p.csv").exists()
    done = chexpert(environment, tmp_path, *predict, "allow=mylab.networks")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.csv").is_file()

    explain = ["explain", "run", "--explainer", "gradient_times_input", "--out", "explained", "explain.score=0"]
    done = chexpert(environment, tmp_path, *explain, "allow=[mylab.networks,mylab.explainers]")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "explained/gradient_times_input/sheet.png").is_file()
