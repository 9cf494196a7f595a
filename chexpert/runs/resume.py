"""Which run or sweep is resumed, and whether it is still the same one; from files alone."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

from chexpert.errors import UserError
from chexpert.runs import files as run_files

AFTER = ("calibration", "explain", "explainer")
"""Settings of what is done once the best weights have been evaluated."""

MAY_CHANGE = (
    *AFTER,
    "recipe",
    "resume",
    "save_minutes",
    "data.cache",
    "data.workers",
    "trainer.devices",
    "trainer.enable_progress_bar",
    "trainer.max_epochs",
    "trainer.num_nodes",
    "trainer.strategy",
    "trial",
)
"""Settings that the metrics do not depend on, and how long to train; every other one makes another run."""

PATHS = ("data.root", "data.root.parent", "data.test", "data.manifest", "features", "labels.predictions", "start_from")
"""Settings that name files, as every ``pretrained`` does: where these lie may change, what they hold may not."""

REPEATED = re.compile(
    r"\+*hydra[/.](sweeper|launcher)=\w+|"
    r"\+*hydra\.(sweeper\.(?!storage)[\w.]+=[^$]*|launcher\.[\w.]+=[\w.,:@-]*|job\.num=\d+)"
)
"""What of Hydra's own is repeated: the choice of a launcher and its numbers, the sweeper and its search space."""

PLACE = ("resume", "trial", "hydra.mode", "hydra.run.dir", "hydra.sweep.dir")
MANNER = ("hydra/launcher", "hydra.launcher", "hydra.sweeper.n_trials", "hydra.sweeper.n_jobs")
"""How the jobs of a sweep are launched, and how long a search lasts: a resumed sweep may change this."""


def find_later_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is other than before of the settings that training and evaluation do not know."""
    parts = [{key: config.get(key) for key in AFTER} for config in (before, now)]
    old, new = (dict(_leaves(part)) for part in parts)
    return [
        f"{key}: {_describe(old, key)} before, {_describe(new, key)} now"
        for key in sorted(old | new)
        if _differ(key, old, new)
    ]


def _differ(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return key not in old or key not in new or old[key] != new[key]


def find_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings that make ``now`` another configuration than ``before``.

    >>> find_changes({"seed": 0, "data": {"workers": 2}}, {"seed": 1, "data": {"workers": 0}})
    ['seed: 0 before, 1 now']
    """
    old, new = dict(_leaves(before)), dict(_leaves(now))
    keys = sorted(
        key for key in old.keys() | new.keys() if not any(f"{key}.".startswith(f"{may}.") for may in MAY_CHANGE)
    )
    if "trainer.precision" not in new:
        keys = [key for key in keys if key != "trainer.precision"]  # the device chooses it later
    keys = [key for key in keys if not _is_moved(key, old.get(key), new.get(key))]
    return [
        f"{key}: {_describe(old, key)} before, {_describe(new, key)} now"
        for key in keys
        if old.get(key) != new.get(key)
    ]


def _is_moved(key: str, before: Any, now: Any) -> bool:
    """Whether a setting names a file or folder, before and now; ``data.test`` may be true: beside the other splits."""
    named = key in PATHS or _names_weights(key)
    return named and all(isinstance(path, str) or (path is True and key == "data.test") for path in (before, now))


def _names_weights(key: str) -> bool:
    """Whether a setting names the weights that training begins from."""
    return key == "start_from" or key.rpartition(".")[2] == "pretrained"


def keep_original_paths(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``now``, with the files of weights of ``before``: a run that resumes from a checkpoint reads no others.

    >>> before = {"start_from": "a", "x": {"pretrained": True}}
    >>> keep_original_paths(before, {"start_from": "b", "x": {"pretrained": "c"}})
    {'start_from': 'a', 'x': {'pretrained': 'c'}}
    """
    kept = dict(now)
    for key, value in now.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            kept[key] = keep_original_paths(old, value)
        elif _names_weights(key) and _is_moved(key, old, value):
            kept[key] = old
    return kept


def describe_moved(before: Mapping[str, Any], now: Mapping[str, Any], *, begun: bool) -> list[str]:
    """What :func:`list_moved` finds, in words, each file once; ``begun``: the weights come from a checkpoint.

    >>> config = {"start_from": "a", "features": "x"}
    >>> describe_moved(config, {"start_from": "b", "features": "x"}, begun=True)
    ['start_from stays a: the weights come from the checkpoint, and b is not read']
    """
    keys: dict[tuple[str, str], str] = {}
    for key, paths in sorted(list_moved(before, now).items(), key=lambda one: len(one[0])):
        keys.setdefault(paths, key)  # a backbone stands in the model, too
    return [
        f"{key} stays {old}: the weights come from the checkpoint, and {new} is not read"
        if begun and _names_weights(key)
        else f"{key}: {old} before, {new} now"
        for (old, new), key in keys.items()
    ]


def list_moved(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Where the files that a configuration names lay before and lie now, by setting, if that is another place.

    >>> list_moved({"data": {"root": "a"}, "seed": 0}, {"data": {"root": "b"}, "seed": 0})
    {'data.root': ('a', 'b')}
    """
    old, new = dict(_leaves(before)), dict(_leaves(now))
    moved = [key for key in old if old[key] != new.get(key) and _is_moved(key, old[key], new.get(key))]
    return {key: (str(old[key]), str(new[key])) for key in moved}


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}".removeprefix("."))
    else:
        yield prefix, node


