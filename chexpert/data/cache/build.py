"""Opens the cache of decoded images, and builds it where there is none that fits."""

import errno
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from chexpert.console import log, show_progress
from chexpert.data.cache.images import (
    NOTES,
    UNREADABLE,
    CacheKey,
    DecodedCache,
    damaged,
    find_source,
    make_key,
    read_header,
)
from chexpert.data.cache.partial import PartialCache
from chexpert.data.parallel import count_processors
from chexpert.data.preprocessing import Preprocessing
from chexpert.data.workers import STALL, WatchedLoader, begin_worker
from chexpert.errors import UserError

CHUNK = 16  # images a task
NAMED = 5  # unreadable images that are named before the build stops

Check = Callable[[Sequence[int]], None]
"""Is called with the rows that cannot be read so far, and raises where they are too many to be skipped."""


def open_cache(
    folder: Path,
    split: str,
    files: Sequence[str | Path],
    preprocessing: Preprocessing,
    *,
    workers: int | None = None,
    skip: bool = False,
    digests: Sequence[str] | None = None,
    check: Check | None = None,
) -> DecodedCache:
    """Open the cache of these images, and build it first where there is none.

    Args:
        folder: folder of caches; made if missing.
        split: first word of the file's name.
        files: N image files; row n of the cache is file n.
        preprocessing: geometry of the images.
        workers: number of processes that decode; None for one on each processor that this process may use.
        skip: whether to leave out images that cannot be read, instead of raising.
        digests: SHA-256 of each file, which it must have.
        check: whether so many may be left out; None: any number.

    Returns:
        The complete cache, opened.

    Raises:
        UserError: an image cannot be read, the disk is too small, or the file is damaged.
    """
    names = [str(Path(file).absolute()) for file in files]
    key = make_key(names, preprocessing, digests)
    path = folder / key.name(split)
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            warn_superseded(folder, split, key, find_source(names))
            build_cache(path, key, names, preprocessing, workers=workers, skip=skip, digests=digests, check=check)
        except OSError as error:
            hint = "free disk space or repair the folder, choose another one, or use none: data.cache=null"
            raise UserError(
                f"the cache cannot be written: {error}", code="write-failed", where=str(folder), hint=hint
            ) from error
    cache = DecodedCache(path)
    if cache.key != key:
        raise damaged(path, "it was written for other images")
    unreadable = np.flatnonzero(cache.index["state"] == UNREADABLE).tolist()
    if skip and check:
        check(unreadable)
    for row in unreadable:
        if not skip:  # raises what it is, unless it can be read by now
            preprocessing.read(names[row], digests[row] if digests else "")
    return cache


def build_cache(
    path: Path,
    key: CacheKey,
    files: Sequence[str],
    preprocessing: Preprocessing,
    *,
    workers: int | None,
    skip: bool,
    digests: Sequence[str] | None = None,
    check: Check | None = None,
) -> None:
    """Write the cache at ``path``, which appears complete or not at all."""
    started = time.monotonic()
    with PartialCache(path, key) as partial:
        pending, unreadable = partial.pending, dict[int, str]()
        _check_disk_space(partial, len(pending) * (key.size.pixels + NOTES))
        log.info(f"cache: decoding {len(pending):,} images into {path} ({key.length / 1e9:.1f} GB)")
        chunks = [pending[n : n + CHUNK] for n in range(0, len(pending), CHUNK)]
        decoded = decode(Decoding(files, preprocessing, digests), chunks, workers)
        for rows, images, reasons, notes in show_progress(decoded, "decoding images", len(pending), each=CHUNK):
            unreadable |= reasons
            if skip and check and reasons:
                check(list(unreadable))
            if partial.overtaken or (len(unreadable) >= NAMED and not skip):
                break
            partial.write(rows, images, reasons, notes)
        if partial.overtaken:
            partial.remove()
            return
        if unreadable and not skip:
            raise _unreadable(files, unreadable)
        if make_key(files, preprocessing, digests) != key:
            partial.remove()
            raise UserError(
                "image files were changed while they were decoded", code="changed-file", where=find_source(files)
            )
        partial.seal(find_source(files))
    partial.publish()
    log.info(f"cache: {len(pending):,} images decoded in {time.monotonic() - started:.0f} s")


