"""Which checkpoints stay: the best epoch's, and where asked those of the best few."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytorch_lightning.callbacks import ModelCheckpoint

from chexpert.checkpoints.io import load_content
from chexpert.runs import files as run_files


class BestCheckpoint(ModelCheckpoint):
    """The weights of the best epoch as best.ckpt.

    Its state names files without their folder, so that a run may be moved and names no path of a machine.

    Args:
        run: the run folder.
        monitor: the metric that chooses.
        mode: ``max`` or ``min``.
        name: of the file, as :class:`ModelCheckpoint` takes it.
        count: how many are kept.
        on_saved: called by all processes with the trainer and the file, once that is written.
    """

    def __init__(
        self,
        run: Path,
        monitor: str,
        mode: str,
        name: str = run_files.BEST,
        count: int = 1,
        on_saved: Callable[[Any, Path], None] = lambda trainer, path: None,
    ) -> None:
        super().__init__(
            run / run_files.CHECKPOINTS,
            name,
            monitor,
            mode=mode,
            save_top_k=count,
            auto_insert_metric_name=False,
            enable_version_counter=False,  # a run that was killed writes its files again
        )
        self.on_saved = on_saved
        self._at: int | None = None

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        paths = {key: Path(state[key]).name for key in ("best_model_path", "kth_best_model_path", "last_model_path")}
        named = {Path(path).name: score for path, score in self.best_k_models.items()}
        return state | paths | {"dirpath": None, "best_k_models": named, "at": self._at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict.get("dirpath") is not None:  # of a checkpoint from before names had no folder
            return super().load_state_dict(state_dict)
        keys = ("best_model_path", "kth_best_model_path", "last_model_path")
        paths = {key: self._place(state_dict[key]) if state_dict[key] else "" for key in keys}
        models = {self._place(name): score for name, score in state_dict["best_k_models"].items()}
        super().load_state_dict(state_dict | paths | {"dirpath": self.dirpath, "best_k_models": models})
        self.current_score, self._at = state_dict["current_score"], state_dict["at"]
        return None

    def _place(self, name: str) -> str:
        return str(Path(self.dirpath or "") / name)

    def _save_checkpoint(self, trainer: Any, filepath: str) -> None:
        self._at = trainer.global_step
        super()._save_checkpoint(trainer, filepath)
        remove_old(trainer, filepath)
        self.on_saved(trainer, Path(filepath))

    @property
    def best_epoch(self) -> int | None:
        """The epoch, from 0, of the best weights; None where nothing was trained."""
        if not self.best_model_path:
            return None
        return int(load_content(self.best_model_path, mmap=True)["epoch"])

    def forget_overtaken(self) -> None:
        """Let the next epoch be the best where best.ckpt is of an epoch that is trained again.

        A run that was killed between writing best.ckpt and last.ckpt resumes from before. Its score would be that of
        weights which are gone; on a device that computes the same twice the same epoch wins again.
        """
        path = Path(self.best_model_path)
        if self.best_model_path and not (path.is_file() and read_step(path) == self._at):
            self.best_k_models, self.best_model_score = {}, None
            self.best_model_path = self.kth_best_model_path = ""


def read_step(path: Path) -> int:
    """Return the number of optimizer steps behind the weights of a checkpoint."""
    return load_content(path, mmap=True)["global_step"]


class KeptCheckpoints(BestCheckpoint):
    """Beside the one of the best epoch: Lightning knows callbacks apart by their class."""


class EveryCheckpoint(ModelCheckpoint):
    """The weights after every ``steps`` optimizer steps, all of which stay; no metric is known at that point.

    For an ensemble of checkpoints by their AUROC, as Irvin et al. 2019 took it, validate as often
    (trainer.val_check_interval) and set ``save_top_k``.
    """

    def __init__(self, run: Path, steps: int) -> None:
        super().__init__(
            run / run_files.CHECKPOINTS,
            run_files.EVERY,
            save_top_k=-1,
            every_n_train_steps=steps,
            auto_insert_metric_name=False,
            enable_version_counter=False,  # a run that was killed writes its files again
        )

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: which files there are depends only on the steps, and a run may be moved."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass

    def _save_checkpoint(self, trainer: Any, filepath: str) -> None:
        super()._save_checkpoint(trainer, filepath)
        remove_old(trainer, filepath)


def remove_old(trainer: Any, filepath: str) -> None:
    """Remove the same checkpoint under its older name: a run that was killed writes its files again."""
    old = run_files.old_name(Path(filepath))
    if trainer.is_global_zero and old.name != Path(filepath).name:
        old.unlink(missing_ok=True)


def keep_best(run: Path, count: int, monitor: str, mode: str) -> KeptCheckpoints:
    """Return a callback that saves the weights of the best epochs, their metric in the name, for an ensemble of them.

    Args:
        run: run folder.
        count: number of checkpoints that stay.
        monitor: name of the logged metric, such as ``val/auroc_mean``.
        mode: ``max`` if a larger metric is better, ``min`` if a smaller one is.

    Returns:
        The callback, which writes files such as checkpoints/epoch-03-auroc_mean-0.81234.ckpt.
    """
    metric = monitor.rpartition("/")[2]
    return KeptCheckpoints(run, monitor, mode, f"epoch-{{epoch:02d}}-{metric}-{{{monitor}:.5f}}", count)
