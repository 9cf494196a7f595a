"""The most memory that a process and its GPU have used at once."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

PROCESS = Path("/proc/self")
MIB = 2**20


def reset_process_peak() -> bool:
    """Let the peak begin anew, where Linux allows it: the jobs of a sweep share a process.

    Returns:
        Whether it did; elsewhere the peak is that of all that the process has done.
    """
    try:
        (PROCESS / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def read_process_peak() -> float | None:
    """Return the most memory in MiB that this process has had resident; None where the system does not count it."""
    with suppress(OSError):  # not getrusage on Linux: a process begins with the peak of the one that started it
        for line in (PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024


def reset_device_peak(device: "torch.device") -> None:
    """Let the peak of a GPU of CUDA begin anew."""
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def read_device_peak(device: "torch.device") -> float | None:
    """Return the most memory in MiB that tensors have had on a GPU of CUDA; None on another device."""
    if device.type != "cuda":
        return None
    import torch

    return torch.cuda.max_memory_allocated(device) / MIB
