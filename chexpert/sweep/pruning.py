"""Report the metric of a job to its trial after each epoch, from whatever process or machine it runs on."""

import math

import optuna
import pytorch_lightning as pl

from chexpert.signals import PrunedError
from chexpert.sweep.study import make_pruner, open_storage


class TrialReporter(pl.Callback):
    """Report a metric to the trial after each epoch, and end the job where the pruner says so.

    Args:
        storage: where the study is kept, as :func:`open_storage` takes it.
        study: its name.
        number: of the trial.
        pruner: ``median`` or ``none``.
        monitor: the metric.
    """

    def __init__(self, storage: str, study: str, number: int, pruner: str, monitor: str) -> None:
        self.storage, self.number, self.monitor = open_storage(storage), number, monitor
        self.study = optuna.load_study(study_name=study, storage=self.storage, pruner=make_pruner(pruner))
        known = self.storage.get_study_id_from_name(study)
        self.trial_id = self.storage.get_trial_id_from_study_id_trial_number(known, number)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.monitor not in trainer.callback_metrics:
            return  # an epoch without validation
        value = float(trainer.callback_metrics[self.monitor])
        poor = trainer.is_global_zero and self.report(trainer.current_epoch, value)
        last = trainer.current_epoch + 1 == trainer.max_epochs  # what is trained to the end may as well be evaluated
        if trainer.strategy.broadcast(poor) and not last:  # all processes of a job end together
            metric, epoch = self.monitor.rpartition("/")[2], trainer.current_epoch + 1
            raise PrunedError(f"{metric} {value:.3f} after epoch {epoch} of {trainer.max_epochs}")

    def report(self, epoch: int, value: float) -> bool:
        """Report to the trial; return whether the job is to end. An epoch that is trained again is reported again."""
        self.storage.set_trial_intermediate_value(self.trial_id, epoch, value)
        return not math.isnan(value) and self.study.pruner.prune(self.study, self.storage.get_trial(self.trial_id))
