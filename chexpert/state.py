"""What a run folder says of its run while it runs and afterwards, so that sweeps and comparisons know."""

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chexpert import rundir


class PrunedError(Exception):
    """A search stopped this job, since others do better at its epoch: no failure, and no result."""


PACKAGES = ("torch", "timm", "pytorch-lightning", "chexpert")


def list_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide over a figure."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


@contextmanager
def telling_state(folder: Path, overrides: Sequence[str] = ()) -> Iterator[None]:
    """Keeps state.json while a run works: ``running``, then ``finished``, ``failed`` or ``pruned``, and why.

    Args:
        folder: of the run.
        overrides: what was chosen on the command line.
    """
    started = time.monotonic()
    told: dict[str, Any] = {
        "state": "running",
        "why": None,
        "command": " ".join(["python train.py", *overrides]),
        "overrides": list(overrides),
        "versions": list_versions(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seconds": None,
    }
    rundir.write_json(folder / rundir.STATE, told)
    try:
        yield
    except BaseException as error:  # told and raised again: also when it was interrupted
        why = (str(error) or type(error).__name__).partition("\n")[0]
        told |= {"state": "pruned" if isinstance(error, PrunedError) else "failed", "why": why}
        raise
    else:
        told["state"] = "finished"
    finally:
        told["seconds"] = round(time.monotonic() - started, 1)
        rundir.write_json(folder / rundir.STATE, told)
