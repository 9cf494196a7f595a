"""Report what is installed and what is missing: versions, devices, extras, data, disk, memory, writable folders.

Each line that needs attention has what to do about it. No names of users and no file names of data are printed, so that
the output may go into a bug report; folders are.
Exit code 0: training can start here; 1: something that it needs is missing.
"""

import os
import platform
import shutil
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from chexpert.errors import UserError, advise_extra

GB = 1e9
DISK, MEMORY, SHARED_MEMORY = 5 * GB, 4 * GB, 1 * GB
"""Free bytes below which a run of usual size is likely to fail: of a run folder, of a training, of loader processes."""
MAINTAINERS = ("dev", "docs", "browser")
"""Extras that only the project's own tests and pages need."""


class Check(NamedTuple):
    """A line of the report.

    Attributes:
        name: what was looked at.
        found: what was found.
        advice: what to do about it; empty where all is well.
        needed: training cannot start before the advice is followed.
    """

    name: str
    found: str
    advice: str = ""
    needed: bool = False


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments to a parser."""
    data = "a copy of CheXpert to look for (the environment variable CHEXPERT_ROOT)"
    parser.add_argument("--root", default=os.environ.get("CHEXPERT_ROOT"), metavar="FOLDER", help=data)
    parser.add_argument("--out", type=Path, default=Path("outputs"), help="where runs are to be written (outputs)")


def run(given: Namespace) -> int:
    """Print a line a check, as soon as it is known, and its advice below."""
    failed = False
    for check in _check_all(given.root, given.out):
        mark = "MISSING" if check.needed else "note" if check.advice else "ok"
        print(f"{mark:<8} {check.name:<18} {check.found}", flush=True)
        if check.advice:
            print(f"{'':<27} -> {check.advice}", flush=True)
        failed |= check.needed
    return int(failed)


def _check_all(root: str | None, out: Path) -> Iterator[Check]:
    yield Check("chexpert", metadata.version("chexpert"))
    yield Check("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")
    yield from check_packages()
    yield from check_extras()
    yield from check_devices()
    yield check_data(root)
    yield check_space("disk", out, DISK, "choose another folder: hydra.run.dir=FOLDER")
    yield check_memory()
    yield check_space("shared memory", Path("/dev/shm"), SHARED_MEMORY, "data.num_workers=0, or a larger /dev/shm")
    yield check_loader_processes()
    yield check_writable(
        "outputs", out, needed=True, advice="change to a folder that may be written, or hydra.run.dir=FOLDER"
    )
    yield check_writable(
        "temporary files", Path(tempfile.gettempdir()), needed=True, advice="set TMPDIR to a folder that may be written"
    )
    yield check_writable(
        "weights",
        find_weight_folder(),
        needed=False,
        advice="set HF_HOME to a folder that may be written, or pretrained=FILE",
    )


def check_packages() -> Iterator[Check]:
    """Yield the version of each package that the program needs."""
    for requirement in _read_requirements():
        if not requirement.marker:
            yield check_package(requirement)


def check_package(requirement: Requirement) -> Check:
    """Return whether a package is installed in a version that fits."""
    install = f"pip install '{requirement.name}{requirement.specifier}'"
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return Check(requirement.name, "not installed", install, needed=True)
    fits = requirement.specifier.contains(found, prereleases=True)
    return Check(requirement.name, found) if fits else Check(requirement.name, found, install, needed=True)


def check_extras() -> Iterator[Check]:
    """Yield for each extra the packages that are there, or how to install it."""
    for extra in metadata.metadata("chexpert").get_all("Provides-Extra") or ():
        if extra in MAINTAINERS:
            continue
        checks = [check_package(one) for one in _read_requirements(extra)]
        found = ", ".join(f"{check.name} {check.found}" for check in checks)
        missing = any(check.advice for check in checks)
        yield Check(f"extra {extra}", found, advise_extra(extra) if missing else "")


def _read_requirements(extra: str = "") -> list[Requirement]:
    """Return the requirements of an extra alone, or those without one."""
    listed = [Requirement(line) for line in metadata.requires("chexpert") or ()]
    asked = [one for one in listed if not one.marker or one.marker.evaluate({"extra": extra})]
    return [one for one in asked if bool(one.marker and "extra" in str(one.marker)) == bool(extra)]


def check_devices() -> Iterator[Check]:
    """Yield the processors, and whether they multiply bfloat16."""
    try:
        import torch

        from chexpert.training.precision import native_precision
    except (ImportError, OSError) as error:  # OSError: a library of CUDA that cannot be loaded
        yield Check(
            "torch", f"cannot be imported: {error}", "install torch and torchvision together again", needed=True
        )
        return
    yield Check("CPU", f"{os.cpu_count()} cores")
    gpus = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    for gpu in gpus:
        yield Check("GPU", f"{gpu.name}, {gpu.total_memory / GB:.0f} GB, CUDA {torch.version.cuda}")
    if torch.backends.mps.is_available():
        yield Check("GPU", "Apple's (mps)")
    elif not gpus:
        yield Check(
            "GPU", "none that torch can use", "on a CPU: trainer=debug, or frozen backbones with features=FOLDER"
        )
    yield Check("precision", native_precision())


def check_data(root: str | None) -> Check:
    """Return which copy of CheXpert lies under a folder."""
    if not root:
        return Check("data", "CHEXPERT_ROOT is not set", "data.root=FOLDER, or set it; without CheXpert: chexpert demo")
    from chexpert.data.sources.detect_layout import find_layout

    try:
        layout = find_layout(root)
    except UserError as error:
        return Check("data", error.message.splitlines()[0], error.hint or "chexpert audit FOLDER")
    return Check("data", f"{layout.variant}, tables {', '.join(sorted(layout.tables))}")


def check_space(name: str, folder: Path, least: float, advice: str) -> Check:
    """Return the free bytes where a folder is, or will be."""
    there = next((above for above in (folder.absolute(), *folder.absolute().parents) if above.is_dir()), None)
    if there is None or (name == "shared memory" and not folder.is_dir()):
        return Check(name, "not used on this system")
    free = shutil.disk_usage(there).free
    return Check(name, f"{free / GB:.1f} GB free", advice if free < least else "")


def check_memory() -> Check:
    """Return the memory that is free, where the system says it."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return Check("memory", "not known on this system")
    advice = "smaller batches and fewer processes: data.batch_size=8 data.num_workers=0"
    return Check("memory", f"{free / GB:.1f} GB free", advice if free < MEMORY else "")


def check_loader_processes() -> Check:
    """Return whether processes that load images can reach this one."""
    from chexpert.data.workers import check_sockets

    try:
        check_sockets(1)
    except UserError as error:
        return Check("loader processes", error.message, error.hint)
    return Check("loader processes", "can open a socket")


def check_writable(name: str, folder: Path, needed: bool, advice: str) -> Check:
    """Return whether a file can be made where a folder is, or will be."""
    there = next(above for above in (folder.absolute(), *folder.absolute().parents) if above.is_dir())
    try:
        with tempfile.TemporaryFile(dir=there):
            return Check(name, f"{folder}: writable")
    except OSError as error:
        return Check(name, f"{folder}: {error.strerror}", advice, needed)


def find_weight_folder() -> Path:
    """Return the folder that timm downloads weights to."""
    home = os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser()
    return Path(home)
