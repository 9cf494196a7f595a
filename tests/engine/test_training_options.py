"""Losses, weight averaging, freezing and checkpoints in whole runs, and after a stop."""

import csv

import pytest
import torch
from helpers.errors import raises
from helpers.resumed_runs import SHORT, check_equal, read, same, stop_at
from helpers.runs import start

from chexpert.checkpoints import keep_best, read_checkpoint
from chexpert.engine import fit as fitting
from chexpert.observations import COMPETITION
from chexpert.runs import files as run_files
from chexpert.signals import Stopped
from chexpert.training import AUCMarginLoss

OPTIONS = [
    ["averaging=ema", "save_every_n_steps=5"],
    ["averaging=swa", "averaging.start_epoch=1", "scheduler=constant"],
    ["averaging=swa", "averaging.start_epoch=0", "scheduler=constant", "trainer.val_check_interval=2"],
    ["unfreeze_epoch=1", "backbone_lr_factor=0.1", "pretrained=false"],
    ["loss=auc_margin", "optimizer=pesg", "scheduler=step", "labels=best_per_observation"],
    [
        "loss=weighted_bce",
        "scheduler=warmup_cosine",
        "trainer.gradient_clip_val=1",
        "trainer.accumulate_grad_batches=2",
    ],
    ["loss=focal", "scheduler=plateau", "scheduler.patience=0"],
    ["loss=asymmetric", "averaging=ema", "unfreeze_epoch=1"],
    ["layer_decay=0.5", "backbone_lr_factor=0.5", "unfreeze_epoch=1", "averaging=ema"],
]


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
@pytest.mark.parametrize(("step", "count"), [("training_step", 2), ("training_step", 6), ("validation_step", 8)])
def test_stopped_run_resumes_to_the_same_bits(tmp_path, phantom, undisturbed, monkeypatch, options, step, count):
    whole = undisturbed(*options)
    with monkeypatch.context() as patch:
        stop_at(patch, step, count)
        with pytest.raises(Stopped):
            start(tmp_path, phantom, *SHORT, *options)
    start(tmp_path, phantom, *SHORT, *options, "resume=auto")
    check_equal(tmp_path, whole)


def test_run_with_layers_of_unlike_rates_resumes_to_the_same_bits(tmp_path, phantom, undisturbed, monkeypatch):
    test_stopped_run_resumes_to_the_same_bits(
        tmp_path, phantom, undisturbed, monkeypatch, OPTIONS[-1], "training_step", 6
    )
    groups = read(tmp_path, "last")["optimizer_states"][0]["param_groups"]
    assert [group["name"] for group in groups] == [*(f"backbone/depth_0{d}" for d in (5, 4, 3, 2, 1)), "others"]


def test_averaged_run_stopped_in_validation_resumes(tmp_path, phantom, undisturbed, monkeypatch):
    test_stopped_run_resumes_to_the_same_bits(
        tmp_path, phantom, undisturbed, monkeypatch, OPTIONS[0], "validation_step", 5
    )
    run = undisturbed(*OPTIONS[0])
    steps = sorted(path.name for path in (run / run_files.CHECKPOINTS).glob("step-*.ckpt"))
    assert steps == ["step-0000005.ckpt", "step-0000010.ckpt"]
    assert run_files.kept_checkpoints(run) == [run / "checkpoints/best.ckpt"]  # no metric ranks the others
    last = read(run, "last")
    _, averaged = read_checkpoint(run / "checkpoints" / steps[-1])  # loads like any other
    assert torch.equal(averaged["head.weight"], last["state_dict"]["model.head.weight"])
    assert not torch.equal(averaged["head.weight"], last["current_model_state"]["model.head.weight"])


@pytest.mark.slow
def test_run_with_old_checkpoint_names_resumes(tmp_path, phantom, undisturbed, monkeypatch):
    options = ["save_top_k=2", "save_every_n_steps=4"]
    with monkeypatch.context() as patch:
        patch.setattr(run_files, "EVERY", "step={step:07d}")
        patch.setattr(fitting, "keep_best", lambda *given: use_old_names(keep_best(*given)))
        stop_at(patch, "training_step", 7)
        with pytest.raises(Stopped):
            start(tmp_path, phantom, *SHORT, *options)
    assert {path.name[:8] for path in (tmp_path / "checkpoints").glob("*=*")} == {"step=000", "epoch=00"}
    start(tmp_path, phantom, *SHORT, *options, "resume=auto")
    weights = [read(run, "last")["state_dict"] for run in (tmp_path, undisturbed(*options))]
    assert same(*weights)  # the callbacks' states hold the names
    assert [path.name[:8] for path in sorted((tmp_path / "checkpoints").glob("step*"))] == ["step-000", "step=000"]
    assert sorted(run_files.kept_checkpoints(tmp_path)) == sorted(
        [*(tmp_path / "checkpoints").glob("epoch=00*"), *(tmp_path / "checkpoints").glob("epoch-01*")]
    )


def use_old_names(callback):
    callback.filename = callback.filename.replace("epoch-", "epoch=").replace("mean-", "mean=")
    return callback


def test_shares_of_positives_come_from_the_training_rows(tmp_path, phantom, monkeypatch):
    seen = []
    original = AUCMarginLoss.forward

    def record(self, *arguments):
        seen.append(self.p.tolist())
        return original(self, *arguments)

    monkeypatch.setattr(AUCMarginLoss, "forward", record)
    short = ["labels=zeros", "trainer.max_epochs=1", "trainer.limit_train_batches=1"]
    start(tmp_path, phantom, *SHORT, "loss=auc_margin", "optimizer=pesg", *short)
    rows = csv.DictReader((phantom / "CheXpert-v1.0-small/train.csv").open())
    rows = [row for row in rows if row["Frontal/Lateral"] == "Frontal"]
    shares = [sum(row[name] == "1.0" for row in rows) / len(rows) for name in COMPETITION]
    assert seen[-1] == pytest.approx(shares)


def test_auc_margin_without_pesg_is_an_error(tmp_path, phantom):
    with raises("conflict", "optimizer") as error:
        start(tmp_path / "run", phantom, *SHORT, "loss=auc_margin")
    assert "optimizer=pesg" in error.value.hint


@pytest.mark.parametrize(("depth", "tables"), [("false", 0), ("true", 1)])
def test_layers_are_reported_on_request(depth, tables, tmp_path, phantom, caplog, capsys):
    start(tmp_path / "run", phantom, "explainer=[]", f"trainer.enable_model_summary={depth}")
    printed = capsys.readouterr()
    logged = caplog.text or printed.err  # as the version of Lightning propagates it
    assert logged.count("model._members.backbone.net") == tables
    assert "model._members" not in printed.out
