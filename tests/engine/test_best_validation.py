"""The best epoch's predictions are not computed again, and are the same to the last digit as if they were."""

import json
import os
import signal

import pytest
import torch
from helpers.resumed_runs import SHORT
from helpers.runs import ACCELERATOR, start

from chexpert.engine import fit as fitting
from chexpert.runs import files as run_files
from chexpert.signals import Stopped
from chexpert.training import BestValidation, MultilabelModule

COMBINED = ["model=combined", "backbone@model.members.densenet=resnet10t", "model.dropout=0"]
FILES = ("predictions/valid.csv", "labels/valid.csv", "evaluation/valid.json")


def get_file(run):
    return run_files.checkpoint(run).with_name(run_files.BEST_VALIDATION)


@pytest.fixture
def seen(monkeypatch):
    """The number of views in each batch that is validated, without those of the trial before training."""
    sizes = []
    original = MultilabelModule.validation_step

    def stepping(self, batch, batch_idx):
        if batch.paths and not self.trainer.sanity_checking:
            sizes.append(len(batch.paths))
        return original(self, batch, batch_idx)

    monkeypatch.setattr(MultilabelModule, "validation_step", stepping)
    return sizes


def start_anew(monkeypatch, *arguments):
    """Run a job that keeps nothing: its best epoch is evaluated a second time."""
    with monkeypatch.context() as patch:
        patch.setattr(BestValidation, "read", lambda *_: None)
        return start(*arguments)


def check_same(run, other, splits=("valid",)):
    for split in splits:
        for name in FILES:
            ours, theirs = ((folder / name.replace("valid", split)).read_bytes() for folder in (run, other))
            assert ours == theirs, name
    ours, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (run, other))
    assert [ours[split] for split in splits] == [theirs[split] for split in splits]


# 24 validation views in batches of 8: 3 in each of 2 epochs, and 3 where they are done again.
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["averaging=ema"],
        ["averaging=swa", "averaging.start_epoch=1", "scheduler=constant"],
        pytest.param(["trainer.val_check_interval=2"], marks=pytest.mark.slow),
        pytest.param(["level=study", "data.views=all"], marks=pytest.mark.slow),
        pytest.param(["save_top_k=2", "data.num_workers=2"], marks=pytest.mark.slow),
        pytest.param(COMBINED, marks=pytest.mark.slow),
    ],
    ids=lambda options: options[0] if options else "single",
)
def test_best_epoch_is_validated_once(tmp_path, phantom, seen, monkeypatch, options):
    start(tmp_path / "kept", phantom, *SHORT, *options)
    batches = len(seen)
    seen.clear()
    start_anew(monkeypatch, tmp_path / "anew", phantom, *SHORT, *options)
    assert len(seen) - batches == -(-sum_views(tmp_path / "kept", "valid") // 8)
    check_same(tmp_path / "kept", tmp_path / "anew")


def sum_views(run, split):
    return len((run / f"predictions/{split}.csv").read_text().splitlines()) - 1


def test_dev_is_kept_and_the_other_splits_are_evaluated(tmp_path, phantom, seen, monkeypatch):
    options = [*SHORT, "data.dev=0.3", "data.test=true"]
    start(tmp_path / "kept", phantom, *options)
    dev, rest = (sum(sum_views(tmp_path / "kept", split) for split in part) for part in (["dev"], ["valid", "test"]))
    assert sum(seen) == 2 * dev + rest
    start_anew(monkeypatch, tmp_path / "anew", phantom, *options)
    check_same(tmp_path / "kept", tmp_path / "anew", ("dev", "valid", "test"))


@pytest.fixture
def stopped(tmp_path, phantom, monkeypatch):
    """A run that was stopped between its last epoch and its evaluation."""
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "evaluate", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Stopped):
            start(tmp_path / "run", phantom, *SHORT)
    return tmp_path / "run"


def test_resumed_run_reads_them(tmp_path, phantom, seen, monkeypatch, stopped):
    seen.clear()
    start(stopped, phantom, *SHORT, "resume=auto")
    assert seen == []
    start_anew(monkeypatch, tmp_path / "anew", phantom, *SHORT)
    check_same(stopped, tmp_path / "anew")


def edit(file, key, value):
    content = torch.load(file, weights_only=True)
    content["conditions"][key] = value
    torch.save(content, file)


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(file.read_bytes()[:1000]),
        lambda file: torch.save({}, file),
        lambda file: edit(file, "weights", "of an earlier epoch"),
        lambda file: edit(file, "processes", 2),
        lambda file: edit(file, "device", "another device"),
        lambda file: edit(file, "versions", {}),
    ],
    ids=["missing", "cut", "empty", "weights", "processes", "device", "versions"],
)
def test_missing_damaged_or_stale_file_means_evaluating(phantom, seen, stopped, damage):
    damage(get_file(stopped))
    seen.clear()
    start(stopped, phantom, *SHORT, "resume=auto")
    assert seen == [8, 8, 8]


def test_part_of_the_views_is_not_kept(tmp_path, phantom, seen):
    start(tmp_path, phantom, *SHORT, "trainer.limit_val_batches=2")
    assert seen == [8, 8] * 3
    assert not get_file(tmp_path).exists()


def test_nothing_is_kept_where_nothing_is_trained(tmp_path, phantom, seen):
    start(tmp_path / "run", phantom, *SHORT)
    seen.clear()
    start(tmp_path / "evaluated", phantom, *SHORT, f"start_from={tmp_path / 'run'}", "trainer.max_epochs=0")
    assert seen == [8, 8, 8]
    assert not get_file(tmp_path / "evaluated").exists()


def test_resources_are_measured_and_add_up(tmp_path, phantom, stopped):
    before = torch.load(stopped / "checkpoints/last.ckpt", weights_only=True)["callbacks"]["Resources"]["seconds"]
    assert (before["training"] > 0, before["validation"] > 0, before["evaluation"]) == (True, True, 0)
    start(stopped, phantom, *SHORT, "resume=auto")
    found = json.loads((stopped / "metrics.json").read_text())["resources"]
    assert found["seconds"]["training"] == pytest.approx(before["training"], abs=0.1)
    assert found["seconds"]["evaluation"] >= 0  # in tenths
    assert found["peak_memory_mib"]["process"] > 100
    assert (found["peak_memory_mib"]["device"] is None) == (ACCELERATOR == "cpu")
