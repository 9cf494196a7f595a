"""A run stopped at any point resumes to the same bits as a run that was not stopped."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from helpers.errors import raises
from helpers.resumed_runs import SHORT, check_equal, find_differences, read, stop_at
from helpers.runs import PROJECT, TINY, start, train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from chexpert.checkpoints import LastCheckpoint
from chexpert.data import ViewDataset
from chexpert.engine import fit as fitting
from chexpert.errors import UserError
from chexpert.runs import files as run_files
from chexpert.runs.state import run_lock
from chexpert.signals import Stopped
from chexpert.training import MaskedBCE


# 39 training views in batches of 8: 5 steps an epoch. 24 validation views: 3, and 2 in the sanity check before.
@pytest.mark.parametrize(
    ("step", "count"),
    [("training_step", n) for n in (1, 3, 10)] + [("validation_step", n) for n in (5, 8)],
)
def test_stopped_run_resumes_to_the_same_bits(tmp_path, phantom, undisturbed, monkeypatch, step, count):
    whole = undisturbed()
    with monkeypatch.context() as patch:
        stop_at(patch, step, count)
        with pytest.raises(Stopped) as stopped:
            start(tmp_path, phantom, *SHORT)
    assert stopped.value.code == 143
    assert json.loads((tmp_path / "state.json").read_text())["state"] == "stopped"
    start(tmp_path, phantom, *SHORT, "resume=auto")
    check_equal(tmp_path, whole)
    for tag in ("train/loss", "val/loss", "val/auroc_mean", "lr-AdamW"):  # each step once
        assert read_curve(tmp_path, tag) == read_curve(whole, tag), tag


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["data.num_workers=2"], marks=pytest.mark.slow),
        ["trainer.accumulate_grad_batches=2"],
        ["data.augmentation.noise=0.1", "data.augmentation.blur=1", "data.augmentation.cutout=2"],
        ["data.image_size=[64,48]"],
        pytest.param(["scheduler=step", "optimizer=sgd"], marks=pytest.mark.slow),
        pytest.param(["data.batch_size=19", "data.image_size=32", "trainer.max_epochs=4"], marks=pytest.mark.slow),
        ["scheduler=plateau", "scheduler.patience=0"],
        ["early_stopping=1", "trainer.max_epochs=4"],
        pytest.param(["save_top_k=2"], marks=pytest.mark.slow),
        ["trainer.val_check_interval=2"],
        pytest.param(["trainer.check_val_every_n_epoch=2"], marks=pytest.mark.slow),
        pytest.param(["trainer.limit_train_batches=3"], marks=pytest.mark.slow),
        pytest.param(
            ["model=combined", "backbone@model.members.densenet=resnet10t", "labels=ignore"], marks=pytest.mark.slow
        ),
    ],
    ids=lambda options: options[0].replace("=", "-"),
)
@pytest.mark.parametrize("count", [pytest.param(2, marks=pytest.mark.slow), 6])
def test_run_of_other_settings_resumes_to_the_same_bits(tmp_path, phantom, undisturbed, monkeypatch, options, count):
    whole = undisturbed(*options)
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", count)
        with pytest.raises(Stopped):
            start(tmp_path, phantom, *SHORT, *options)
    start(tmp_path, phantom, *SHORT, *options, "resume=auto")
    check_equal(tmp_path, whole)


def test_resume_with_other_workers_gives_the_same_bits(tmp_path, phantom, undisturbed, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 7)
        with pytest.raises(Stopped):
            start(tmp_path, phantom, *SHORT, "data.num_workers=2")
    start(tmp_path, phantom, *SHORT, "resume=auto")
    check_equal(tmp_path, undisturbed())


def test_run_resumes_from_the_step_before_a_failure(tmp_path, phantom, undisturbed, monkeypatch):
    """An image is unreadable in the second epoch, until the run is resumed."""
    original = ViewDataset.read
    with monkeypatch.context() as patch:
        patch.setattr(ViewDataset, "read", lambda self, keys: original(self, keys) if keys[0][0] < 1 else fail())
        with raises("unreadable-image"):
            start(tmp_path, phantom, *SHORT)
    assert json.loads((tmp_path / "state.json").read_text())["state"] == "failed"
    start(tmp_path, phantom, *SHORT, "resume=auto")
    check_equal(tmp_path, undisturbed())


def fail():
    raise UserError("unreadable", code="unreadable-image")


def test_nan_loss_is_an_error_and_leaves_finite_weights(tmp_path, phantom, undisturbed, monkeypatch):
    original, calls = MaskedBCE.forward, []

    def forward(self, *rows):
        calls.append(1)
        return original(self, *rows) * (math.nan if len(calls) == 12 else 1)  # 2 sanity, 5, 3 of validation, then 2

    with monkeypatch.context() as patch:
        patch.setattr(MaskedBCE, "forward", forward)
        with raises("nan") as error:
            start(tmp_path, phantom, *SHORT)
    assert "nan at epoch 1, step 6" in error.value.message
    assert "patient" in error.value.where
    weights = read(tmp_path, "last")["state_dict"].values()
    assert all(torch.isfinite(values.float()).all() for values in weights)
    start(tmp_path, phantom, *SHORT, "resume=auto")
    check_equal(tmp_path, undisturbed())


def test_resume_with_another_config_is_an_error(tmp_path, phantom, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 2)
        with pytest.raises(Stopped):
            start(tmp_path, phantom, *SHORT)
    with raises("other-config", tmp_path) as error:
        start(tmp_path, phantom, *SHORT, "seed=1", "resume=auto")
    assert re.search(r"\bseed: 0 .* 1 ", error.value.message)
    assert "optimizer.lr" not in error.value.message
    with raises("other-config", "trainer.max_epochs") as error:  # its scheduler depends on the number of epochs
        start(tmp_path, phantom, *SHORT, "trainer.max_epochs=3", "resume=auto")
    assert "trainer.max_epochs=2" in error.value.hint


def test_resume_accepts_moved_data_and_rejects_other_data(tmp_path, phantom, undisturbed, monkeypatch):
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 7)
        with pytest.raises(Stopped):
            start(tmp_path / "run", phantom, *SHORT)
    shutil.copytree(phantom, tmp_path / "moved")
    shutil.copytree(phantom, tmp_path / "other")
    table = tmp_path / "other/CheXpert-v1.0-small/train.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with raises("other-data", tmp_path / "other") as error:
        start(tmp_path / "run", phantom, *SHORT, f"data.root={tmp_path / 'other'}", "resume=auto")
    assert re.search("train: 39 .* 38 ", error.value.message)
    start(tmp_path / "run", phantom, *SHORT, f"data.root={tmp_path / 'moved'}", "resume=auto")
    check_equal(tmp_path / "run", undisturbed())


def test_run_on_features_resumes_with_its_own_weights(tmp_path, phantom, undisturbed, monkeypatch, capsys):
    frozen = ["backbone.frozen=true", "data.augmentation=null", f"features={tmp_path / 'cache'}"]
    source = undisturbed()
    options = [*SHORT, *frozen]
    start(tmp_path / "whole", phantom, *options, f"start_from={source}")
    made = sorted((tmp_path / "cache").rglob("*"))
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 7)
        with pytest.raises(Stopped):
            start(tmp_path / "run", phantom, *options, f"start_from={source}")
    capsys.readouterr()
    start(tmp_path / "run", phantom, *options, f"start_from={tmp_path / 'gone'}", "resume=auto")
    assert f"note: start_from stays {source}: " in capsys.readouterr().err
    assert yaml.safe_load((tmp_path / "run" / run_files.CONFIG).read_text())["start_from"] == str(source)
    assert sorted((tmp_path / "cache").rglob("*")) == made
    check_equal(tmp_path / "run", tmp_path / "whole")


def test_finished_run_is_not_repeated_but_can_train_more_epochs(tmp_path, phantom, undisturbed, capsys):
    options = ["scheduler=constant", "optimizer.lr=1e-3"]
    mean = start(tmp_path, phantom, *SHORT, *options, "trainer.max_epochs=1")
    written = (tmp_path / "checkpoints/last.ckpt").stat().st_mtime
    capsys.readouterr()
    assert start(tmp_path, phantom, *SHORT, *options, "trainer.max_epochs=1", "resume=auto") == mean
    assert capsys.readouterr().err.endswith(f" {tmp_path}\n")
    assert (tmp_path / "checkpoints/last.ckpt").stat().st_mtime == written
    start(tmp_path, phantom, *SHORT, *options, "resume=auto")
    check_equal(tmp_path, undisturbed(*options))


@pytest.mark.parametrize(("content", "code"), [("{", "damaged-file"), ("{}", "missing-file"), (None, "missing-file")])
def test_finished_run_without_readable_metrics_is_an_error(content, code, tmp_path, phantom):
    options = [*SHORT, "trainer.max_epochs=0", "trainer.accelerator=cpu"]
    start(tmp_path, phantom, *options)
    (tmp_path / "metrics.json").unlink()
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with raises(code, tmp_path / "metrics.json"):
        start(tmp_path, phantom, *options, "resume=auto")


def test_locked_folder_is_an_error_until_the_process_dies(tmp_path, phantom):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert holder.stdout.readline() == "held\n"
    with raises("running", tmp_path), run_lock(tmp_path):
        pass
    holder.kill()
    holder.wait()
    with run_lock(tmp_path):
        pass


HOLD = """
import sys, time
from pathlib import Path
from chexpert.runs.state import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def read_curve(run: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


@pytest.mark.slow  # tests/runs/test_legacy_runs.py resumes by the real command
@pytest.mark.parametrize("way", ["path", "auto"])
def test_killed_command_resumes_in_the_same_folder(tmp_path, phantom, undisturbed, way):
    """It is killed in its second epoch; ``resume=FOLDER`` needs no other setting."""
    folder = tmp_path / "outputs" / "run"
    given = ["data=small", f"data.root={phantom}", *TINY, *SHORT]
    command = [sys.executable, str(PROJECT / "train.py"), *given, f"hydra.run.dir={folder}"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True
    ) as running:
        while not next(running.stderr).startswith("epoch 1"):
            pass
        running.kill()
    again = [f"resume={folder}"] if way == "path" else [*given, "resume=auto", f"hydra.run.dir={folder.parent}/new"]
    done = train(*again, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.parent.iterdir()] == ["run"]
    check_equal(folder, undisturbed())
    state = json.loads((folder / "state.json").read_text())
    assert (state["state"], len(state["resumed"])) == ("finished", 1)


# Each write of last.ckpt within an epoch, as by save_every_n_minutes.
@pytest.mark.parametrize(
    "options",
    [
        ["trainer.limit_train_batches=2"],
        pytest.param(["trainer.accumulate_grad_batches=2", "trainer.val_check_interval=3"], marks=pytest.mark.slow),
        pytest.param(
            ["scheduler=plateau", "scheduler.patience=0", "trainer.val_check_interval=2"], marks=pytest.mark.slow
        ),
        pytest.param(["averaging=ema", "save_top_k=2", "trainer.max_epochs=3"], marks=pytest.mark.slow),
    ],
    ids=["plain", "accumulation", "plateau", "ema"],
)
def test_run_resumes_from_every_saved_checkpoint(tmp_path, phantom, monkeypatch, options):
    whole, copies = tmp_path / "whole", tmp_path / "copies"
    original = LastCheckpoint.save

    def save(self, trainer):
        original(self, trainer)
        shutil.copytree(whole, copies / f"{len(list(copies.glob('*'))):02d}")

    copies.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(LastCheckpoint, "save", save)
        start(whole, phantom, *SHORT, "save_every_n_minutes=1e-9", *options)
    assert len(list(copies.iterdir())) > 5
    for copy in sorted(copies.iterdir()):
        start(copy, phantom, *SHORT, "save_every_n_minutes=1e-9", "resume=auto", *options)
        for name in ("last", "best"):
            found = find_differences(read(copy, name), read(whole, name))
            assert [place for place in found if "scheduler_progress" not in place] == [], (copy.name, name)
        assert sorted(path.name for path in (copy / "checkpoints").iterdir()) == sorted(
            path.name for path in (whole / "checkpoints").iterdir()
        )


def test_resume_keeps_the_decision_of_early_stopping(tmp_path, phantom, monkeypatch):
    options = ["trainer.val_check_interval=2", "early_stopping=0", "optimizer.lr=1e-30", "trainer.max_epochs=9"]
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "evaluate", lambda *_: os.kill(os.getpid(), signal.SIGTERM))  # after the training
        with pytest.raises(Stopped):
            start(tmp_path, phantom, *SHORT, *options)
    steps = read(tmp_path, "last")["global_step"]
    assert 0 < steps < 9 * 5  # only the statistics of batch normalization change: soon nothing gets better
    start(tmp_path, phantom, *SHORT, *options, "resume=auto")
    assert read(tmp_path, "last")["global_step"] == steps


