"""Pooled features of images, computed once: one file a split, keyed by all that changes them."""

import hashlib
import json
import os
import platform
import shutil
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from chexpert.console import FirstLines, log, show_progress
from chexpert.data.cache.images import make_key
from chexpert.data.dataset import Batch, ViewDataset
from chexpert.data.loader import make_loader
from chexpert.data.workers import reporting_dead_workers
from chexpert.errors import UserError

VERSION = 1  # raise it when the layout changes, or when Model.pool makes other features of an image

IDLE = 600
"""Seconds after which a file that nothing was written to may be a leftover: containers share names and numbers."""

Pool = Callable[[torch.Tensor], torch.Tensor]
"""Images (B, 1, H, W) uint8 to features (B, D) float32."""


class Features:
    """A complete file of features: N records of a CRC and D float32. An image that could not be read is NaN throughout.

    Args:
        path: of the file, an array as ``numpy.load`` reads it.
        rows: of the file that row n of these features is, all of them by default.

    Raises:
        UserError: it is not what was written.
    """

    def __init__(self, path: Path, rows: Sequence[int] | np.ndarray | None = None) -> None:
        self.path = path
        try:
            self._records = np.asarray(np.load(path, mmap_mode="r"))
            self.width: int = self._records["values"].shape[1]
        except (OSError, ValueError, IndexError, EOFError) as error:
            raise self._damaged(str(error)) from error
        self.rows = np.arange(len(self._records)) if rows is None else np.asarray(rows)
        self._unchecked = np.ones(len(self._records), bool)

    def read(self, row: int, out: np.ndarray) -> bool:
        """Fill (D,) float32; return False where the image could not be read.

        Raises:
            UserError: at the first reading of a row in this process, its bytes are not what was written.
        """
        place = int(self.rows[row])
        out[...] = self._records["values"][place]
        if self._unchecked[place]:
            if zlib.crc32(out.tobytes()) != self._records["crc"][place]:
                raise self._damaged(f"row {place} is not what was written")
            self._unchecked[place] = False
        return not np.isnan(out[0])

    def _damaged(self, message: str) -> UserError:
        hint = "delete this file, and the next run builds it anew"
        return UserError(
            f"these features are damaged: {message}", code="damaged-cache", where=str(self.path), hint=hint
        )


class FeatureViews(ViewDataset):
    """The views of a dataset, with features in the place of images: ``Batch.images`` is (B, D) float32."""

    def __init__(self, views: ViewDataset, features: Features) -> None:
        vars(self).update(vars(views))
        self.features, self.augmentation = features, None

    def _allocate(self, views: int) -> np.ndarray:
        return np.empty((views, self.features.width), dtype=np.float32)

    def _read(self, row: int, image: np.ndarray) -> tuple[str, ...] | None:
        if self.features.read(row, image):
            return ()
        if not self.skip:  # says what is wrong with the image
            self.preprocessing.read(self.files[row], self.digests[row] if self.digests else "")
        return None


@reporting_dead_workers()
def open_features(
    folder: Path, split: str, views: ViewDataset, members: str, width: int, pool: Pool, **loading: int
) -> Path:
    """Return the file of the features of these views, which is computed first where there is none.

    Args:
        folder: where such files lie; made if missing.
        split: first word of the file's name.
        views: without augmentation.
        members: digest of the weights.
        width: D.
        pool: what computes the features.
        loading: ``batch_size`` and ``workers``.

    Raises:
        UserError: an image cannot be read, its features are no numbers, or the disk refuses.
    """
    images = make_key([str(Path(file).absolute()) for file in views.files], views.preprocessing, views.digests)
    key = json.dumps([images.to_dict(), members, width, torch.__version__, VERSION])
    path = folder / f"{split}-{width}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    clear_leftovers(folder)
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_features(path, views, width, pool, **loading)
        except OSError as error:
            hint = "free disk space or repair the folder, choose another one, or use none: features=null"
            raise UserError(
                f"the features cannot be written: {error}", code="write-failed", where=str(folder), hint=hint
            ) from error
    return path


def write_features(
    path: Path, views: ViewDataset, width: int, pool: Pool, *, batch_size: int = 16, workers: int = 0
) -> None:
    """Compute the features of all views into ``path``, which appears complete or not at all."""
    record = np.dtype([("crc", "<u4"), ("values", "<f4", (width,))])
    size, free = len(views) * record.itemsize, shutil.disk_usage(path.parent).free
    if size > free:
        raise OSError(f"they take {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")
    log.info(f"features: of {len(views):,} images into {path} ({size / 1e9:.2f} GB)")
    batches = make_loader(views, batch_size=batch_size, workers=workers, shuffle=False, seed=0)
    partial = path.with_suffix(f".{platform.node()}.{os.getpid()}.partial")  # each its own; the last one stays
    header = {"descr": np.lib.format.dtype_to_descr(record), "fortran_order": False, "shape": (len(views),)}
    try:
        with partial.open("wb") as file:
            np.lib.format.write_array_header_2_0(file, header)
            flagged = FirstLines("chexpert audit ROOT --json audit.json lists them all")
            for batch in show_progress(batches, "computing features", len(views), each=batch_size):
                for name, why in batch.flagged:  # the only time that the images are looked at
                    flagged.print(f"{why}: {name}")
                values = compute(batch, views, width, pool)
                records = np.empty(len(values), record)
                records["values"], records["crc"] = values, [zlib.crc32(row.tobytes()) for row in values]
                file.write(records.tobytes())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def clear_leftovers(folder: Path) -> None:
    """Remove the files that killed processes of this machine left; one that works writes with every batch."""
    for partial in folder.glob(f"*.{platform.node()}.*.partial"):
        with suppress(OSError):  # just finished by its process, or in a folder that is only read here
            idle = time.time() - partial.stat().st_mtime
            if idle > IDLE and not is_alive(int(partial.suffixes[-2][1:])):
                partial.unlink()


def is_alive(process: int) -> bool:
    """Return whether a process of this number runs on this machine.

    On Windows nobody is asked: signal 0 is Ctrl-C there, and what a process has open is not removed anyway.
    """
    if os.name == "nt":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def compute(batch: Batch, views: ViewDataset, width: int, pool: Pool) -> np.ndarray:
    """Compute features (n, D) of a batch in the order of its keys, NaN where an image was skipped."""
    values = np.full((len(batch.paths) + len(batch.skipped), width), np.nan, dtype=np.float32)
    if not batch.paths:
        return values
    start = min([batch.rows[0], *(views.paths.index(path) for path in batch.skipped)])
    values[[row - start for row in batch.rows]] = features = pool(batch.images).numpy()
    if not np.isfinite(features).all():  # they would be taken for images that cannot be read
        where = ", ".join(batch.paths)
        raise UserError("the members put out NaN or infinity", code="nan", where=where, hint="give them other weights")
    return values
