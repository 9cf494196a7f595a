"""The state of a run in its folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.errors import raises

from chexpert.errors import UserError
from chexpert.own_modules import VARIABLE
from chexpert.runs.resume import replay
from chexpert.runs.state import wait_for, write_resume_command, writing_state
from chexpert.signals import PrunedError


def read(folder):
    return json.loads((folder / "state.json").read_text())


def test_state_is_running_then_finished(tmp_path):
    with writing_state(tmp_path, ["model=combined", "seed=1"]):
        during = read(tmp_path)
        assert (during["state"], during["seconds"]) == ("running", None)
        assert during["command"] == "chexpert train model=combined seed=1"
    assert read(tmp_path) == during | {"state": "finished", "seconds": pytest.approx(0, abs=30)}


def test_own_modules_and_folder_stand_in_the_commands(tmp_path, monkeypatch):
    """In texts alone: resuming does not repeat them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "mylab.losses,mylab.labels")
    words = "allow=mylab.losses allow=mylab.labels --config-dir 'my conf'"
    with writing_state(Path("run"), ["seed=1"], Path("my conf")):
        assert read(Path("run"))["command"] == f"chexpert train {words} seed=1"
    assert write_resume_command(Path("run")) == f"chexpert train {words} resume=run"
    with raises("missing-folder", "resume=run") as caught:
        replay(["resume=run"])
    assert write_resume_command(Path("run")) in caught.value.hint
    resumed = ["resume=run", "seed=1", "hydra.run.dir=run"]
    assert sorted(replay(["--config-dir=my conf", "resume=run"])) == sorted([*resumed, "--config-dir=my conf"])
    assert sorted(replay(["resume=run"], Path("my conf"))) == sorted(resumed)


def test_wait_for_waits_for_a_running_job(tmp_path, capsys):
    code = "import sys, time; from pathlib import Path; from chexpert.runs.state import run_lock\n"
    code += "with run_lock(Path(sys.argv[1])): "
    code += "print(flush=True); time.sleep(.5); Path(sys.argv[1], 'done').touch()"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        wait_for(tmp_path, 0.05)
        assert (tmp_path / "done").is_file()
    assert capsys.readouterr().err.endswith(f" {tmp_path}\n")
    wait_for(tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "state", "why"),
    [
        (UserError("no data", code="missing-dataset", where="here"), "failed", "no data"),
        (RuntimeError("\n  Some tensors share memory\nmore"), "failed", "Some tensors share memory"),
        (KeyboardInterrupt(), "failed", "KeyboardInterrupt"),
        (PrunedError("auroc_mean 0.500"), "pruned", "auroc_mean 0.500"),
    ],
)
def test_failed_run_records_its_error_in_one_line(tmp_path, error, state, why):
    with pytest.raises(type(error)), writing_state(tmp_path):
        raise error
    assert (read(tmp_path)["state"], read(tmp_path)["why"]) == (state, why)


def test_state_records_the_versions_of_packages(tmp_path):
    with writing_state(tmp_path):
        pass
    assert {"python", "torch", "timm", "pytorch-lightning", "chexpert"} == set(read(tmp_path)["versions"])
