"""Checkpoints that are whole or absent, whatever happens while they are written."""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from chexpert.errors import UserError
from chexpert.runs import files as run_files


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes aside in the same folder, syncs, verifies and renames; reads by torch's safe loading, always.

    Lightning's own writes in the system's temporary folder and moves: across file systems, the usual case on a
    cluster, that is a copy over the good file. It also takes a PermissionError for success.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        """Write a checkpoint, or raise a UserError; an older one of this name is then intact."""
        write_whole(Path(path), checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: object = None
    ) -> dict[str, Any]:
        """Load a checkpoint to the CPU, where Lightning expects it, unless another device is given."""
        return load_content(path, map_location or "cpu")


def load_content(path: str | Path, map_location: Any = "cpu", *, mmap: bool = False) -> dict[str, Any]:
    """Load a checkpoint without running code from it.

    Args:
        path: path of the file.
        map_location: device of the tensors.
        mmap: map the tensors from the file instead of reading them; for readers of a few small values.

    Returns:
        The content of the file: plain containers and tensors.

    Raises:
        UnpicklingError: the file holds more than plain containers and tensors.
    """
    return torch.load(path, map_location=map_location, weights_only=True, mmap=mmap)


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Save plain containers and tensors so that ``path`` is the old file or the new one, never a half.

    Raises:
        UserError: it cannot be written there, or does not read back; what lay there before is intact.
    """
    part = path.with_name(path.name + run_files.PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        verify(part)
        part.replace(path)
        sync(path.parent)
    except (OSError, RuntimeError, zipfile.BadZipFile) as error:
        reason = find_reason(path.parent, error)  # while the part still takes its space
        discard(part)
        raise UserError(
            f"the checkpoint {path.name} cannot be saved: {reason}",
            code="write-failed",
            where=str(path.parent),
            hint="free space or make it writable; the checkpoint before is intact, continue from it with resume=RUN",
        ) from error
    except BaseException:  # interrupted: nothing half-made stays
        discard(part)
        raise


def fingerprint(path: str | Path) -> str:
    """Return a digest of a checkpoint's content, from the checksums of its parts: no tensor is read."""
    with zipfile.ZipFile(path) as archive:
        parts = sorted((part.filename, part.file_size, part.CRC) for part in archive.infolist())
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def discard(part: Path) -> None:
    """Remove a part; where that fails too, the error of the write is the one that is raised."""
    with suppress(OSError):
        part.unlink(missing_ok=True)


def verify(path: Path) -> None:
    """Read a checkpoint's bytes again and compare their checksums.

    Raises:
        BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"{damaged} does not read back as it was written")


def sync(folder: Path) -> None:
    """Make a rename last, where the system can sync a folder."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # Windows opens no folder
    try:
        os.fsync(handle)
    except OSError:
        pass  # some network file systems cannot, and need not
    finally:
        os.close(handle)


def find_reason(folder: Path, error: Exception) -> str:
    """Return the system's reason; torch hides it where a write ends early."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    free = shutil.disk_usage(folder).free / 1e6 if folder.is_dir() else 0
    if folder.is_dir() and free < 1:
        return "no space left on the disk"
    return f"{str(error).partition(chr(10))[0][:120]} ({free:.0f} MB are free there)"


def clean(run: Path) -> list[Path]:
    """Remove the partly written files that a killed process left in a run folder.

    Args:
        run: run folder.

    Returns:
        Paths of the removed files.
    """
    parts = sorted(run.rglob(f"*{run_files.PART}"))
    for part in parts:
        part.unlink(missing_ok=True)
    return parts
