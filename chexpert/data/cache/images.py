"""Fitted images in one memory-mapped file: what stands in it, and how it is read and checked.

The file: a header of 4,096 bytes (JSON, its CRC first), N x height x width bytes of gray, N entries of the index, and N
times 256 bytes of notes on the images.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
from PIL import features

from chexpert.data.preprocessing import Preprocessing
from chexpert.data.sources.image_files import ENDINGS
from chexpert.errors import UserError
from chexpert.image_size import ImageSize

VERSION = 3  # raise it when the layout changes, or when Preprocessing makes other pixels of a file
HEADER = 4096
INDEX = np.dtype([("state", "<u4"), ("crc", "<u4")])
READY, UNREADABLE, NOTED = 1, 2, 3  # states of a row, the last: ready, with notes; 0 is one that was not tried yet
NOTES = 256  # bytes a row: UTF-8 and zeros


@dataclass(frozen=True)
class CacheKey:
    """Everything that changes the bytes of a cache. Another key is another file, so no cache is ever out of date.

    Attributes:
        images: number of rows.
        files: SHA-256 over path below their common folder, size and times of change of each image file, in order.
        size: of the fitted images, height and width in pixels.
        fit: how they were fitted.
        code: version of the pixels and of the layout.
        decoder: versions of the libraries that made the pixels.
    """

    images: int
    files: str
    size: ImageSize
    fit: str
    code: int
    decoder: str

    def name(self, split: str) -> str:
        """Return the name of the file, such as train-224-stretch-0123456789abcdef.films."""
        digest = hashlib.sha256(json.dumps(self.to_dict()).encode()).hexdigest()
        return f"{self.start(split)}{digest[:16]}.films"

    def start(self, split: str) -> str:
        """Return how the names of the files of this geometry start: train-224-stretch-, train-384x320-stretch-."""
        return f"{split}-{str(self.size).replace(' ', '')}-{self.fit}-"

    def to_dict(self) -> dict[str, Any]:
        """Return the key as files hold it: under the names of older versions, whose caches stay valid."""
        content = asdict(self)
        return {"films": content.pop("images"), **content, "size": self.size.plain}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "CacheKey":
        """Read a key from the header of a file."""
        own = {key: value for key, value in content.items() if key != "films"}
        return cls(images=content["films"], **own | {"size": ImageSize.of(content["size"])})

    @property
    def index_start(self) -> int:
        """Bytes before the index."""
        return HEADER + self.images * self.size.pixels

    @property
    def length(self) -> int:
        """Bytes of the whole file."""
        return self.notes_start + self.images * NOTES

    @property
    def notes_start(self) -> int:
        """Bytes before the notes."""
        return self.index_start + self.images * INDEX.itemsize


def make_key(files: Sequence[str], preprocessing: Preprocessing, digests: Sequence[str] | None = None) -> CacheKey:
    """Return the key of these files as they lie there now, and of the SHA-256 that they must have.

    DICOM's decoders are in it where a file may be one by its ending.
    """
    digest, above = hashlib.sha256(), len(find_source(files))
    for file, sha256 in zip(files, digests or [""] * len(files), strict=True):
        digest.update(os.fsencode(f"{file[above:]}\0{_stamp(file)}{sha256}\n"))
    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    decoder = f"Pillow {PIL.__version__}, libjpeg {jpeg}, OpenCV {cv2.__version__}"
    if any(os.path.splitext(file)[1].lower() not in ENDINGS for file in files):  # one that ends .jpg is not opened
        decoder = ", ".join([decoder, *map(_find_version, ("pydicom", "python-gdcm"))])
    return CacheKey(len(files), digest.hexdigest(), preprocessing.size, preprocessing.fit, VERSION, decoder)


def find_source(files: Sequence[str]) -> str:
    """Return the folder that the image files have in common."""
    return os.path.commonpath([os.path.dirname(file) for file in (min(files), max(files))])


def _find_version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"no {package}"


def _stamp(file: str) -> str:
    try:
        status = os.stat(file)
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"  # only the last cannot be set back


def pack_notes(notes: Sequence[str]) -> bytes:
    """Return the notes on an image in the bytes that they have, cut where they are longer."""
    return "; ".join(notes).encode(errors="replace")[:NOTES].ljust(NOTES, b"\0")


def find_crc(image: Any, notes: Any) -> int:
    """Compute the CRC of a row, as the index has it."""
    return zlib.crc32(notes, zlib.crc32(image))


def find_ready(index: np.ndarray) -> np.ndarray:
    """Return the rows that have an image, (N,) bool."""
    return np.isin(index["state"], (READY, NOTED))


def write_header(key: CacheKey, source: str, index: np.ndarray) -> bytes:
    """Return the first 4,096 bytes of a complete cache."""
    content = json.dumps({"key": key.to_dict(), "source": source, "index_crc": zlib.crc32(index.tobytes())}).encode()
    return f"{zlib.crc32(content):08x} ".encode() + content + b"\n" * (HEADER - 9 - len(content))


def read_header(path: Path) -> dict[str, Any]:
    """Read the header's JSON.

    Raises:
        ValueError: these bytes are no whole header.
    """
    with path.open("rb") as file:
        crc, _, content = file.read(HEADER).rstrip(b"\n").partition(b" ")
    if crc != f"{zlib.crc32(content):08x}".encode():
        raise ValueError("its header is damaged")
    return json.loads(content)


class DecodedCache:
    """A complete cache, opened. Every process maps the file anew, and copies nothing of it.

    Args:
        path: of the file.

    Raises:
        UserError: it is not what was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            header = read_header(path)
            self.key = key = CacheKey.from_dict(header["key"])
            if path.stat().st_size != key.length:
                raise ValueError(f"it has {path.stat().st_size:,} bytes instead of {key.length:,}")
            self.index = np.fromfile(path, INDEX, key.images, offset=key.index_start)
            if zlib.crc32(self.index.tobytes()) != header["index_crc"]:
                raise ValueError("its index is damaged")
            shape = (key.images, *key.size)
            # An array of the plain class: memmap's own takes ten times longer to give out a row.
            self._images = np.asarray(np.memmap(path, np.uint8, "r", HEADER, shape))
            self._notes = np.asarray(np.memmap(path, np.uint8, "r", key.notes_start, (key.images, NOTES)))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise damaged(path, str(error)) from error
        self._ready = find_ready(self.index)
        self._unchecked = self._ready.copy()

    def __reduce__(self) -> tuple[type["DecodedCache"], tuple[Path]]:
        return DecodedCache, (self.path,)

    def __len__(self) -> int:
        return len(self.index)

    def read(self, row: int, out: np.ndarray) -> bool:
        """Copy an image to ``out``, (H, W) uint8; return False where its file could not be read for the cache.

        Raises:
            UserError: at the first reading of a row in this process, its bytes are not what was written.
        """
        if not self._ready[row]:
            return False
        out[...] = self._images[row]
        if self._unchecked[row]:
            if find_crc(out, self._notes[row]) != self.index["crc"][row]:
                raise damaged(self.path, f"image {row} is not what was written")
            self._unchecked[row] = False
        return True

    def notes(self, row: int) -> tuple[str, ...]:
        """Return the notes on the image of a row that was read: nothing, or all of them in one."""
        if self.index["state"][row] != NOTED:
            return ()
        return (self._notes[row].tobytes().rstrip(b"\0").decode(errors="ignore"),)


class CachePart:
    """Some images of a cache, in an order of their own.

    Args:
        cache: of the images.
        rows: of the cache; row n of the part is row ``rows[n]`` of it.
    """

    def __init__(self, cache: DecodedCache, rows: np.ndarray) -> None:
        self.cache, self.rows = cache, rows

    def read(self, row: int, out: np.ndarray) -> bool:
        """Read as the cache does."""
        return self.cache.read(int(self.rows[row]), out)

    def notes(self, row: int) -> tuple[str, ...]:
        """Return the notes as the cache does."""
        return self.cache.notes(int(self.rows[row]))


def damaged(path: Path, message: str) -> UserError:
    """Return the error of a file that cannot be trusted."""
    hint = "delete this file, and the next run builds it anew; if it comes back, the disk or memory is failing"
    return UserError(
        f"this cache of decoded images is damaged: {message}", code="damaged-cache", where=str(path), hint=hint
    )
