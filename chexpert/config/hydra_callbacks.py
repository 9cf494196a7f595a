"""The table of a sweep: written after each job and at the end, and printed there."""

import atexit
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig


class SweepTable(Callback):
    """A Hydra callback that leaves table.csv and table.md in the sweep folder; see chexpert.sweep.table."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Print the table when Python ends: Hydra calls no callback of a sweep that ends with a failed job."""
        from chexpert.sweep.table import print_sweep  # Python at its end imports nothing

        atexit.register(print_sweep, Path(config.hydra.sweep.dir))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
        if config.hydra.mode == RunMode.MULTIRUN:
            from chexpert.sweep.table import write_sweep

            write_sweep(Path(config.hydra.sweep.dir))

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        from chexpert.sweep.table import print_sweep

        atexit.unregister(print_sweep)
        print_sweep(Path(config.hydra.sweep.dir))
