"""What a run folder says of its run."""

import json
import subprocess
import sys

import pytest

from chexpert.errors import UserError
from chexpert.runs.state import wait_for, writing_state
from chexpert.signals import PrunedError


def read(folder):
    return json.loads((folder / "state.json").read_text())


def test_a_run_is_running_until_it_is_finished(tmp_path):
    with writing_state(tmp_path, ["model=combined", "seed=1"]):
        during = read(tmp_path)
        assert (during["state"], during["seconds"]) == ("running", None)
        assert during["command"] == "python train.py model=combined seed=1"
    assert read(tmp_path) == during | {"state": "finished", "seconds": pytest.approx(0, abs=30)}


def test_a_job_that_a_search_stopped_is_pruned_and_not_failed(tmp_path):
    with pytest.raises(PrunedError), writing_state(tmp_path):
        raise PrunedError("auroc_mean 0.500 after epoch 1 of 9")
    assert (read(tmp_path)["state"], read(tmp_path)["why"]) == ("pruned", "auroc_mean 0.500 after epoch 1 of 9")


def test_why_a_run_failed_is_the_first_line_that_says_something(tmp_path):
    with pytest.raises(RuntimeError), writing_state(tmp_path):
        raise RuntimeError("\n  Some tensors share memory\nmore")
    assert read(tmp_path)["why"] == "Some tensors share memory"


def test_a_job_waits_for_one_that_outlived_its_sweep(tmp_path, capsys):
    code = "import sys, time; from pathlib import Path; from chexpert.runs.state import run_lock\n"
    code += "with run_lock(Path(sys.argv[1])): "
    code += "print(flush=True); time.sleep(.5); Path(sys.argv[1], 'done').touch()"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        wait_for(tmp_path, 0.05)
        assert (tmp_path / "done").is_file()
    assert capsys.readouterr().err == f"waiting for the job that still runs in {tmp_path}\n"
    wait_for(tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "why"), [(UserError("no data", where="here"), "no data"), (KeyboardInterrupt(), "KeyboardInterrupt")]
)
def test_a_run_that_ends_early_says_why_in_one_line(tmp_path, error, why):
    with pytest.raises(type(error)), writing_state(tmp_path):
        raise error
    assert (read(tmp_path)["state"], read(tmp_path)["why"]) == ("failed", why)


def test_the_versions_that_decide_over_the_metrics_are_reported(tmp_path):
    with writing_state(tmp_path):
        pass
    assert {"python", "torch", "timm", "pytorch-lightning", "chexpert"} == set(read(tmp_path)["versions"])
