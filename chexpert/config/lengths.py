"""Settings that count batches and epochs, held to how many there are."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from chexpert.problem import ProblemError

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


def count_batches(views: int, batch_size: int, limit: Any = None) -> int:
    """Batches of an epoch; the last may be smaller.

    >>> count_batches(10, 4), count_batches(10, 4, 2), count_batches(10, 4, 0.5)
    (3, 2, 1)
    """
    batches = -(-views // batch_size)
    return batches if limit is None else int(batches * limit) if isinstance(limit, float) else min(batches, limit)


def find_short_problems(cfg: Mapping[str, Any], views: Mapping[str, int]) -> Iterator[ProblemError]:
    """What comes to nothing with this many views in each split."""
    trainer, batch_size = cfg["trainer"], cfg["data"].get("batch_size", 16)
    chooses = "dev" if "dev" in views else "valid"
    counts = {}
    for split, key in ("train", LIMITS[0]), (chooses, LIMITS[1]):
        if split not in views:
            continue
        counts[split] = count_batches(views[split], batch_size, trainer.get(key))
        if not counts[split]:
            what = f"{trainer.get(key)} of the {count_batches(views[split], batch_size)} batches of {split} is none"
            yield ProblemError(what, where=f"trainer.{key}", mend=f"trainer.{key}=1, or a larger share")
    if counts.get("train"):
        yield from _find_late_validation(trainer, counts["train"])


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
