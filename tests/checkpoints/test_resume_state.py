"""The state of the data in last.ckpt."""

from types import SimpleNamespace

import pytest
from pytorch_lightning.trainer.states import TrainerFn

from chexpert.checkpoints import RESUME, LastCheckpoint
from chexpert.checkpoints import resume_state as resuming


def make_trainer(skipped=(), flagged=()):
    data = SimpleNamespace(skipped=set(skipped), flagged=dict(flagged))
    return SimpleNamespace(
        datamodule=data,
        current_epoch=1,
        global_step=7,
        callback_metrics={},
        is_global_zero=True,
        state=SimpleNamespace(fn=TrainerFn.FITTING),
    )


@pytest.fixture
def saver(tmp_path, monkeypatch):
    for name in ("restate", "gather_random", "find_plateau_values"):
        monkeypatch.setattr(resuming, name, lambda *_, **__: [])
    saver = LastCheckpoint(tmp_path / "last.ckpt", SimpleNamespace(requested=None))
    saver._saving = "epoch"
    return saver


def test_resumed_run_knows_skipped_and_flagged_images(saver):
    checkpoint = {"loops": {"fit_loop": {"epoch_loop.batch_progress": {"current": {"processed": 3}}}}}
    saver.on_save_checkpoint(make_trainer({"b", "a"}, {"ct": "modality CT"}), None, checkpoint)
    assert checkpoint[RESUME]["skipped"] == ["a", "b"]
    assert checkpoint[RESUME]["flagged"] == {"ct": "modality CT"}
    resumed = make_trainer({"c"}, {"dark": "no contrast"})
    saver.on_load_checkpoint(resumed, None, checkpoint)
    assert resumed.datamodule.skipped == {"a", "b", "c"}
    assert resumed.datamodule.flagged == {"ct": "modality CT", "dark": "no contrast"}
    del checkpoint[RESUME]["flagged"]  # as 0.1.0 wrote it
    older = make_trainer()
    saver.on_load_checkpoint(older, None, checkpoint)
    assert older.datamodule.flagged == {}
