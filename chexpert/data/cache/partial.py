"""A cache under construction: the file beside its later place, which gets its name when it is complete.

The key determines the content of each row. So an interrupted build is resumed, and two processes that build at once
write the same bytes to the same places of one file.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import numpy as np

from chexpert.data.cache.images import (
    HEADER,
    INDEX,
    NOTED,
    NOTES,
    READY,
    UNREADABLE,
    CacheKey,
    find_crc,
    find_ready,
    pack_notes,
    write_header,
)


class PartialCache:
    """The unfinished file of a cache, open for writing.

    Args:
        path: of the complete cache.
        key: of the complete cache.

    Raises:
        OSError: here and in every method, the disk is full or refuses.
    """

    def __init__(self, path: Path, key: CacheKey) -> None:
        self.path, self.key, self.unfinished = path, key, path.with_suffix(".partial")
        self._file = _open(self.unfinished)
        self._file.truncate(key.length)  # what nobody has written is a hole of zeros: rows that were not tried
        self._file.seek(key.index_start)
        self._index = np.frombuffer(bytearray(self._file.read(key.images * INDEX.itemsize)), INDEX)
        self._check_rows()

    def __enter__(self) -> "PartialCache":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def pending(self) -> np.ndarray:
        """Rows without an image; what could not be read is tried again."""
        return np.flatnonzero(~find_ready(self._index))

    @property
    def overtaken(self) -> bool:
        """Return whether another process has finished the cache."""
        return self.path.exists()

    def write(
        self,
        rows: Sequence[int],
        images: np.ndarray,
        unreadable: Mapping[int, str],
        notes: Mapping[int, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Write images (n, H, W) and the notes on some of them, and only then that they are there."""
        for row, image in zip(rows, images, strict=True):
            packed = pack_notes(notes.get(row, ()))
            self._file.seek(HEADER + row * self.key.size.pixels)
            self._file.write(image)
            self._file.seek(self.key.notes_start + row * NOTES)
            self._file.write(packed)
            state = NOTED if notes.get(row) else READY
            self._index[row] = (UNREADABLE, 0) if row in unreadable else (state, find_crc(image, packed))
        self._file.flush()
        for row in rows:
            self._file.seek(self.key.index_start + row * INDEX.itemsize)
            self._file.write(self._index[row].tobytes())
        self._file.flush()

    def seal(self, source: str) -> None:
        """Write the header, without which the file would not open."""
        self._file.seek(0)
        self._file.write(write_header(self.key, source, self._index))
        self._file.seek(self.key.index_start)
        self._file.write(self._index.tobytes())
        self._file.flush()
        os.fsync(self._file.fileno())

    def publish(self) -> None:
        """Give the file its name; when another process was faster, its file stays.

        By a link, which a rename is not: it never puts a file that a third process has begun over a complete one.
        """
        try:
            self.path.hardlink_to(self.unfinished)
        except OSError:
            if not self.overtaken:  # a file system without links
                self.unfinished.replace(self.path)
        self.remove()

    def remove(self) -> None:
        """Remove the unfinished file.

        Another process may have removed it already, or on Windows still have it open: it then does so itself.
        """
        self._file.close()  # Windows removes no open file
        with suppress(PermissionError):
            self.unfinished.unlink(missing_ok=True)

    def _check_rows(self) -> None:
        """A row whose bytes did not reach the disk before the power failed counts as not tried."""
        for row in np.flatnonzero(find_ready(self._index)):
            self._file.seek(HEADER + int(row) * self.key.size.pixels)
            image = self._file.read(self.key.size.pixels)
            self._file.seek(self.key.notes_start + int(row) * NOTES)
            if find_crc(image, self._file.read(NOTES)) != self._index["crc"][row]:
                self._index["state"][row] = 0


def _open(path: Path) -> BinaryIO:
    """To read and write, made if missing, never emptied: another process may be writing to it."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")
