"""Settings that count batches and epochs, held to how many there are."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.config import LIMITS
from chexpert.data.loader import count_batches, find_smallest_share
from chexpert.errors import UserError


def limit_batches(batches: int, limit: Any = None) -> int:
    """Return how many of an epoch's batches Lightning takes.

    >>> limit_batches(3), limit_batches(3, 2), limit_batches(3, 0.5)
    (3, 2, 1)
    """
    return batches if limit is None else int(batches * limit) if isinstance(limit, float) else min(batches, limit)


def find_short_errors(cfg: Mapping[str, Any], views: Mapping[str, int]) -> Iterator[UserError]:
    """Yield errors of settings that leave no batch, or no validation, with this many views in each split."""
    trainer, batch_size = cfg["trainer"], cfg["data"].get("batch_size", 16)
    chooses = "dev" if "dev" in views else "valid"
    counts = {}
    for split, key in ("train", LIMITS[0]), (chooses, LIMITS[1]):
        if split not in views:
            continue
        there = count_batches(views[split], batch_size, training=split == "train")
        counts[split] = limit_batches(there, trainer.get(key))
        if not counts[split]:
            message = f"{trainer.get(key)} of the {there} batches of {split} is none"
            yield UserError(message, code="value", where=f"trainer.{key}", hint=f"trainer.{key}=1, or a larger share")
    if counts.get("train"):
        yield from _find_late_validation(trainer, counts["train"])


def find_single_image_errors(cfg: Mapping[str, Any], views: Mapping[str, int], world: int) -> Iterator[UserError]:
    """Yield an error if a step leaves one of ``world`` processes a single image, from which a model may not learn."""
    batch_size, count = cfg["data"].get("batch_size", 16), views.get("train", 0)
    if not count or cfg["trainer"].get("max_epochs") == 0 or (world > 1 and cfg["trainer"].get("sync_batchnorm")):
        return
    there = count_batches(count, batch_size, training=True)
    batches = limit_batches(there, cfg["trainer"].get(LIMITS[0]))
    if batches and find_smallest_share(count, batch_size, world, batches) == 1:
        near = sorted(range(2 * world, batch_size + 4 * world), key=lambda size: abs(size - batch_size))
        fits = next((size for size in near if find_smallest_share(count, size, world) > 1), None)
        message = f"batches of {batch_size} of {count:,} training images leave a device with one image in a step, from "
        message += "which BatchNorm cannot learn at this size: its last map has one cell"
        hint = "larger images (data.image_size), or frozen backbones" + ", or on GPUs trainer.sync_batchnorm=true" * (
            world > 1
        )
        hint = f"data.batch_size={fits}, {hint}" if fits else hint
        yield UserError(message, code="batch-size", where="data.batch_size", hint=hint)


def _find_late_validation(trainer: Mapping[str, Any], batches: int) -> Iterator[UserError]:
    """A validation that would come after the end: of an epoch, or where epochs do not count of the training."""
    interval, where = trainer.get("val_check_interval"), "trainer.val_check_interval"
    whole = trainer.get("check_val_every_n_epoch", 1) is None
    there = batches * (trainer.get("max_epochs") or 1) if whole else batches
    if isinstance(interval, int) and not isinstance(interval, bool) and interval > there:
        message = f"{interval} batches, and {'the training' if whole else 'an epoch'} has {there}"
        yield UserError(
            message, code="value", where=where, hint=f"{where}=1.0 (once an epoch), or a number up to {there}"
        )
