"""Choices of how to train that contradict each other or come to nothing."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from chexpert.errors import ProblemError

LIMITS = ("limit_train_batches", "limit_val_batches")


def find_training_problems(cfg: Mapping[str, Any]) -> Iterator[ProblemError]:
    """What is wrong with rates, freezing, averaging, clipping, stopping and checkpoints, beside what classes say."""
    yield from _rate_problems(cfg)
    yield from _backbone_problems(cfg)
    yield from _averaging_problems(cfg)
    yield from _clipping_problems(cfg)
    if cfg["keep_every"] is not None and cfg["keep_every"] < 1:
        yield ProblemError(f"{cfg['keep_every']} is not possible", where="keep_every", mend="1 or more steps, or null")
    if cfg["early_stopping"] is not None and cfg["early_stopping"] < 0:
        mend = "0 or more epochs, or null"
        yield ProblemError(f"{cfg['early_stopping']} is not possible", where="early_stopping", mend=mend)


def _rate_problems(cfg: Mapping[str, Any]) -> Iterator[ProblemError]:
    rate = (cfg["optimizer"] or {}).get("lr")
    if isinstance(rate, int | float) and not isinstance(rate, bool) and rate <= 0 and _count_epochs(cfg):
        mend = "a number above 0, such as 3e-4; to train nothing: trainer.max_epochs=0"
        yield ProblemError(f"a learning rate of {rate} is not possible", where="optimizer.lr", mend=mend)


def _backbone_problems(cfg: Mapping[str, Any]) -> Iterator[ProblemError]:
    factor, epoch, epochs = cfg["backbone_lr_factor"], cfg["unfreeze_epoch"], _count_epochs(cfg)
    single = "members" not in (cfg.get("model") or {})
    untrained = f"{'backbone' if single else 'model.members.NAME'}.frozen=true"
    if not 0 < factor < float("inf"):
        mend = f"above 0; a backbone that is not trained at all: backbone_lr_factor=1 {untrained}"
        yield ProblemError(f"{factor} is not possible", where="backbone_lr_factor", mend=mend)
    if epoch < 0:
        yield ProblemError(f"{epoch} is not possible", where="unfreeze_epoch", mend="an epoch, from 0")
    if epochs and epoch >= epochs:
        mend = f"an earlier epoch; a backbone that is not trained at all: unfreeze_epoch=0 {untrained}"
        yield ProblemError(f"the training ends after {epochs} epochs", where="unfreeze_epoch", mend=mend)
    frozen = list(_find_frozen(cfg.get("model")))
    if frozen and all(frozen):
        for key, usual in (("backbone_lr_factor", 1), ("unfreeze_epoch", 0)):
            if cfg[key] != usual:
                mend = f"{key}={usual}, or {untrained.replace('true', 'false')}"
                yield ProblemError("no backbone is trained: all are frozen", where=key, mend=mend)


def _averaging_problems(cfg: Mapping[str, Any]) -> Iterator[ProblemError]:
    start, epochs = (cfg["averaging"] or {}).get("start_epoch"), _count_epochs(cfg)
    if isinstance(start, int) and epochs and start >= epochs:
        what = f"the training ends after {epochs} epochs, before anything is averaged"
        yield ProblemError(what, where="averaging.start_epoch", mend=f"an epoch from 0 to {epochs - 1}")


def _clipping_problems(cfg: Mapping[str, Any]) -> Iterator[ProblemError]:
    trainer = cfg["trainer"]
    clip, where = trainer.get("gradient_clip_val"), "trainer.gradient_clip_val"
    if clip is None:
        if trainer.get("gradient_clip_algorithm") is not None:
            mend = "trainer.gradient_clip_val=1"
            yield ProblemError(
                "no gradient is clipped without a bound", where="trainer.gradient_clip_algorithm", mend=mend
            )
        return
    if isinstance(clip, bool) or not isinstance(clip, int | float) or clip <= 0:
        yield ProblemError(f"{clip!r} is not possible", where=where, mend="a number above 0, or null")
    if trainer.get("precision") in (16, "16", "16-mixed") and (cfg["optimizer"] or {}).get("fused"):
        mend = "optimizer.fused=false, or trainer.precision=bf16-mixed"
        yield ProblemError(
            "a fused optimizer in float16 cannot clip gradients: it scales them itself", where=where, mend=mend
        )


def _count_epochs(cfg: Mapping[str, Any]) -> int:
    """Epochs of training; 0 where nothing is trained, or nobody knows how long."""
    epochs = cfg["trainer"].get("max_epochs")
    return epochs if isinstance(epochs, int) and epochs > 0 else 0


def _find_frozen(node: Any) -> Iterator[bool]:
    """Of each backbone below a model, whether it is frozen."""
    if isinstance(node, Mapping):
        if str(node.get("_target_", "")).endswith(".Backbone"):
            yield node.get("frozen") is True
        for value in node.values():
            yield from _find_frozen(value)


def find_length_problems(trainer: Mapping[str, Any]) -> Iterator[ProblemError]:
    """What comes to nothing, whatever the data: no batch, no validation."""
    for key in LIMITS:
        limit = trainer.get(key)
        if _is_number(limit) and (limit <= 0 or (isinstance(limit, float) and limit > 1)):
            mend = "a number of batches, at least 1, or a share of them: 0.1"
            mend += "; to judge only: trainer.max_epochs=0" if key == LIMITS[0] else ""
            yield ProblemError(f"{limit} is not possible", where=f"trainer.{key}", mend=mend)
    interval = trainer.get("val_check_interval")
    if _is_number(interval) and (interval <= 0 or (isinstance(interval, float) and interval > 1)):
        mend = "a number of batches, at least 1, or a share of an epoch: 0.25"
        yield ProblemError(f"{interval} is not possible", where="trainer.val_check_interval", mend=mend)
    every, epochs = trainer.get("check_val_every_n_epoch", 1), trainer.get("max_epochs")
    if _is_number(every) and (every < 1 or (isinstance(epochs, int) and 0 < epochs < every)):
        what = f"{every} is not possible: there are {epochs} epochs, and the last validation chooses the weights"
        yield ProblemError(what, where="trainer.check_val_every_n_epoch", mend="a number of epochs, from 1 to all")
    for key, mend in (
        ("fast_dev_run", "trainer=debug: one short epoch, which leaves a checkpoint"),
        ("barebones", "leave it out: a run leaves its figures"),
        ("overfit_batches", "leave it out, and take trainer.limit_train_batches=4 for four batches of each epoch"),
    ):
        if trainer.get(key):
            yield ProblemError("nothing would be left to judge", where=f"trainer.{key}", mend=mend)
    if trainer.get("enable_checkpointing") is False:
        yield ProblemError("the best weights are judged", where="trainer.enable_checkpointing", mend="leave it out")


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def find_feature_problems(cfg: Mapping[str, Any]) -> Iterator[ProblemError]:
    """What stands against computing the pooled features of films once."""
    if not cfg.get("features"):
        return
    if (cfg.get("data") or {}).get("augmentation"):
        what, mend = "augmentation gives other films in every epoch", "data.augmentation=null, or features=null"
        yield ProblemError(what, where="features, data.augmentation", mend=mend)
    for where, node in find_backbones(cfg.get("model"), "model"):
        if node.get("frozen") is not True:
            key = "backbone" if where == "model.backbone" else where
            what, mend = "a backbone that is trained gives other features after every step", f"{key}.frozen=true"
            if not (node.get("pretrained") or cfg.get("start_from")):
                mend += f" with trained weights ({key}.pretrained=true or a file, or start_from=RUN)"
            yield ProblemError(what, where=f"features, {where}", mend=f"{mend}, or features=null")


def find_backbones(node: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The nodes of backbones below a node, with their dotted keys."""
    if not isinstance(node, Mapping):
        return
    if str(node.get("_target_", "")).endswith(".Backbone"):
        yield where, node
    for key, value in node.items():
        yield from find_backbones(value, f"{where}.{key}")
