"""Modules and commands on systems that lack parts of Python's library, as Windows does."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.errors import raises

from chexpert.checkpoints.io import sync
from chexpert.data import partial_files
from chexpert.data.phantom import write_phantom
from chexpert.runs import files as run_files
from chexpert.runs import state

PROJECT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SMALL = ["backbone=resnet10t", "backbone.pretrained=false", "data.image_size=64", "data.num_workers=0",
         "data.batch_size=4",
         "trainer.max_epochs=1", "trainer.accelerator=cpu", "explainer=[hirescam]", "explain.count=1",
         "explain.score=0"]  # fmt: skip
IMPORT_ALL = """
import importlib, pkgutil, sys
from pathlib import Path
import chexpert
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/scripts"]
names = [found.name for found in pkgutil.walk_packages(chexpert.__path__, "chexpert.")]
names += ["train", *(path.stem for path in Path(sys.argv[1], "scripts").glob("*.py"))]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def start(*arguments, folder, without="without_posix", **environment):
    path = os.pathsep.join([*([str(HERE / without)] if without else []), str(PROJECT)])
    command = [sys.executable, "-W", "ignore", *map(str, arguments)]
    env = os.environ | {"PYTHONPATH": path} | environment
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, encoding="utf-8", check=False)


def test_each_module_can_be_imported_without_posix(tmp_path):
    done = start("-c", IMPORT_ALL, PROJECT, folder=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 200


def test_state_can_be_imported_without_fork(tmp_path):
    code = "import os; del os.register_at_fork; import chexpert.runs.state\n"
    code += "from chexpert.signals import REQUEUE; print(REQUEUE)"
    assert start("-c", code, folder=tmp_path).stdout == "None\n"


@pytest.fixture
def windows(monkeypatch):
    """A system on which a folder cannot be opened."""
    real = os.open

    def refuse_folders(path, *options):
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *options)

    monkeypatch.setattr(os, "open", refuse_folders)


def test_run_folder_is_locked_by_a_file_in_it(tmp_path, capsys):
    with state.run_lock(tmp_path):
        with raises("running", tmp_path), state.run_lock(tmp_path):
            pass
        assert state.is_running(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [run_files.LOCK]
        assert run_files.is_empty(tmp_path)
    assert not state.is_running(tmp_path)
    assert capsys.readouterr().err == ""


def test_folder_that_cannot_be_opened_is_not_synced(windows, tmp_path):
    sync(tmp_path)


def test_file_system_without_locks_is_noted(monkeypatch, tmp_path, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)  # as NFS without its lock daemon answers
    with state.run_lock(tmp_path):
        printed = capsys.readouterr().err
        assert str(tmp_path) in printed
        assert "No locks available" in printed


def test_child_of_a_killed_run_does_not_hold_its_lock(tmp_path):
    code = "import os, sys, time; from pathlib import Path; from chexpert.runs.state import run_lock\n"
    code += "with run_lock(Path(sys.argv[1])):\n"
    code += "    os.fork()\n"
    code += "    print(flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as run:
        assert [run.stdout.readline() for _ in range(2)] == [b"\n", b"\n"]  # both are past the fork
        assert state.is_running(tmp_path)
        run.kill()  # without its child
        run.wait()
        assert not state.is_running(tmp_path)
        os.killpg(run.pid, signal.SIGKILL)


def test_no_process_is_sent_a_signal_on_windows(monkeypatch):
    monkeypatch.setattr(partial_files.os, "name", "nt")
    monkeypatch.setattr(partial_files.os, "kill", lambda *_: pytest.fail("killed"))
    assert not partial_files.is_alive(os.getpid())


def test_path_on_another_drive_stays_absolute(monkeypatch):
    def refuse(path):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(run_files.os.path, "relpath", refuse)
    assert run_files.shorten("/outputs/a") == Path("/outputs/a")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("without", "environment"),
    [
        ("without_posix", {}),
        (None, {"PYTHONIOENCODING": "ascii"}),
        (None, {"PYTHONIOENCODING": "cp1252"}),
    ],
)
def test_commands_work_on_other_systems_and_with_unicode_names(tmp_path, without, environment):
    folder = tmp_path / "Röntgen 胸"
    folder.mkdir()
    write_phantom(folder / "Bilder ä", patients=6, valid=6)
    options = {"folder": folder, "without": without} | environment
    chosen = [*SMALL, "data.root='Bilder ä'", "hydra.run.dir='Läufe/胸'"]
    done = start(PROJECT / "train.py", *chosen, **options)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    run = folder / "Läufe/胸"
    assert json.loads((run / "state.json").read_text(encoding="utf-8"))["state"] == "finished"
    (folder / "Bilder ä/胸 1.jpg").write_bytes(next(folder.glob("Bilder ä/*/valid/*/*/*.jpg")).read_bytes())
    out = folder / "prädiktion.csv"
    done = start(PROJECT / "scripts/predict.py", run, "Bilder ä/胸 1.jpg", out, "--ids", "path", **options)
    assert done.returncode == 0, done.stderr
    assert "胸 1.jpg" in out.read_text(encoding="utf-8")
    labeled = ["--predictions", run / "predictions/valid.csv", "--labels", run / "labels/valid.csv"]
    done = start(PROJECT / "scripts/evaluate.py", *labeled, "--out", folder / "胸.json", **options)
    assert (done.returncode, (folder / "胸.json").is_file()) == (0, True), done.stderr
    for script in (["compare.py", run, "--out", folder / "vgl ä"], ["make_report.py", run, "--out", folder / "ä.html"],
                   ["audit_data.py", "Bilder ä", "--json", folder / "ä.json", "--manifest", folder / "ä.txt"],
                   ["ensemble.py", run, "--out", folder / "ä.csv"]):  # fmt: skip
        done = start(PROJECT / "scripts" / script[0], *script[1:], **options)
        assert "Traceback" not in done.stderr, (script, done.stderr)
        assert done.returncode == 0, (script, done.stderr)
