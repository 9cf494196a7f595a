"""Settings that count batches and epochs, held to how many there are."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from chexpert.data.batches import count_batches, find_smallest_share
from chexpert.errors import ProblemError

LIMITS = ("limit_train_batches", "limit_val_batches")


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


def limit_batches(batches: int, limit: Any = None) -> int:
    """How many of an epoch's batches Lightning takes.

    >>> limit_batches(3), limit_batches(3, 2), limit_batches(3, 0.5)
    (3, 2, 1)
    """
    return batches if limit is None else int(batches * limit) if isinstance(limit, float) else min(batches, limit)


def find_short_problems(cfg: Mapping[str, Any], views: Mapping[str, int]) -> Iterator[ProblemError]:
    """What comes to nothing with this many views in each split."""
    trainer, batch_size = cfg["trainer"], cfg["data"].get("batch_size", 16)
    chooses = "dev" if "dev" in views else "valid"
    counts = {}
    for split, key in ("train", LIMITS[0]), (chooses, LIMITS[1]):
        if split not in views:
            continue
        there = count_batches(views[split], batch_size, training=split == "train")
        counts[split] = limit_batches(there, trainer.get(key))
        if not counts[split]:
            what = f"{trainer.get(key)} of the {there} batches of {split} is none"
            yield ProblemError(what, where=f"trainer.{key}", mend=f"trainer.{key}=1, or a larger share")
    if counts.get("train"):
        yield from _find_late_validation(trainer, counts["train"])


def find_lone_problems(cfg: Mapping[str, Any], views: Mapping[str, int], world: int) -> Iterator[ProblemError]:
    """A step in which one of ``world`` processes has a single image, where the model cannot learn from that."""
    batch_size, count = cfg["data"].get("batch_size", 16), views.get("train", 0)
    if not count or cfg["trainer"].get("max_epochs") == 0 or (world > 1 and cfg["trainer"].get("sync_batchnorm")):
        return
    there = count_batches(count, batch_size, training=True)
    batches = limit_batches(there, cfg["trainer"].get(LIMITS[0]))
    if batches and find_smallest_share(count, batch_size, world, batches) == 1:
        near = sorted(range(2 * world, batch_size + 4 * world), key=lambda size: abs(size - batch_size))
        fits = next((size for size in near if find_smallest_share(count, size, world) > 1), None)
        what = f"batches of {batch_size} of {count:,} training images leave a device with one image in a step, from "
        what += "which BatchNorm cannot learn at this size: its last map has one cell"
        mend = "larger images (data.size), or frozen backbones" + ", or on GPUs trainer.sync_batchnorm=true" * (
            world > 1
        )
        mend = f"data.batch_size={fits}, {mend}" if fits else mend
        yield ProblemError(what, where="data.batch_size", mend=mend)


def _find_late_validation(trainer: Mapping[str, Any], batches: int) -> Iterator[ProblemError]:
    """A validation that would come after the end: of an epoch, or where epochs do not count of the training."""
    interval, where = trainer.get("val_check_interval"), "trainer.val_check_interval"
    whole = trainer.get("check_val_every_n_epoch", 1) is None
    there = batches * (trainer.get("max_epochs") or 1) if whole else batches
    if isinstance(interval, int) and not isinstance(interval, bool) and interval > there:
        what = f"{interval} batches, and {'the training' if whole else 'an epoch'} has {there}"
        yield ProblemError(what, where=where, mend=f"{where}=1.0 (once an epoch), or a number up to {there}")


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
