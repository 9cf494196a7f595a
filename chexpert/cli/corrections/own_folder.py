"""The folder of ``--config-dir``: more options and recipes, in the layout of conf/.

A file of it may be somebody else's. Hydra itself calls what stands below its node ``hydra`` before a job begins, so a
file may set nothing there but the values listed here. An option of ``hydra/`` is chosen on the command line.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from chexpert.errors import UserError

PLACES = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")
SEARCH = tuple(
    f"hydra.sweeper.{key}" for key in ("n_trials", "n_jobs", "sampler", "seed", "pruner", "direction", "study_name")
)
SPACE = "hydra.sweeper.params"
SEARCHED = re.compile(r"\w[\w./]*", re.ASCII)
"""A key of the search space: no sign and no package of Hydra's."""
HEADER = re.compile(r"^\s*#\s*@.*hydra", re.MULTILINE)
"""The line of a file that names its place in the config, as Hydra finds it."""
UNTYPED = ("config", "basic", "default", "none", "disabled", "stdout", "joblib", "submitit_slurm", "submitit_local")
"""Options of Hydra that are used without being typed: it looks into the own folder before it looks among its own."""


def check_own_folder(own: Path, conf: Path) -> None:
    """Check a folder of options before Hydra reads it.

    Args:
        own: the folder.
        conf: the folder of the configs that are shipped.

    Raises:
        UserError: there is no such folder; a file has the name of one in conf/ or of Hydra's; a file cannot be read;
            or a file outside ``hydra/``, such as a recipe of somebody else, sets what Hydra itself uses.
    """
    where = f"--config-dir {own}"
    if not own.is_dir():
        hint = "give an existing folder with the layout of conf/, such as my_configs with loss/mine.yaml"
        raise UserError("no such folder", code="missing-folder", where=where, hint=hint)
    files = sorted(path.relative_to(own) for path in _list_files(own))
    if same := [str(path) for path in files if (conf / path).exists() or _is_hydras(path)]:
        message = f"files of the same name are in conf or in Hydra already: {', '.join(same)}"
        raise UserError(message, code="conflict", where=where, hint="give them other names")
    for path in files:
        text = _read(own / path)
        _check_header(text, own / path)
        node = _parse(text, own / path)
        if path.parts[0] != "hydra" and (keys := [*_find_places(path, text, node), *_find_keys(node)]):
            message = f"a file that is no option of hydra/ cannot set {', '.join(keys)}"
            hint = "type it on the command line, or leave it out"
            raise UserError(message, code="untrusted-target", where=str(own / path), hint=hint)


def _list_files(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the config files, those behind links too: Hydra follows them. A link to a folder above is passed over."""
    if (real := folder.resolve()) in above:
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _list_files(path, (*above, real))
        elif path.suffix == ".yaml":
            yield path


def _is_hydras(path: Path) -> bool:
    """Whether a file would stand in the place of an option that is used without being typed."""
    return (path.parts[0] == "hydra" and path.stem in UNTYPED) or path == Path("schema.yaml")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "not in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        hint = "save it in UTF-8, or take it out of the folder"
        raise UserError(f"cannot be read: {reason}", code="unreadable-file", where=str(path), hint=hint) from error


def _check_header(text: str, path: Path) -> None:
    """Check the lines above the keys that Hydra reads: each ``# @KEY VALUE``."""
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line and not re.match(r"#\s*@", line):
            return
        if line and len(line.lstrip("#").split()) != 2:
            where, hint = f"{path}, line {number}", "as in: # @package _global_"
            raise UserError("no key and value", code="value", where=where, hint=hint)


def _parse(text: str, path: Path) -> dict[Any, Any]:
    """Return the keys of a config file, whose list ``defaults`` has the form that Hydra reads."""
    try:
        node = read_yaml(text) or {}
    except yaml.YAMLError as error:
        lines = re.findall(r"line (\d+)", str(error))
        where = f"{path}, line {lines[-1]}" if lines else str(path)
        reason = ", ".join(line for line in str(error).splitlines() if not line.startswith(" "))
        hint = "correct the YAML; a value with brackets or colons stands in quotes"
        raise UserError(f"not YAML: {reason}", code="damaged-file", where=where, hint=hint) from error
    if not isinstance(node, dict):
        raise UserError("no keys with values", code="value", where=str(path), hint="as in: key: value")
    entries = node.get("defaults")
    if entries is not None and not (isinstance(entries, list) and all(map(_is_entry, entries))):
        hint = "as in: defaults: [override /loss: focal, _self_]"
        raise UserError("defaults is no list of options", code="value", where=str(path), hint=hint)
    return node


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, str) or (isinstance(entry, dict) and all(isinstance(key, str) for key in entry))


def _find_places(path: Path, text: str, node: Mapping[Any, Any]) -> Iterator[str]:
    """Yield what would put a file, or one that it chooses, below ``hydra``; an interpolation can spell anything."""
    if HEADER.search(text) or "hydra" in (*path.parts[:-1], path.stem):
        yield "the package hydra"
    entries = [str(entry) for entry in node.get("defaults") or ()]
    yield from (f"defaults: {entry}" for entry in entries if "hydra" in entry or "${" in entry)


def _find_keys(node: Mapping[Any, Any]) -> Iterator[str]:
    """Yield the keys below ``hydra`` that such a file may not set."""
    for key, value in node.items():
        if str(key).startswith("hydra"):
            yield from (place for place, leaf in _list_leaves(str(key), value) if not _is_harmless(place, leaf))


def _is_harmless(place: str, value: Any) -> bool:
    if not isinstance(value, str | int | float) or "${" in str(value):
        return False
    searched = place.removeprefix(f"{SPACE}.")
    in_space = place.startswith(f"{SPACE}.") and SEARCHED.fullmatch(searched) and "hydra" not in searched
    return bool(place in PLACES or place in SEARCH or in_space)


def _list_leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values below a key with their places; a list and an empty mapping are values."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _list_leaves(f"{place}.{key}", inner)
    else:
        yield place, value


def read_yaml(text: str) -> Any:
    """Parse the text of a config file, by the fast reader where there is one."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
