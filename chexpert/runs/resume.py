"""Which run or sweep is resumed, and whether it is still the same one; from files alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.runs import files as run_files
from chexpert.runs.diff import PATHS, find_changes, list_moved, names_weights
from chexpert.runs.read import read_config, read_state
from chexpert.runs.state import write_resume_command

REPEATED = re.compile(
    r"\+*hydra[/.](sweeper|launcher)=\w+|"
    r"\+*hydra\.(sweeper\.(?!storage)[\w.]+=[^$]*|launcher\.[\w.]+=[\w.,:@-]*|job\.num=\d+)"
)
"""What of Hydra's own is repeated: the choice of a launcher and its numbers, the sweeper and its search space."""

OWN_FOLDER = re.compile(r"(--config-dir|-cd)\b")

PLACE = ("resume", "trial", "hydra.mode", "hydra.run.dir", "hydra.sweep.dir")
MANNER = ("hydra/launcher", "hydra.launcher", "hydra.sweeper.n_trials", "hydra.sweeper.n_jobs")
"""How the jobs of a sweep are launched, and how long a search lasts: a resumed sweep may change this."""


def replay(arguments: Sequence[str], config_dir: Path | None = None) -> list[str]:
    """Return the command line with that of the run or sweep that ``resume=PATH`` names; without one, unchanged.

    What is given beside it replaces what was given then.

    Args:
        arguments: words of the command line.
        config_dir: the user's own folder of options, where it is no word of the command line.

    Raises:
        UserError: no run or sweep lies there, its command line is not one that a file may repeat, or it had options of
            a folder that is not given.
    """
    named = [argument.partition("=")[2].strip("'\"") for argument in arguments if argument.startswith("resume=")]
    if not named or named[-1] in ("auto", "null", ""):
        return list(arguments)
    folder = Path(named[-1])
    sweep = (folder / run_files.SWEEP).is_file()
    state = read_state(folder, run_files.SWEEP if sweep else run_files.STATE)
    if not state:
        hint = f"give a folder below outputs/ that has a {run_files.STATE} or {run_files.SWEEP}, or resume=auto"
        raise UserError(
            "no run and no sweep of this project lies there", code="missing-run", where=f"resume={folder}", hint=hint
        )
    if state.get("config_dir") and not config_dir and not any(map(OWN_FOLDER.match, arguments)):
        message = f"this {'sweep' if sweep else 'run'} has options of {state['config_dir']}"
        hint = f"if the folder is yours, type it again: {write_resume_command(folder)}"
        raise UserError(message, code="missing-folder", where=f"resume={folder}", hint=hint)
    replaced = {_find_key(argument) for argument in arguments}
    kept = [override for override in state["overrides"] if _find_key(override) not in replaced]
    check_repeated(kept, folder)
    place = [f"hydra.sweep.dir={folder}"] if sweep else [f"hydra.run.dir={folder}"]
    multirun = ["--multirun"] if sweep and not {"-m", "--multirun"} & set(arguments) else []
    return [*multirun, *kept, *arguments, *place]


LOCAL = re.compile(r"\+*logger=[\w,\[\] ]*|\+*logger\.(tensorboard|csv)\.(?!_target_)\w+=[^{}\[\]$]*")
"""What is repeated of the trackers: their choice, and plain settings of those that write on this machine alone."""


def check_repeated(overrides: Sequence[str], folder: Path) -> None:
    """Raise an error for overrides that a file may not repeat.

    Hydra's own nodes and options can run any code, and a tracker can send metrics and pictures to a server.

    Raises:
        UserError: such an override; typed beside ``resume`` it is the user's own.
    """
    for override in map(str, overrides):
        if not _is_repeated(override):
            hint = f"if it is yours, type it again: {quote(f'resume={folder}')} {quote(override)}"
            raise UserError(f"{override} is not repeated from a file", code="conflict", where=str(folder), hint=hint)


def _is_repeated(override: str) -> bool:
    if override.startswith("-"):
        return False
    key = override.partition("=")[0]
    if "hydra" in key:
        inner = override.replace("hydra", "", 1)  # a search space sets keys of each job
        return bool(REPEATED.fullmatch(override)) and not any(word in inner for word in ("_target_", "hydra", "logger"))
    return "logger" not in key or bool(LOCAL.fullmatch(override))


def _find_key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def find_unfinished_runs(parent: Path, config: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the unfinished runs below a folder that have this configuration, the newest first."""
    for folder, state in _newest(parent, run_files.STATE):
        before = read_config(folder)
        if state["state"] == "finished" or not before or find_changes(before, config):
            continue
        if not any(map(_still_there, list_moved(before, config).values())):  # or it is another dataset that is meant
            yield folder


def _still_there(moved: tuple[str, str]) -> bool:
    return moved[0] == "True" or Path(moved[0].strip("'\"")).expanduser().exists()


def find_unfinished_sweeps(parent: Path, overrides: Sequence[str]) -> Iterator[Path]:
    """Yield the unfinished sweeps below a folder that were started with these overrides, the newest first."""
    for folder, state in _newest(parent, run_files.SWEEP):
        moved = find_moved_overrides(state["overrides"], overrides)
        there = any(_still_there((one.partition("=")[2], "")) for one in moved)
        if state["state"] != "finished" and same_sweep(state["overrides"], overrides) and not there:
            yield folder


def same_sweep(before: Sequence[str], now: Sequence[str]) -> bool:
    """Return whether both overrides make the same jobs; places of files may differ, as jobs compare the files.

    >>> same_sweep(["seed=0,1", "hydra.launcher.n_jobs=2"], ["seed=0,1"]), same_sweep(["seed=0,1"], ["seed=0,2"])
    (True, False)
    >>> same_sweep(["data.root=a", "seed=0,1"], ["seed=0,1", "data.root=b"])
    True
    """
    old, new = (
        [one for one in overrides if not one.startswith(MANNER) and not _names_a_place(one)]
        for overrides in (before, now)
    )
    return old == new


def find_moved_overrides(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Return the earlier overrides of a sweep that name a place and are not among the present ones."""
    return [override for override in before if _names_a_place(override) and override not in now]


def _names_a_place(override: str) -> bool:
    """Whether an override gives one path to all jobs."""
    key, value = _find_key(override), override.partition("=")[2]
    named = key in PATHS or names_weights(key)
    return named and value.lower() not in ("true", "false", "auto", "null", "") and not set(value) & set(",(){}")


def strip_place(overrides: Sequence[str]) -> list[str]:
    """Return the overrides without those of the place and of what is resumed."""
    return [override for override in overrides if _find_key(override) not in PLACE]


def _newest(parent: Path, name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    folders = sorted((path.parent for path in parent.glob(f"*/{name}")), key=lambda folder: folder.name, reverse=True)
    for folder in folders:
        try:
            state = read_state(folder, name)
        except UserError as error:  # of another run; this one can do without it
            log.log(NOTE, f"passed over: {error.where}: {error.message}")
            continue
        if {"state", "overrides"} <= state.keys():
            yield folder, state
