"""The run folder, tried before Hydra makes it."""

import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from chexpert.problem import ProblemError


class RunFolderCheck(Callback):
    """A Hydra callback that tries the run folder before Hydra does, whose own error would be a traceback."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        check_folder(Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        check_folder(Path(config.hydra.sweep.dir))


def check_folder(folder: Path) -> None:
    """Exits with one message where the folder cannot be made, or already holds something."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            return
        problem = ProblemError("the run folder is not empty", where=str(folder), mend="choose another hydra.run.dir")
    except OSError as error:
        mend = "make it writable, or choose another: hydra.run.dir=... (a sweep: hydra.sweep.dir=...)"
        problem = ProblemError(f"the run folder cannot be made: {error.strerror}", where=str(folder), mend=mend)
    sys.exit(f"error: {problem}")
