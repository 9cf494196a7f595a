"""Losses, averages, freezing and checkpoints through the whole job, and over a stop."""

import re

import pytest
import torch
from test_resume import SHORT, check_equal, read, stop_at
from test_resume import undisturbed as undisturbed  # a fixture
from test_run import start

from chexpert import rundir
from chexpert.problem import ProblemError
from chexpert.stopping import Stopped
from chexpert.stored import read_checkpoint

POWER = [
    ["averaging=ema", "keep_every=3"],
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
]


@pytest.mark.slow
@pytest.mark.parametrize("options", POWER, ids=" ".join)
@pytest.mark.parametrize(("step", "count"), [("training_step", 2), ("training_step", 6), ("validation_step", 8)])
def test_whatever_gives_power_goes_on_to_the_same_bits(
    tmp_path, phantom, undisturbed, monkeypatch, options, step, count
):
    whole = undisturbed(*options)
    with monkeypatch.context() as patch:
        stop_at(patch, step, count)
        with pytest.raises(Stopped):
            start(tmp_path, phantom, *SHORT, *options)
    start(tmp_path, phantom, *SHORT, *options, "resume=auto")
    check_equal(tmp_path, whole)


def test_an_averaged_run_stopped_in_a_validation_goes_on_to_the_same_bits(tmp_path, phantom, undisturbed, monkeypatch):
    test_whatever_gives_power_goes_on_to_the_same_bits(
        tmp_path, phantom, undisturbed, monkeypatch, POWER[0], "validation_step", 5
    )
    run = undisturbed(*POWER[0])
    steps = sorted(path.name for path in (run / rundir.CHECKPOINTS).glob("step=*.ckpt"))
    assert steps == [f"step={step:07d}.ckpt" for step in (3, 6, 9)]
    assert rundir.kept_checkpoints(run) == [run / "checkpoints/best.ckpt"]  # no figure ranks the others
    for name in steps:
        read_checkpoint(run / "checkpoints" / name)  # they load like any other
    content = read(run, "best")
    assert not torch.equal(*(content[key]["model.head.weight"] for key in ("state_dict", "current_model_state")))


def test_the_shares_of_positives_come_from_the_training_rows(tmp_path, phantom, monkeypatch):
    seen = []
    from chexpert.training import AUCMarginLoss

    original = AUCMarginLoss.__init__

    def noting(self, *arguments, **options):
        original(self, *arguments, **options)
        seen.append(self.p.tolist())

    monkeypatch.setattr(AUCMarginLoss, "__init__", noting)
    start(tmp_path, phantom, *SHORT, "loss=auc_margin", "optimizer=pesg", "labels=zeros", "trainer.max_epochs=1")
    lines = (phantom / "CheXpert-v1.0-small/train.csv").read_text().splitlines()
    header = lines[0].split(",")
    rows = [dict(zip(header, line.split(","), strict=True)) for line in lines[1:]]
    rows = [row for row in rows if row["Frontal/Lateral"] == "Frontal"]
    names = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
    shares = [sum(row[name] == "1.0" for row in rows) / len(rows) for name in names]
    assert seen[-1] == pytest.approx(shares)


def test_a_loss_that_ascends_wants_its_optimizer_before_anything_is_read(tmp_path, phantom):
    with pytest.raises(ProblemError, match=re.escape("mend:  optimizer=pesg")):
        start(tmp_path / "run", phantom, *SHORT, "loss=auc_margin")