class Decoding(Dataset):
    """Decodes chunks of rows: to them, their images (n, H, W), why not, and notes."""

    def __init__(
        self, files: Sequence[str], preprocessing: Preprocessing, digests: Sequence[str] | None = None
    ) -> None:
        self.files, self.preprocessing, self.digests = files, preprocessing, digests or [""] * len(files)

    def __getitem__(self, rows: np.ndarray) -> tuple[list[int], np.ndarray, dict[int, str], dict[int, tuple[str, ...]]]:
        images = np.zeros((len(rows), *self.preprocessing.size), dtype=np.uint8)
        reasons, noted = dict[int, str](), dict[int, tuple[str, ...]]()
        for row, image in zip(rows.tolist(), images, strict=True):
            try:
                image[...], notes = self.preprocessing.read_noted(self.files[row], self.digests[row])
                noted |= {row: notes} if notes else {}
            except UserError as error:
                reasons[row] = str(error).partition("\n")[0]
        return rows.tolist(), images, reasons, noted


def decode(decoding: Decoding, chunks: list[np.ndarray], workers: int | None) -> WatchedLoader:
    """Decode chunks in order, in up to ``workers`` processes.

    torch's loader rather than a pool: its workers end when this process is killed, and their death is noticed.
    """
    workers = count_processors() if workers is None else workers
    workers = min(workers, len(chunks) // 4)  # a process pays for itself from some 64 images on
    workers = workers if workers > 1 else 0
    return WatchedLoader(
        decoding,
        batch_size=None,
        sampler=chunks,
        num_workers=workers,
        collate_fn=_as_is,
        worker_init_fn=begin_worker,
        timeout=STALL if workers else 0,
    )


def warn_superseded(folder: Path, split: str, key: CacheKey, source: str) -> None:
    """Log earlier caches of the same images in the same geometry that this one replaces, and why."""
    for old in sorted(folder.glob(f"{key.start(split)}*.films")):
        try:
            header = read_header(old)
            before = CacheKey.from_dict(header["key"])
        except (OSError, ValueError, TypeError, KeyError):
            continue  # of another version, or damaged: nothing can be said about it
        if header["source"] == source:
            reason = _compare(before, key)
            log.info(f"cache: built anew, since {reason}; if no other run needs it, delete {old}")
    for rest in sorted(folder.glob(f"{key.start(split)}*.partial")):
        if rest.stem != Path(key.name(split)).stem:
            log.info(f"cache: unfinished, and not for these images; if no run builds it, delete {rest}")


def _compare(before: CacheKey, now: CacheKey) -> str:
    if before.images != now.images:
        return f"there are {now.images:,} images instead of {before.images:,}"
    if before.files != now.files:
        return "image files were changed"
    if before.decoder != now.decoder:
        return f"{now.decoder} is installed instead of {before.decoder}"
    return "this version of chexpert makes other pixels, or keeps more of them"


def _check_disk_space(partial: PartialCache, needed: int) -> None:
    free = shutil.disk_usage(partial.path.parent).free
    if needed > free:
        if len(partial.pending) == partial.key.images:  # nothing is lost by it
            partial.remove()
        raise OSError(errno.ENOSPC, f"it needs {needed / 1e9:.1f} GB more, and {free / 1e9:.1f} GB are free")


def _unreadable(files: Sequence[str], reasons: dict[int, str]) -> UserError:
    some = "\n".join(f"    {files[row]}: {reason}" for row, reason in sorted(reasons.items())[:NAMED])
    count = f"at least {NAMED}" if len(reasons) >= NAMED else len(reasons)
    hint = "restore these files, or leave such views out and count them: data.on_missing=skip"
    return UserError(
        f"{count} of {len(files):,} images cannot be read:\n{some}",
        code="unreadable-image",
        where=find_source(files),
        hint=hint,
    )


def _as_is(decoded: Any) -> Any:
    return decoded
