"""Pooled features of images, computed once: one file an encoder and split, keyed by all that changes them."""

import hashlib
import json
import os
import platform
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from chexpert.console import FirstLines, log, show_progress
from chexpert.data.cache.images import make_key
from chexpert.data.dataset import Batch, Read, ViewDataset
from chexpert.data.loader import make_loader
from chexpert.data.partial_files import clear_leftovers, locked
from chexpert.data.workers import reporting_dead_workers
from chexpert.errors import UserError

VERSION = 1  # raise it when the layout changes, or when a member makes other features of an image

FORWARD = 16
"""Images in a forward pass that computes features, at most: a batch of features may be of hundreds."""

CHUNK = 8192
"""Rows of which statistics are computed at once."""


class Encoder(NamedTuple):
    """A frozen network whose pooled features are kept."""

    digest: str
    """Of its weights."""
    width: int
    """Number K of its features."""
    pool: Callable[[torch.Tensor], torch.Tensor]
    """Images (B, 1, H, W) uint8 to features (B, K) float32, on the CPU."""


class FeatureFile:
    """A complete file of features: N records of a CRC and K float32. An image that could not be read is NaN throughout.

    Args:
        path: of the file, an array as ``numpy.load`` reads it.

    Raises:
        UserError: it is not what was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            records = np.asarray(np.load(path, mmap_mode="r"))
            self._values, self._crcs = records["values"], records["crc"]
            self.width: int = self._values.shape[1]
        except (OSError, ValueError, IndexError, EOFError) as error:
            raise self._damaged(str(error)) from error
        self._unchecked = np.ones(len(records), bool)

    def __len__(self) -> int:
        return len(self._values)

    def read(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Fill (n, K) float32 with these rows of the file.

        Raises:
            UserError: at the first reading of a row in this process, its bytes are not what was written.
        """
        out[...] = self._values[rows]
        for n in np.flatnonzero(self._unchecked[rows]):
            if zlib.crc32(out[n].tobytes()) != self._crcs[rows[n]]:
                raise self._damaged(f"row {rows[n]} is not what was written")
        self._unchecked[rows] = False

    def _damaged(self, message: str) -> UserError:
        hint = "delete this file, and the next run builds it anew"
        return UserError(
            f"these features are damaged: {message}", code="damaged-cache", where=str(self.path), hint=hint
        )


