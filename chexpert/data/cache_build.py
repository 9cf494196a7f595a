"""Builds the cache of decoded films where there is none that fits.

Rows are written to a ``.partial`` file that gets its name when it is complete. What a row holds follows from the key,
so an interrupted build is taken up again, and two processes that build at once write the same bytes to the same places.
"""

import errno
import os
import shutil
import sys
import time
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader, Dataset

from chexpert.data import cache as layout
from chexpert.data.cache import INDEX, READY, UNREADABLE, CacheKey, DecodedCache
from chexpert.data.preprocessing import Preprocessing
from chexpert.problem import ProblemError

CHUNK = 16  # films a task
NAMED = 5  # unreadable images that are named before the build stops

Decoded = tuple[list[int], np.ndarray, dict[int, str]]
"""Rows, their films (n, size, size) uint8, and why a row could not be read."""


def open_cache(
    folder: Path,
    split: str,
    files: Sequence[str | Path],
    preprocessing: Preprocessing,
    *,
    workers: int | None = None,
    skip: bool = False,
) -> DecodedCache:
    """Opens the cache of these films, and builds it first where there is none.

    Args:
        folder: where caches lie; made if missing.
        split: first word of the file's name.
        files: N image files; row n of the cache is file n.
        preprocessing: geometry of the films.
        workers: processes that decode; None for one on each processor that this process may use.
        skip: leave out what cannot be read, instead of raising.

    Raises:
        ProblemError: an image cannot be read, the disk is too small, or the file is damaged.
    """
    names = [str(Path(file).absolute()) for file in files]
    key = layout.make_key(names, preprocessing)
    path = folder / key.name(split)
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tell_superseded(folder, split, key, layout.find_source(names))
            build_cache(path, key, names, preprocessing, workers=workers, skip=skip)
        except OSError as error:
            mend = "make room or mend the folder, choose another one, or leave it: data.cache=null"
            raise ProblemError(f"the cache cannot be written: {error}", where=str(folder), mend=mend) from error
    cache = DecodedCache(path)
    if cache.key != key:
        raise layout.damaged(path, "it was written for other films")
    for row in np.flatnonzero(cache.index["state"] == UNREADABLE):
        if not skip:
            preprocessing.read(names[row])  # raises what it is, unless it can be read by now
    return cache


def tell_superseded(folder: Path, split: str, key: CacheKey, source: str) -> None:
    """Names earlier caches of the same films in the same geometry that this one replaces, and why."""
    for old in sorted(folder.glob(f"{split}-{key.size}-{key.fit}-*.films")):
        try:
            header = layout.read_header(old)
            before = CacheKey(**header["key"])
        except (OSError, ValueError, TypeError, KeyError):
            continue  # not of this version, or damaged: nothing can be said about it
        if header["source"] == source:
            reasons = ", ".join(_compare(before, key))
            print(f"cache: built anew, since {reasons}. If no other run needs it, delete {old}", file=sys.stderr)
    for rest in sorted(folder.glob(f"{split}-{key.size}-{key.fit}-*.partial")):
        if rest.stem != Path(key.name(split)).stem:
            print(f"cache: if no other run is building it, delete the unfinished {rest}", file=sys.stderr)


def _compare(before: CacheKey, now: CacheKey) -> list[str]:
    if before.films != now.films:
        return [f"there are {now.films:,} films instead of {before.films:,}"]
    changes = {"image files were changed": before.files != now.files}
    changes[f"{now.decoder} is installed instead of {before.decoder}"] = before.decoder != now.decoder
    changes["this version of chexpert makes other pixels"] = before.code != now.code
    return [reason for reason, holds in changes.items() if holds]