def _describe(leaves: Mapping[str, Any], key: str) -> str:
    return str(leaves[key]) if key in leaves else "not set"


def read_config(run: Path) -> dict[str, Any] | None:
    """The config of a run folder; None where it did not come so far."""
    path = run / run_files.CONFIG
    return _read(path, yaml.safe_load) if path.is_file() else None


def read_state(folder: Path, name: str = run_files.STATE) -> dict[str, Any]:
    """The state in a run folder, or with ``run_files.SWEEP`` in a sweep folder; empty where there is none."""
    path = folder / name
    return _read(path, json.loads) if path.is_file() else {}


def _read(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        message = f"it cannot be read: {str(error).partition(chr(10))[0]}"
        raise UserError(message, where=str(path), hint="take it from a copy, or begin another run") from error
    if not isinstance(content, dict):
        raise UserError("it is damaged: no mapping", where=str(path), hint="take it from a copy")
    return content


def replay(arguments: Sequence[str]) -> list[str]:
    """The command line with that of the run or sweep put in that ``resume=PATH`` names; others come back as they are.

    What is given beside it replaces what was given then.

    Raises:
        UserError: no run or sweep lies there, or its command line is not one that a file may repeat.
    """
    named = [argument.partition("=")[2].strip("'\"") for argument in arguments if argument.startswith("resume=")]
    if not named or named[-1] in ("auto", "null", ""):
        return list(arguments)
    folder = Path(named[-1])
    sweep = (folder / run_files.SWEEP).is_file()
    state = read_state(folder, run_files.SWEEP if sweep else run_files.STATE)
    if not state:
        hint = f"give a folder below outputs/ that has a {run_files.STATE} or {run_files.SWEEP}, or resume=auto"
        raise UserError("no run and no sweep of this project lies there", where=f"resume={folder}", hint=hint)
    replaced = {_find_key(argument) for argument in arguments}
    kept = [override for override in state["overrides"] if _find_key(override) not in replaced]
    check_repeated(kept, folder)
    place = [f"hydra.sweep.dir={folder}"] if sweep else [f"hydra.run.dir={folder}"]
    multirun = ["--multirun"] if sweep and not {"-m", "--multirun"} & set(arguments) else []
    return [*multirun, *kept, *arguments, *place]


def check_repeated(overrides: Sequence[str], folder: Path) -> None:
    """Refuses what a folder's file may not put in the command line: Hydra's own nodes and options can run any code.

    Raises:
        UserError: such an override; typed beside ``resume`` it is the user's own.
    """
    for override in map(str, overrides):
        hydras = override.startswith("-") or "hydra" in override.partition("=")[0]
        if hydras and not (REPEATED.fullmatch(override) and "_target_" not in override):
            hint = f"if it is yours, type it again: {quote(f'resume={folder}')} {quote(override)}"
            raise UserError(f"{override} is not repeated from a file", where=str(folder), hint=hint)


def _find_key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def find_unfinished_runs(parent: Path, config: Mapping[str, Any]) -> Iterator[Path]:
    """The unfinished runs below a folder that have this configuration, the newest first."""
    for folder, state in _newest(parent, run_files.STATE):
        before = read_config(folder)
        if state["state"] == "finished" or before is None or find_changes(before, config):
            continue
        if not any(map(_still_there, list_moved(before, config).values())):  # or it is another dataset that is meant
            yield folder


def _still_there(moved: tuple[str, str]) -> bool:
    return moved[0] == "True" or Path(moved[0].strip("'\"")).expanduser().exists()


def find_unfinished_sweeps(parent: Path, overrides: Sequence[str]) -> Iterator[Path]:
    """The unfinished sweeps below a folder that were started with these overrides, the newest first."""
    for folder, state in _newest(parent, run_files.SWEEP):
        moved = find_moved_overrides(state["overrides"], overrides)
        there = any(_still_there((one.partition("=")[2], "")) for one in moved)
        if state["state"] != "finished" and same_sweep(state["overrides"], overrides) and not there:
            yield folder


def same_sweep(before: Sequence[str], now: Sequence[str]) -> bool:
    """Whether these overrides make the same jobs; of files, which the jobs compare themselves, wherever these lie.

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
    """The overrides of a sweep that named a place which its overrides name no more."""
    return [override for override in before if _names_a_place(override) and override not in now]


def _names_a_place(override: str) -> bool:
    """Whether an override gives one path to all jobs."""
    key, value = _find_key(override), override.partition("=")[2]
    named = key in PATHS or _names_weights(key)
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
            print(f"note: passed over: {error.where}: {error.message}", file=sys.stderr)
            continue
        if {"state", "overrides"} <= state.keys():
            yield folder, state
