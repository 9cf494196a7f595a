"""chexpert compare, on finished runs and on a sweep while it runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import run_cli
from helpers.errors import find_places
from helpers.evaluated_runs import make_run

from chexpert.data import write_phantom

PROJECT = Path(__file__).parents[2]
TINY = (
    "data=small data.image_size=64 data.batch_size=8 data.num_workers=0 trainer.max_epochs=1 trainer.accelerator=cpu "
    "pretrained=false backbone.name=mnasnet_small explainer=[]"
)
LRS = "1e-4,1e-3,2e-3,3e-3,1e-2"


def compare(*arguments):
    return run_cli("compare", *arguments)


def test_sweep_is_ranked_and_written(tmp_path):
    for job in range(3):
        make_run(tmp_path / "sweep" / str(job), 0.5 + job / 2, optimizer={"lr": job})
    make_run(tmp_path / "sweep/3", state="failed", why="no memory")
    done = compare(tmp_path / "sweep", "--bootstrap", 50, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    ranked = [line.split()[1].rpartition("/")[2] for line in done.stdout.splitlines() if line[:1] in set("123")]
    assert ranked == ["2", "1", "0"]
    assert "no memory" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"comparison.{kind}" for kind in ("csv", "html", "json", "md")
    ]
    assert json.loads((tmp_path / "out/comparison.json").read_text())["n"] == 120


@pytest.mark.parametrize(
    ("arguments", "places", "named"),
    [
        (["none"], ["none"], ""),
        (["none", "--bootstrap", "1"], ["chexpert compare"], "--bootstrap"),
        ([], ["chexpert compare"], "RUN"),
    ],
)
def test_wrong_call_is_an_error(arguments, places, named):
    done = compare(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert find_places(done.stderr) == places
    assert named in done.stderr.partition("error: ")[2]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_sweep_with_failed_jobs_is_compared_while_it_runs_and_after(tmp_path):
    """Five learning rates with two seeds each, and one that is invalid."""
    phantom = write_phantom(tmp_path / "phantom", patients=20, valid=60, test=8, size=96, workers=1)
    sweep = tmp_path / "sweep"
    command = [sys.executable, str(PROJECT / "train.py"), "-m", f"optimizer.lr={LRS},-1", "seed=0,1", *TINY.split()]
    command += [f"data.root={phantom}", f"hydra.sweep.dir={sweep}"]
    during = []
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as job:
        while job.poll() is None:
            done = compare(sweep, "--bootstrap", 50, "--out", tmp_path / "during")
            assert "Traceback" not in done.stderr
            assert done.returncode == 0 or find_places(done.stderr), done.stderr
            if done.returncode == 0:
                during.append(json.loads((tmp_path / "during/comparison.json").read_text()))
    running = [one for content in during for one in content["absent"] if one["state"] == "running"]
    assert running
    assert len(during[0]["models"]) < 10
    done = compare(sweep, "--bootstrap", 100, "--out", tmp_path / "after")
    assert done.returncode == 0, done.stderr
    after = json.loads((tmp_path / "after/comparison.json").read_text())
    names = [str(sweep / str(number)) for number in range(12)]
    assert sorted(model["name"] for model in after["models"]) == sorted(names[:10])
    assert [(one["name"], one["state"]) for one in after["absent"]] == [(name, "failed") for name in names[10:]]
    for model in after["models"]:
        metrics = json.loads((Path(model["name"]) / "metrics.json").read_text())["valid"]
        assert model["figure"]["value"] == pytest.approx(metrics["auroc_mean"], abs=1e-12)
    values = [model["figure"]["value"] for model in after["models"]]
    assert values == sorted(values, reverse=True)
    assert [group["n"] for group in after["configurations"]] == [2] * 5
    assert {"seed", "optimizer.lr"} <= set(after["differing_settings"])
