"""Choices of how to train that contradict each other or come to nothing."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from chexpert.config.probe_checks import is_probe
from chexpert.errors import UserError

LIMITS = ("limit_train_batches", "limit_val_batches")

BACKBONES = (".Backbone", ".PatchBackbone")
"""Ends of the targets of a backbone."""


def find_training_errors(cfg: Mapping[str, Any]) -> Iterator[UserError]:
    """Yield the errors in rates, freezing, averaging, clipping, stopping and checkpoints that no class reports."""
    yield from _rate_errors(cfg)
    yield from _backbone_errors(cfg)
    yield from _averaging_errors(cfg)
    yield from _clipping_errors(cfg)
    if cfg["save_every_n_steps"] is not None and cfg["save_every_n_steps"] < 1:
        message = f"{cfg['save_every_n_steps']} is not possible"
        yield UserError(message, code="value", where="save_every_n_steps", hint="1 or more steps, or null")
    if cfg["early_stopping"] is not None and cfg["early_stopping"] < 0:
        hint = "0 or more epochs, or null"
        yield UserError(f"{cfg['early_stopping']} is not possible", code="value", where="early_stopping", hint=hint)


def _rate_errors(cfg: Mapping[str, Any]) -> Iterator[UserError]:
    rate = (cfg["optimizer"] or {}).get("lr")
    if isinstance(rate, int | float) and not isinstance(rate, bool) and rate <= 0 and _count_epochs(cfg):
        hint = "a number above 0, such as 3e-4; to train nothing: trainer.max_epochs=0"
        yield UserError(f"a learning rate of {rate} is not possible", code="value", where="optimizer.lr", hint=hint)


def _backbone_errors(cfg: Mapping[str, Any]) -> Iterator[UserError]:
    factor, epoch, epochs = cfg["backbone_lr_factor"], cfg["unfreeze_epoch"], _count_epochs(cfg)
    single = "members" not in (cfg.get("model") or {})
    untrained = f"{'backbone' if single else 'model.members.NAME'}.frozen=true"
    if not 0 < factor < float("inf"):
        hint = f"above 0; a backbone that is not trained at all: backbone_lr_factor=1 {untrained}"
        yield UserError(f"{factor} is not possible", code="value", where="backbone_lr_factor", hint=hint)
    decay = cfg["layer_decay"]
    if decay is not None and not 0 < decay <= 1:
        hint = "above 0 and 1 at most, such as 0.75; or null: one rate for all layers"
        yield UserError(f"{decay} is not possible", code="value", where="layer_decay", hint=hint)
    if epoch < 0:
        yield UserError(f"{epoch} is not possible", code="value", where="unfreeze_epoch", hint="an epoch, from 0")
    if epochs and epoch >= epochs:
        hint = f"an earlier epoch; a backbone that is not trained at all: unfreeze_epoch=0 {untrained}"
        yield UserError(f"the training ends after {epochs} epochs", code="value", where="unfreeze_epoch", hint=hint)
    frozen = [node.get("frozen") is True for _, node in find_backbones(cfg.get("model"), "model")]
    if frozen and all(frozen) and not is_probe(cfg):
        for key, usual in (("backbone_lr_factor", 1), ("layer_decay", None), ("unfreeze_epoch", 0)):
            if cfg[key] != usual:
                hint = f"{key}={'null' if usual is None else usual}, or {untrained.replace('true', 'false')}"
                yield UserError("no backbone is trained: all are frozen", code="conflict", where=key, hint=hint)


def _averaging_errors(cfg: Mapping[str, Any]) -> Iterator[UserError]:
    start, epochs = (cfg["averaging"] or {}).get("start_epoch"), _count_epochs(cfg)
    if isinstance(start, int) and epochs and start >= epochs:
        message = f"the training ends after {epochs} epochs, before anything is averaged"
        yield UserError(message, code="value", where="averaging.start_epoch", hint=f"an epoch from 0 to {epochs - 1}")


def _clipping_errors(cfg: Mapping[str, Any]) -> Iterator[UserError]:
    trainer = cfg["trainer"]
    clip, where = trainer.get("gradient_clip_val"), "trainer.gradient_clip_val"
    if clip is None:
        if trainer.get("gradient_clip_algorithm") is not None:
            hint = "trainer.gradient_clip_val=1"
            yield UserError(
                "no gradient is clipped without a bound",
                code="conflict",
                where="trainer.gradient_clip_algorithm",
                hint=hint,
            )
        return
    if isinstance(clip, bool) or not isinstance(clip, int | float) or clip <= 0:
        yield UserError(f"{clip!r} is not possible", code="value", where=where, hint="a number above 0, or null")
    if trainer.get("precision") in (16, "16", "16-mixed") and (cfg["optimizer"] or {}).get("fused"):
        hint = "optimizer.fused=false, or trainer.precision=bf16-mixed"
        yield UserError(
            "a fused optimizer in float16 cannot clip gradients: it scales them itself",
            code="conflict",
            where=where,
            hint=hint,
        )


def _count_epochs(cfg: Mapping[str, Any]) -> int:
    """Epochs of training; 0 where nothing is trained, or nobody knows how long."""
    epochs = cfg["trainer"].get("max_epochs")
    return epochs if isinstance(epochs, int) and epochs > 0 else 0


def find_length_errors(trainer: Mapping[str, Any]) -> Iterator[UserError]:
    """Yield the errors in the length of a run that hold for any data: no batch, no validation."""
    for key in LIMITS:
        limit = trainer.get(key)
        if _is_number(limit) and (limit <= 0 or (isinstance(limit, float) and limit > 1)):
            hint = "a number of batches, at least 1, or a share of them: 0.1"
            hint += "; to evaluate only: trainer.max_epochs=0" if key == LIMITS[0] else ""
            yield UserError(f"{limit} is not possible", code="value", where=f"trainer.{key}", hint=hint)
    interval = trainer.get("val_check_interval")
    if _is_number(interval) and (interval <= 0 or (isinstance(interval, float) and interval > 1)):
        hint = "a number of batches, at least 1, or a share of an epoch: 0.25"
        yield UserError(f"{interval} is not possible", code="value", where="trainer.val_check_interval", hint=hint)
    every, epochs = trainer.get("check_val_every_n_epoch", 1), trainer.get("max_epochs")
    if _is_number(every) and (every < 1 or (isinstance(epochs, int) and 0 < epochs < every)):
        message = f"{every} is not possible: there are {epochs} epochs, and the last validation chooses the weights"
        yield UserError(
            message, code="value", where="trainer.check_val_every_n_epoch", hint="a number of epochs, from 1 to all"
        )
    for key, hint in (
        ("fast_dev_run", "trainer=debug: one short epoch, which leaves a checkpoint"),
        ("barebones", "leave it out: a run writes its metrics"),
        ("overfit_batches", "leave it out, and take trainer.limit_train_batches=4 for four batches of each epoch"),
    ):
        if trainer.get(key):
            yield UserError("nothing would be left to evaluate", code="value", where=f"trainer.{key}", hint=hint)
    if trainer.get("enable_checkpointing") is False:
        yield UserError(
            "the best weights are evaluated", code="conflict", where="trainer.enable_checkpointing", hint="leave it out"
        )


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def find_feature_errors(cfg: Mapping[str, Any]) -> Iterator[UserError]:
    """Yield the settings that prevent computing the pooled features of images once."""
    if not cfg.get("features") or is_probe(cfg):
        return
    if (cfg.get("data") or {}).get("augmentation"):
        message, hint = "augmentation gives other images in every epoch", "data.augmentation=null, or features=null"
        yield UserError(message, code="conflict", where="features, data.augmentation", hint=hint)
    for where, node in find_backbones(cfg.get("model"), "model"):
        key = "backbone" if where == "model.backbone" else where
        if node.get("pooling") == "pcam":
            message = "pooling=pcam makes another vector for each observation in every step, so there is none to keep"
            yield UserError(
                message, code="conflict", where=f"features, {where}", hint=f"features=null, or {key}.pooling=avg"
            )
        if node.get("frozen") is not True:
            message, hint = "a backbone that is trained gives other features after every step", f"{key}.frozen=true"
            if not (node.get("pretrained") or cfg.get("start_from")):
                hint += f" with trained weights ({key}.pretrained=true or a file, or start_from=RUN)"
            yield UserError(message, code="conflict", where=f"features, {where}", hint=f"{hint}, or features=null")


def find_backbones(node: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the nodes of backbones below a node, with their dotted keys."""
    if not isinstance(node, Mapping):
        return
    if str(node.get("_target_", "")).endswith(BACKBONES):
        yield where, node
    for key, value in node.items():
        yield from find_backbones(value, f"{where}.{key}")