def build_cache(
    path: Path, key: CacheKey, files: Sequence[str], preprocessing: Preprocessing, *, workers: int | None, skip: bool
) -> None:
    """Writes the cache at ``path``, which appears complete or not at all."""
    partial = path.with_suffix(".partial")
    with _open(partial) as file:
        index, started = _take_up(file, key), time.monotonic()
        pending = np.flatnonzero(index["state"] != READY)
        _check_room(partial, len(pending) * key.size**2)
        chunks = [pending[n : n + CHUNK] for n in range(0, len(pending), CHUNK)]
        unreadable: dict[int, str] = {}
        for rows, films, reasons in _show(_decode(files, preprocessing, chunks, workers), len(chunks), path, key):
            unreadable |= reasons
            if path.exists() or (len(unreadable) >= NAMED and not skip):
                break
            _write(file, key, index, rows, films, reasons)
        if path.exists():  # another process was faster
            partial.unlink(missing_ok=True)
            return
        if unreadable and not skip:
            raise _stop(files, unreadable)
        _seal(file, key, files, preprocessing, index)
    _publish(partial, path)
    print(f"cache: {len(pending):,} films decoded in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _open(partial: Path) -> BinaryIO:
    """To read and write, made if missing, never emptied: another process may be writing to it."""
    return os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")


def _take_up(file: BinaryIO, key: CacheKey) -> np.ndarray:
    """The index of what an interrupted build left; rows whose bytes did not reach the disk count as not tried."""
    file.truncate(key.length)  # a hole of zeros where nothing was written: state 0
    file.seek(key.index_start)
    index = np.frombuffer(bytearray(file.read()), INDEX)
    for row in np.flatnonzero(index["state"] == READY):
        file.seek(layout.HEADER + int(row) * key.size**2)
        if zlib.crc32(file.read(key.size**2)) != index["crc"][row]:
            index["state"][row] = 0
    return index


def _write(
    file: BinaryIO, key: CacheKey, index: np.ndarray, rows: list[int], films: np.ndarray, reasons: dict[int, str]
) -> None:
    """Writes films, and only then that they are there."""
    for row, film in zip(rows, films, strict=True):
        file.seek(layout.HEADER + row * key.size**2)
        file.write(film)
        index[row] = (UNREADABLE, 0) if row in reasons else (READY, zlib.crc32(film))
    file.flush()
    for row in rows:
        file.seek(key.index_start + row * INDEX.itemsize)
        file.write(index[row].tobytes())
    file.flush()


def _seal(file: BinaryIO, key: CacheKey, files: Sequence[str], preprocessing: Preprocessing, index: np.ndarray) -> None:
    if layout.make_key(files, preprocessing) != key:
        what = "image files were changed while they were decoded"
        raise ProblemError(what, where=file.name, mend="delete this file, and start again when they are at rest")
    file.seek(0)
    file.write(layout.write_header(key, layout.find_source(files), index))
    file.seek(key.index_start)
    file.write(index.tobytes())
    file.flush()
    os.fsync(file.fileno())


def _publish(partial: Path, path: Path) -> None:
    try:
        partial.replace(path)
    except FileNotFoundError:
        if not path.exists():
            raise


def _check_room(partial: Path, needed: int) -> None:
    free = shutil.disk_usage(partial.parent).free
    if needed > free:
        partial.unlink()
        raise OSError(errno.ENOSPC, f"it needs {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} GB are free")


def _stop(files: Sequence[str], reasons: dict[int, str]) -> ProblemError:
    some = "\n".join(f"    {files[row]}: {reason}" for row, reason in sorted(reasons.items())[:NAMED])
    count = f"at least {NAMED}" if len(reasons) >= NAMED else len(reasons)
    mend = "restore these files, or leave such views out and count them: data.on_missing=skip"
    return ProblemError(f"{count} of {len(files):,} images cannot be read:\n{some}", where="data.cache", mend=mend)


class _Decoding(Dataset):
    """Decodes chunks of rows."""

    def __init__(self, files: Sequence[str], preprocessing: Preprocessing) -> None:
        self.files, self.preprocessing = files, preprocessing

    def __getitem__(self, rows: np.ndarray) -> Decoded:
        films = np.zeros((len(rows), self.preprocessing.size, self.preprocessing.size), dtype=np.uint8)
        reasons: dict[int, str] = {}
        for row, film in zip(rows.tolist(), films, strict=True):
            try:
                film[...] = self.preprocessing.read(self.files[row])
            except ProblemError as problem:
                reasons[row] = str(problem).partition("\n")[0]
        return rows.tolist(), films, reasons


def _decode(
    files: Sequence[str], preprocessing: Preprocessing, chunks: list[np.ndarray], workers: int | None
) -> Iterable[Decoded]:
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(workers, len(chunks) // 4)  # a process pays for itself from some 64 films on
    # torch's loader rather than a pool: its workers end when this process is killed, and their death is noticed.
    return DataLoader(
        _Decoding(files, preprocessing),
        batch_size=None,
        sampler=chunks,  # type: ignore[arg-type]
        num_workers=workers if workers > 1 else 0,
        collate_fn=_as_is,
    )


def _as_is(decoded: Decoded) -> Decoded:
    return decoded


def _show(decoded: Iterable[Decoded], chunks: int, path: Path, key: CacheKey) -> Iterable[Decoded]:
    """With a bar and the time left on a terminal; a line in a log file."""
    print(f"cache: decoding {key.films:,} films into {path} ({key.length / 1e9:.2f} GB)", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        return track(decoded, "decoding", total=chunks, console=Console(stderr=True))
    return decoded
