"""What a run costs: seconds of its parts and peak memory."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch

from chexpert.peak_memory import read_device_peak, read_process_peak, reset_device_peak, reset_process_peak


class Resources(pl.Callback):
    """Measures the first process of a run, for metrics.json.

    Its state lies in last.ckpt: a resumed run adds up its seconds, and its peak is the highest of all its processes.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("training", "validation", "evaluation"), 0.0)
        """So far; ``training`` is without the validations of the epochs, ``evaluation`` that of the best weights."""
        self.peaks: dict[str, float | None] = {"process": None, "device": None}
        """MiB, at most, of the process without those of its loader, and of tensors on its GPU; None: not known."""
        self._part: str | None = None
        self._since = 0.0
        reset_process_peak()

    @contextmanager
    def measuring(self, part: str) -> Iterator[None]:
        """Count the time within as that of this part."""
        before = self._part
        self._begin(part)
        try:
            yield
        finally:
            self._begin(before)

    def summarize(self, device: torch.device) -> dict[str, Any]:
        """Return the content of metrics.json's ``resources``."""
        self._update(device)
        seconds = {part: round(own, 1) for part, own in self.seconds.items()}
        peaks = {name: None if peak is None else round(peak, 1) for name, peak in self.peaks.items()}
        return {"seconds": seconds, "peak_memory_mib": peaks}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._device = trainer.strategy.root_device
        if stage == "fit":
            reset_device_peak(self._device)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin("training")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin(None)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._part == "training":
            self._begin("validation")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._part == "validation":
            self._begin("training")

    def state_dict(self) -> dict[str, Any]:
        self._update(self._device)
        return {"seconds": dict(self.seconds), "peaks": dict(self.peaks)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds |= state_dict["seconds"]
        self.peaks |= state_dict["peaks"]

    def _begin(self, part: str | None) -> None:
        """End the part that is measured, and begin another one."""
        now = time.monotonic()
        if self._part is not None:
            self.seconds[self._part] += now - self._since
        self._part, self._since = part, now

    def _update(self, device: torch.device) -> None:
        self._begin(self._part)
        found = {"process": read_process_peak(), "device": read_device_peak(device)}
        for name, peak in found.items():
            if peak is not None:
                self.peaks[name] = max(peak, self.peaks[name] or 0)