def test_best_epoch_is_that_of_the_best_checkpoint(tmp_path, phantom):
    start(tmp_path, phantom, *SHORT, "save_every_n_steps=1", "save_top_k=2", "trainer.max_epochs=3")
    epoch = torch.load(tmp_path / "checkpoints/best.ckpt", weights_only=True)["epoch"]
    assert json.loads((tmp_path / "metrics.json").read_text())["best_epoch"] == epoch


@pytest.mark.parametrize("signum", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT])
@pytest.mark.parametrize("line", ["run folder", pytest.param("epoch 1", marks=pytest.mark.slow)])
def test_signal_to_all_processes_stops_the_run_cleanly(tmp_path, phantom, signum, line):
    """Terminals and batch systems send it to the processes of the loader, too."""
    given = ["data=small", f"data.root={phantom}", *TINY, *SHORT, "data.num_workers=2", "trainer.max_epochs=50"]
    command = [sys.executable, str(PROJECT / "train.py"), *given, f"hydra.run.dir={tmp_path}/run"]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, start_new_session=True, **piped) as running:
        while not next(running.stderr).startswith(line):
            pass
        time.sleep(2)  # into the trial validation, or the next epoch
        os.killpg(running.pid, signum)
        _, errors = running.communicate(timeout=60)
    assert running.returncode == 128 + signum, errors
    assert signum.name in errors
    assert re.search(rf"resume=\S*{tmp_path.name}/run\n", errors)
    assert "Traceback" not in errors
