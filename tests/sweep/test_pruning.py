"""A job that reports to its trial, and ends if the other trials were better."""

from types import SimpleNamespace

import optuna
import pytest

from chexpert.distributed import launch
from chexpert.signals import PrunedError
from chexpert.sweep.pruning import TrialReporter
from chexpert.sweep.study import open_storage

MONITOR = "val/auroc_mean"


@pytest.fixture
def place(tmp_path):
    """A study in which five trials are finished, at .8 after their first epoch and .9 after their second."""
    place = f"journal:{tmp_path}/study.log"
    study = optuna.create_study(study_name="search", storage=open_storage(place), direction="maximize")
    for _ in range(5):
        trial = study.ask()
        for epoch, value in enumerate((0.8, 0.9)):
            trial.report(value, epoch)
        study.tell(trial, 0.9)
    study.ask()
    return place


def end_epoch(reporter, epoch, value, *, rank=0, others=None):
    """Call the callback as Lightning does; ``others`` is the decision that rank 0 has sent."""
    strategy = SimpleNamespace(broadcast=lambda own: own if others is None else others)
    metrics = {} if value is None else {MONITOR: value}
    trainer = SimpleNamespace(
        callback_metrics=metrics, current_epoch=epoch, max_epochs=9, strategy=strategy, is_global_zero=rank == 0
    )
    reporter.on_train_epoch_end(trainer, None)


def read_trial(place):
    return optuna.load_study(study_name="search", storage=open_storage(place)).trials[5]


def test_job_below_the_median_is_pruned(place):
    reporter = TrialReporter(place, "search", 5, "median", MONITOR)
    end_epoch(reporter, 0, 0.81)
    with pytest.raises(PrunedError, match=r"0\.850 .* 2 of 9"):
        end_epoch(reporter, 1, 0.85)
    assert read_trial(place).intermediate_values == {0: 0.81, 1: 0.85}


def test_job_at_its_last_epoch_is_not_pruned(place):
    end_epoch(TrialReporter(place, "search", 5, "median", MONITOR), 8, 0.1)
    assert read_trial(place).intermediate_values == {8: 0.1}


def test_epoch_may_be_reported_again(place):
    for _ in range(2):
        end_epoch(TrialReporter(place, "search", 5, "median", MONITOR), 0, 0.81)
    assert read_trial(place).intermediate_values == {0: 0.81}


def test_job_without_a_pruner_only_reports(place):
    reporter = TrialReporter(place, "search", 5, "none", MONITOR)
    end_epoch(reporter, 0, 0.1)
    end_epoch(reporter, 1, None)
    end_epoch(reporter, 2, float("nan"))
    assert read_trial(place).intermediate_values == {0: 0.1, 2: pytest.approx(float("nan"), nan_ok=True)}


def test_other_ranks_report_nothing_and_end_with_rank_0(place):
    reporter = TrialReporter(place, "search", 5, "median", MONITOR)
    with pytest.raises(PrunedError):
        end_epoch(reporter, 0, 0.99, rank=1, others=True)
    end_epoch(reporter, 0, 0.1, rank=1, others=False)
    assert read_trial(place).intermediate_values == {}


def be_pruned():
    raise PrunedError("auroc_mean 0.4 after epoch 1 of 9")


@pytest.mark.slow
def test_job_of_several_processes_is_pruned():
    with pytest.raises(PrunedError, match=r"^auroc_mean 0\.4 "):
        launch(be_pruned, 2)
