"""Report what is installed and what is missing: versions, devices, extras, data, disk, memory, writable folders.

Each line that needs attention has what to do about it. No file names of data are printed, and the home folder as ``~``,
so that the output may go into a bug report; other folders are printed as they are.
Exit code 0: training can start here; 1: something that it needs is missing.
"""

import importlib
import os
import platform
import re
import shutil
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from chexpert.errors import UserError, advise_extra

GB = 1e9
DISK, MEMORY, SHARED_MEMORY = 5 * GB, 4 * GB, 1 * GB
"""Free bytes below which a run of usual size is likely to fail: of a run folder, of a training, of loader processes."""
SHARED_ADVICE = "data.num_workers=0, or a larger /dev/shm"
OUTPUT_ADVICE = "change to a folder that may be written, or hydra.run.dir=FOLDER"
TEMPORARY_ADVICE = "set TMPDIR to a folder that may be written"
WEIGHT_ADVICE = "set HF_HOME to a folder that may be written, or pretrained=FILE (of public weights NAME:FILE)"
BROKEN = dict.fromkeys(("torch", "torchvision"), "install torch and torchvision together again")
UNKNOWN = "follow the lines above; if this one stays, report it with this output"
"""What to do about a check that raises an exception."""
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
        print(hide_home(f"{mark:<8} {check.name:<18} {check.found}"), flush=True)
        if check.advice:
            print(hide_home(f"{'':<27} -> {check.advice}"), flush=True)
        failed |= check.needed
    return int(failed)


def _check_all(root: str | None, out: Path) -> Iterator[Check]:
    temporary = Path(tempfile.gettempdir())
    for name, check in {
        "chexpert": lambda: [Check("chexpert", metadata.version("chexpert"))],
        "Python": lambda: [Check("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")],
        "packages": check_packages,
        "extras": check_extras,
        "torch": check_devices,
        "torchvision": check_vision,
        "data": lambda: [check_data(root)],
        "disk": lambda: [check_space("disk", out, DISK, "choose another folder: hydra.run.dir=FOLDER")],
        "memory": lambda: [check_memory()],
        "shared memory": lambda: [check_space("shared memory", Path("/dev/shm"), SHARED_MEMORY, SHARED_ADVICE)],
        "loader processes": lambda: [check_loader_processes()],
        "outputs": lambda: [check_writable("outputs", out, True, OUTPUT_ADVICE)],
        "temporary files": lambda: [check_writable("temporary files", temporary, True, TEMPORARY_ADVICE)],
        "weights": lambda: [check_writable("weights", find_weight_folder(), False, WEIGHT_ADVICE)],
    }.items():
        yield from catching(name, check)


def catching(name: str, check: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """Yield the lines of a check; an exception becomes one: of a damaged installation anything may be raised."""
    try:
        yield from check()
    except Exception as error:
        reason = " ".join(str(error).split())
        yield Check(name, f"{type(error).__name__}: {reason}", BROKEN.get(name, UNKNOWN), needed=True)


def hide_home(text: str) -> str:
    """Return a text with ``~`` in place of the home folder, whose name is often that of its user."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path raises an error where there is no home
    return re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text) if len(home) > 1 else text


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
    import torch

    from chexpert.training.precision import native_precision

    yield Check("CPU", f"{os.cpu_count()} cores")
    gpus = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    for gpu in gpus:
        yield Check("GPU", f"{gpu.name}, {gpu.total_memory / GB:.0f} GB, CUDA {torch.version.cuda}")
    if torch.backends.mps.is_available():
        yield Check("GPU", "Apple's (mps)")
    elif not gpus:
        yield Check(
            "GPU", "none that torch can use", "on a CPU: trainer=debug, or a head on frozen encoders: model=probe"
        )
    yield Check("precision", native_precision())


def check_vision() -> Iterator[Check]:
    """Import torchvision, which is built for one version of torch: the versions may fit, and the builds may not."""
    importlib.import_module("torchvision")
    return iter(())


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
    try:
        there = next(above for above in (folder.absolute(), *folder.absolute().parents) if above.exists())
        with tempfile.TemporaryFile(dir=there):
            return Check(name, f"{folder}: writable")
    except OSError as error:
        return Check(name, f"{folder}: {error.strerror}", advice, needed)


def find_weight_folder() -> Path:
    """Return the folder that timm downloads weights to."""
    home = os.environ.get("HF_HOME") or Path("~/.cache/huggingface").expanduser()
    return Path(home)