class Features:
    """The features of all encoders side by side.

    Args:
        paths: the files of the encoders, in order.
        rows: of the files that row n of these features is, all of them by default.

    Raises:
        UserError: a file is not what was written.
    """

    def __init__(self, paths: Sequence[Path], rows: Sequence[int] | np.ndarray | None = None) -> None:
        self.files = [FeatureFile(path) for path in paths]
        self.rows = np.arange(len(self.files[0])) if rows is None else np.asarray(rows)
        self.width = sum(file.width for file in self.files)

    def read(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return (n, D) float32, a row of NaN where an image could not be read.

        Raises:
            UserError: at the first reading of a row in this process, its bytes are not what was written.
        """
        places, first = self.rows[rows], 0
        values = np.empty((len(places), self.width), np.float32)
        for file in self.files:
            file.read(places, values[:, first : first + file.width])
            first += file.width
        return values

    def measure(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation (D,) float64 of the features over all images that could be read."""
        count, mean, squares = 0, np.zeros(self.width), np.zeros(self.width)
        for start in range(0, len(self.rows), CHUNK):
            values = self.read(np.arange(start, min(start + CHUNK, len(self.rows)))).astype(np.float64)
            values = values[~np.isnan(values[:, 0])]
            if not len(values):
                continue
            own, both = values.mean(0), count + len(values)
            # Chan, Golub and LeVeque 1983: sums of squares about two means, added up
            squares += ((values - own) ** 2).sum(0) + (own - mean) ** 2 * (count * len(values) / both)
            mean += (own - mean) * (len(values) / both)
            count = both
        return mean, np.sqrt(squares / max(1, count))


class FeatureViews(ViewDataset):
    """The views of a dataset, with features in the place of images: ``Batch.images`` is (B, D) float32."""

    def __init__(self, views: ViewDataset, features: Features) -> None:
        vars(self).update(vars(views))
        self.features, self.augmentation = features, None

    def _allocate(self, views: int) -> np.ndarray:
        return np.empty((views, self.features.width), dtype=np.float32)

    def _read(self, keys: Sequence[tuple[int, int]]) -> Read:
        rows = np.array([max(row, ~row) for _, row in keys], dtype=np.int64)
        values = self.features.read(rows)
        missing = np.isnan(values[:, 0])
        if not missing.any():
            return Read(values, [(key[0], row) for key, row in zip(keys, rows.tolist(), strict=True)], [], [])
        if not self.skip:  # says what is wrong with the image
            for row in rows[missing]:
                self.preprocessing.read(self.files[row], self.digests[row] if self.digests else "")
        kept = [(keys[n][0], int(rows[n])) for n in np.flatnonzero(~missing).tolist()]
        return Read(values[~missing], kept, [self.paths[row] for row in rows[missing]], [])


@reporting_dead_workers()
def open_features(
    folder: Path, split: str, views: ViewDataset, encoders: Sequence[Encoder], **loading: int
) -> list[Path]:
    """Return the file of each encoder's features of these views; those that are missing are computed first.

    All missing ones are computed in one pass over the images. Another process that computes one of them is waited for.

    Args:
        folder: where such files lie; made if missing.
        split: first word of the file's name.
        views: without augmentation.
        encoders: whose features are needed.
        loading: ``batch_size`` and ``workers``.

    Raises:
        UserError: an image cannot be read, its features are no numbers, or the disk refuses.
    """
    images = make_key([str(Path(file).absolute()) for file in views.files], views.preprocessing, views.digests)
    paths = {encoder.digest: folder / _name(split, images.to_dict(), encoder) for encoder in encoders}
    clear_leftovers(folder)
    try:
        with ExitStack() as locks:
            for path in sorted({path for path in paths.values() if not path.exists()}):
                folder.mkdir(parents=True, exist_ok=True)
                locks.enter_context(locked(path, "computes these features"))
            missing = {paths[one.digest]: one for one in encoders if not paths[one.digest].exists()}
            if missing:
                write_features(missing, views, **loading)
    except OSError as error:
        hint = "free disk space or repair the folder, or choose another one: features=FOLDER"
        raise UserError(
            f"the features cannot be written: {error}", code="write-failed", where=str(folder), hint=hint
        ) from error
    return [paths[encoder.digest] for encoder in encoders]


def _name(split: str, images: Mapping[str, object], encoder: Encoder) -> str:
    key = json.dumps([images, encoder.digest, encoder.width, torch.__version__, VERSION])
    return f"{split}-{encoder.width}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"


def write_features(
    encoders: Mapping[Path, Encoder], views: ViewDataset, *, batch_size: int = 16, workers: int = 0
) -> None:
    """Compute the features of all views into the file of each encoder, which appears complete or not at all."""
    records = {path: np.dtype([("crc", "<u4"), ("values", "<f4", (one.width,))]) for path, one in encoders.items()}
    size = len(views) * sum(record.itemsize for record in records.values())
    free = shutil.disk_usage(next(iter(encoders)).parent).free
    if size > free:
        raise OSError(f"they take {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")
    for path, record in records.items():
        log.info(f"features: of {len(views):,} images into {path} ({len(views) * record.itemsize / 1e9:.2f} GB)")
    batches = make_loader(views, batch_size=batch_size, workers=workers, shuffle=False, seed=0)
    # each process its own; the last one stays
    partial = {path: path.with_suffix(f".{platform.node()}.{os.getpid()}.partial") for path in encoders}
    try:
        with ExitStack() as files:
            opened = {path: files.enter_context(part.open("wb")) for path, part in partial.items()}
            for path, file in opened.items():
                descr = np.lib.format.dtype_to_descr(records[path])
                header = {"descr": descr, "fortran_order": False, "shape": (len(views),)}
                np.lib.format.write_array_header_2_0(file, header)
            flagged = FirstLines("chexpert audit ROOT --json audit.json lists them all")
            for batch in show_progress(batches, "computing features", len(views), each=batch_size):
                for name, why in batch.flagged:  # the only time that the images are looked at
                    flagged.print(f"{why}: {name}")
                for path, file in opened.items():
                    values = compute(batch, views, encoders[path])
                    own = np.empty(len(values), records[path])
                    own["values"], own["crc"] = values, [zlib.crc32(row.tobytes()) for row in values]
                    file.write(own.tobytes())
            for file in opened.values():
                file.flush()
                os.fsync(file.fileno())
        for path, part in partial.items():
            part.replace(path)
    finally:
        for part in partial.values():
            part.unlink(missing_ok=True)


def compute(batch: Batch, views: ViewDataset, encoder: Encoder) -> np.ndarray:
    """Compute features (n, K) of a batch in the order of its keys, NaN where an image was skipped."""
    values = np.full((len(batch.paths) + len(batch.skipped), encoder.width), np.nan, dtype=np.float32)
    if not batch.paths:
        return values
    start = min([batch.rows[0], *(views.paths.index(path) for path in batch.skipped)])
    values[[row - start for row in batch.rows]] = features = encoder.pool(batch.images).numpy()
    if not np.isfinite(features).all():  # they would be taken for images that cannot be read
        where = ", ".join(batch.paths)
        raise UserError("the members put out NaN or infinity", code="nan", where=where, hint="give them other weights")
    return values
