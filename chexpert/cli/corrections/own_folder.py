"""The folder of ``--config-dir``: more options and recipes, in the layout of conf/."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from chexpert.errors import UserError

RUNS_CODE = ("_target_", "env_set")
"""Keys below ``hydra`` by which Hydra itself would call something, or change the environment of the run."""


def check_own_folder(own: Path, conf: Path) -> None:
    """Check a folder of options before Hydra reads it.

    Args:
        own: the folder.
        conf: the folder of the configs that are shipped.

    Raises:
        UserError: there is no such folder; a file has the name of one in conf/, and Hydra would never read it; or a
            file outside ``hydra/``, such as a recipe of somebody else, has Hydra call something.
    """
    where = f"--config-dir {own}"
    if not own.is_dir():
        raise UserError("no such folder", code="missing-folder", where=where, hint="it has a folder for each group")
    files = [path.relative_to(own) for path in sorted(own.rglob("*.yaml"))]
    if same := [str(path) for path in files if (conf / path).exists()]:
        message = f"files of the same name are in conf already: {', '.join(same)}"
        raise UserError(message, code="conflict", where=where, hint="give them other names")
    for path in files:
        if path.parts[0] != "hydra" and (keys := list(_find_keys((own / path).read_text(encoding="utf-8")))):
            message = f"a file that is no option of hydra/ cannot set {', '.join(keys)}"
            hint = "type it on the command line, or leave it out"
            raise UserError(message, code="untrusted-target", where=str(own / path), hint=hint)


def _find_keys(text: str) -> Iterator[str]:
    """Yield the keys of a config file by which Hydra would run code."""
    node = read_yaml(text)
    packages = [line for line in text.splitlines() if line.startswith("#") and "@package" in line and "hydra" in line]
    if packages or (isinstance(node, Mapping) and any("@hydra" in str(entry) for entry in node.get("defaults") or ())):
        yield "the package hydra"
    if isinstance(node, Mapping):
        yield from _walk(node.get("hydra"), "hydra")


def _walk(node: Any, where: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in RUNS_CODE:
                yield f"{where}.{key}"
            yield from _walk(value, f"{where}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _walk(value, f"{where}[{number}]")


def read_yaml(text: str) -> Any:
    """Parse the text of a config file, by the fast reader where there is one."""
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
