"""The search itself: ask for trials in batches, launch them as jobs of the same numbers, and report the results."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from chexpert.console import log
from chexpert.errors import UserError
from chexpert.runs.config_keys import RENAMED, rename_override
from chexpert.runs.resume import strip_place
from chexpert.signals import PrunedError
from chexpert.sweep.result import ERROR, describe_best, describe_trial, overrides_of, write_best
from chexpert.sweep.space import Space, parse_space
from chexpert.sweep.study import check_name, count_trials, make_pruner, make_sampler, open_storage

DIRECTIONS = ("maximize", "minimize")


@dataclass(frozen=True)
class SearchSettings:
    """conf/hydra/sweeper/optuna.yaml, which describes each setting."""

    n_trials: int
    n_jobs: int
    direction: Literal["maximize", "minimize"]
    sampler: str
    seed: int
    pruner: str | None
    storage: str | None
    study_name: str
    params: Any = None

    def __post_init__(self) -> None:
        check_name("direction", self.direction, DIRECTIONS)
        make_pruner(self.pruner)
        for key, least in (("n_trials", 1), ("n_jobs", 1), ("seed", 0)):
            if getattr(self, key) < least:
                message = f"{getattr(self, key)} is not possible"
                raise UserError(message, code="value", where=f"hydra.sweeper.{key}", hint=f"{least} or more")


def search(settings: SearchSettings, arguments: Sequence[str], sweeper: Any) -> float:
    """Continue the study of the sweep folder until it has ``n_trials`` trials, failed and pruned ones counted.

    Args:
        settings: of the search.
        arguments: overrides of the command line.
        sweeper: Hydra's, with its launcher and config.

    Returns:
        The best value.

    Raises:
        UserError: something the user can fix; no trial gave a value.
    """
    space, fixed = parse_space(settings.params or {}, arguments, sweeper.hydra_context.config_loader)
    make_sampler(settings.sampler, space, settings.seed, 0)
    total = count_trials(settings.sampler, space, settings.n_trials)
    folder = Path(sweeper.config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    place = settings.storage or f"sqlite:///{folder.absolute()}/study.db"
    study = open_study(settings, open_storage(place), [f"{key}: {space[key]}" for key in space] + strip_place(fixed))
    OmegaConf.save(sweeper.config, folder / "multirun.yaml")
    for batch in make_batches(study, settings, space, total):
        jobs = [[*overrides_of(trial), *fixed, make_trial_override(settings, place, trial)] for trial in batch]
        sweeper.validate_batch_is_legal(jobs)
        for trial, job in zip(batch, launch_jobs(sweeper.launcher, jobs, batch[0].number), strict=True):
            report_result(study, trial, job)
        write_best(folder, study, strip_place(fixed))
    print(describe_best(folder, study, strip_place(fixed)), flush=True)
    return study.best_value


def open_study(settings: SearchSettings, storage: BaseStorage, lines: list[str]) -> optuna.Study:
    """Open the study, or create a new one.

    Raises:
        UserError: it is one of another search.
    """
    study = optuna.create_study(
        study_name=settings.study_name, storage=storage, direction=settings.direction, load_if_exists=True
    )
    lines = [f"direction: {settings.direction}", *lines]
    known = [rename_line(line) for line in study.user_attrs.get("search", lines)]
    if differ := sorted({*known} ^ {*lines}):
        hint = (
            "repeat its command, or begin in another folder (hydra.sweep.dir) or under another hydra.sweeper.study_name"
        )
        message = "the study is there, of another search: " + "; ".join(differ)
        raise UserError(message, code="other-config", where=f"study {settings.study_name}", hint=hint)
    study.set_user_attr("search", lines)
    return study


def rename_line(line: str) -> str:
    """Return a line of a search, ``key: its space`` or an override, with its key renamed.

    >>> rename_line("data.size: choice(64, 96)"), rename_line("data.size=64")
    ('data.image_size: choice(64, 96)', 'data.image_size=64')
    """
    key, colon, space = line.partition(": ")
    return rename_override(key) + colon + space if colon and "=" not in key else rename_override(line)


def make_batches(
    study: optuna.Study, settings: SearchSettings, space: Space, total: int
) -> Iterator[list[FrozenTrial]]:
    """Yield trials to launch, of consecutive numbers: first those that a kill left running, then new ones."""
    for group in find_left(study, space):
        yield from (group[start : start + settings.n_jobs] for start in range(0, len(group), settings.n_jobs))
    while (count := len(study.get_trials(deepcopy=False))) < total:
        numbers = range(count, min(total, count + settings.n_jobs))
        for number in numbers:
            study.sampler = make_sampler(settings.sampler, space, settings.seed, number)
            study.ask(space)
        yield [study.trials[number] for number in numbers]


def find_left(study: optuna.Study, space: Space) -> list[list[FrozenTrial]]:
    """Return the trials that were running when the search was stopped, those of consecutive numbers together.

    One that was stopped while it was sampled has no job to resume: it fails.
    """
    groups: list[list[FrozenTrial]] = []
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        if {RENAMED.get(key, key) for key in trial.params} != space.keys():
            fail(study, trial, "the search was stopped while the trial was sampled")
        elif groups and groups[-1][-1].number == trial.number - 1:
            groups[-1].append(trial)
        else:
            groups.append([trial])
    return groups


def make_trial_override(settings: SearchSettings, place: str, trial: FrozenTrial) -> str:
    """Return the override by which a job, also on another machine, finds its trial: see chexpert.sweep.pruning."""
    quoted = {key: QuotedString(text, Quote.single).with_quotes()
              for key, text in (("storage", place), ("study", settings.study_name))}  # fmt: skip
    settings_of_trial = {**quoted, "number": trial.number, "pruner": settings.pruner or "none"}
    return "trial={" + ",".join(f"{key}:{value}" for key, value in settings_of_trial.items()) + "}"


def launch_jobs(launcher: Any, jobs: Sequence[Sequence[str]], first: int) -> Sequence[JobReturn]:
    """Run a batch of jobs; one after the other if the launcher itself fails, as when a worker is killed.

    The job of the killed worker is then known, and the others continue where they were.
    """
    try:
        return launcher.launch(jobs, initial_job_idx=first)
    except Exception as error:
        if len(jobs) > 1:
            again = [[[*job, "++resume=auto"]] for job in jobs]
            return [result for place, job in enumerate(again) for result in launch_jobs(launcher, job, first + place)]
        return [JobReturn(status=JobStatus.FAILED, _return_value=error)]


def report_result(study: optuna.Study, trial: FrozenTrial, job: JobReturn) -> None:
    """Report the result of a job to the study: a value, that it was pruned, or that it failed and why."""
    given = job._return_value  # the property would print a line for a job that was pruned
    if isinstance(given, PrunedError):
        study.tell(trial.number, state=TrialState.PRUNED)
    elif job.status != JobStatus.COMPLETED:
        fail(study, trial, str(given).partition("\n")[0] or type(given).__name__)
    elif not isinstance(given, int | float) or math.isnan(given):
        fail(study, trial, f"it returned {given}")
    else:
        study.tell(trial.number, float(given))
    log.info(describe_trial(study.trials[trial.number]))


def fail(study: optuna.Study, trial: FrozenTrial, why: str) -> None:
    """Report that a trial failed; the search continues."""
    study._storage.set_trial_user_attr(trial._trial_id, ERROR, why)
    study.tell(trial.number, state=TrialState.FAIL)
