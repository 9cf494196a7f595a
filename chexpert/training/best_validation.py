"""The predictions by which the best epoch was chosen, kept beside its weights: they are not computed again."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch.utils.data import DataLoader

from chexpert.checkpoints import fingerprint, load_content, write_whole
from chexpert.data import Batch, CheXpertDataModule
from chexpert.runs import files as run_files
from chexpert.runs.state import list_versions
from chexpert.training.module import MultilabelModule


class BestValidation(pl.Callback):
    """Writes what the validation of the best epoch saw to checkpoints/best-validation.pt, and reads it at the end.

    It is read only where another validation of best.ckpt would give the same digits: see :func:`describe_conditions`.
    A file that is missing, damaged or of other weights means that the split is evaluated anew.

    Args:
        run: the run folder.
    """

    def __init__(self, run: Path) -> None:
        self.path = run / run_files.CHECKPOINTS / run_files.BEST_VALIDATION
        self._current = False
        """Whether the last validation is that of the weights as they are now."""

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self._current = False

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._current = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking

    def write(self, trainer: pl.Trainer, checkpoint: Path) -> None:
        """Write the last validation, if it saw every view by the weights of this checkpoint; or remove an older one."""
        if not trainer.is_global_zero:
            return
        module, data = trainer.lightning_module, trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(module, MultilabelModule)
        seen = module.validation
        if self._current and seen.rows == list(range(len(data.datasets[data.selection_split]))):
            content = {"conditions": describe_conditions(trainer, data, checkpoint), "validation": seen.state()}
            write_whole(self.path, content)
        else:
            self.path.unlink(missing_ok=True)

    def read(self, trainer: pl.Trainer, data: CheXpertDataModule, checkpoint: str | Path) -> dict[str, Any] | None:
        """Return the state of the validation of this checkpoint; None where it must be evaluated anew.

        Only the first process reads it: the others have seen nothing, and gather what it has.
        """
        if not trainer.is_global_zero:
            return None
        try:
            content = load_content(self.path)
            same = content["conditions"] == describe_conditions(trainer, data, checkpoint)
            return content["validation"] if same else None
        except Exception:  # missing or damaged in whatever way: nothing is lost
            return None


def describe_conditions(trainer: pl.Trainer, data: CheXpertDataModule, checkpoint: str | Path) -> dict[str, Any]:
    """Return everything that the digits of a prediction depend on: weights, views, batches, device and software."""
    split = data.selection_split
    assert split is not None
    device: torch.device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    return {
        "weights": fingerprint(checkpoint),
        "split": split,
        "views": data.identify(split),
        "batch_size": data.batch_size,
        "processes": trainer.world_size,
        "precision": str(trainer.precision),
        "device": f"{device.type} {name}",
        "threads": torch.get_num_threads(),
        "versions": list_versions(),
    }


def make_empty_loader() -> DataLoader:
    """Return a loader of one batch without views: Lightning leaves out a validation without batches."""
    empty = torch.zeros(0)
    batches: Any = [Batch(empty, empty, empty.bool(), [], [])]
    return DataLoader(batches, batch_size=None, collate_fn=lambda batch: batch)
