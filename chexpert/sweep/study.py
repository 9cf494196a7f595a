"""Optuna's study: its storage, the sampler of the next trial, and the pruner of a poor one."""

from collections.abc import Callable
from importlib import import_module
from math import prod
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, CmaEsSampler, GridSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from chexpert.errors import UserError
from chexpert.sweep.space import Space, list_values

JOURNAL = "journal:"


class Grid(GridSampler):
    """A grid whose last trial is reported like any other; Optuna's would stop a loop that is not there."""

    def after_trial(self, *_: Any, **__: Any) -> None: ...


PRUNERS: dict[str | None, Callable[[], BasePruner]] = {"median": MedianPruner, "none": NopPruner, None: NopPruner}
SAMPLERS: dict[str, Callable[[Space, int, int], BaseSampler]] = {
    # TPE: a running trial counts as a poor one, so that the trials of a batch do not crowd together.
    "tpe": lambda space, seed, number: TPESampler(seed=mix(seed, number), constant_liar=True),
    "random": lambda space, seed, number: RandomSampler(seed=mix(seed, number)),
    "cmaes": lambda space, seed, number: make_cmaes(mix(seed, number)),
    # One seed for all trials: it is the order of the grid.
    "grid": lambda space, seed, number: Grid({key: list_values(key, space[key]) for key in space}, seed=seed),
}


def mix(seed: int, number: int) -> int:
    """Return the seed of one trial: its sample does not depend on where a search was stopped and resumed."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def make_cmaes(seed: int) -> BaseSampler:
    """Return Optuna's CMA-ES, or raise ImportError where its package is missing."""
    import_module("cmaes")  # Optuna's sampler imports it only when it samples
    return CmaEsSampler(seed=seed)


def make_sampler(name: str, space: Space, seed: int, number: int) -> BaseSampler:
    """Return the sampler of trial ``number``.

    Raises:
        UserError: the name is unknown, a grid has no end, or CMA-ES lacks its package.
    """
    check_name("sampler", name, SAMPLERS)
    try:
        return SAMPLERS[name](space, seed, number)
    except ImportError as error:
        hint = "pip install cmaes, or another sampler"
        raise UserError(
            f"{name} cannot be had: {error}", code="search", where="hydra.sweeper.sampler", hint=hint
        ) from error


def make_pruner(name: str | None) -> BasePruner:
    """Return the pruner of poor trials: ``median`` (below the median of the others at its epoch) or nobody."""
    check_name("pruner", name, PRUNERS)
    return PRUNERS[name]()


def check_name(key: str, name: Any, known: Any) -> None:
    """Raise a UserError where a name is not known."""
    if name not in known:
        hint = f"one of {', '.join(map(str, known))}"
        raise UserError(f"unknown {key}: {name!r}", code="choice", where=f"hydra.sweeper.{key}", hint=hint)


def count_trials(sampler: str, space: Space, n_trials: int) -> int:
    """Return the number of trials: a grid may end before ``n_trials``."""
    return min(n_trials, prod(len(list_values(key, space[key])) for key in space)) if sampler == "grid" else n_trials


def open_storage(place: str) -> BaseStorage:
    """Open a database by SQLAlchemy's URL, or ``journal:FILE`` for a file system without locks that hold (NFS).

    Raises:
        UserError: it cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if place.startswith(JOURNAL):
        return JournalStorage(JournalFileBackend(place.removeprefix(JOURNAL)))
    # Several jobs report at once: the default of 5 s is short beside a slow disk.
    waiting = {"connect_args": {"timeout": 60}} if place.startswith("sqlite") else {}
    try:
        return RDBStorage(place, engine_kwargs=waiting)
    except Exception as error:  # SQLAlchemy's, the driver's, an ImportError of the driver
        reason = str(error).partition("\n")[0]
        hint = "a URL as SQLAlchemy takes it (sqlite:///FILE), or journal:FILE"
        raise UserError(
            f"no storage of trials: {reason}", code="storage", where="hydra.sweeper.storage", hint=hint
        ) from error
