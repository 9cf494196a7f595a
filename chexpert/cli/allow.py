"""``allow=MODULE`` among the words of any command: a module of the user's own whose classes the config may name."""

import importlib.util
import re
from collections.abc import Sequence
from importlib.machinery import PathFinder

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.own_modules import VARIABLE, allow_modules, list_own_modules

NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def take_allowed(arguments: Sequence[str]) -> list[str]:
    """Allow the modules that the words name, and return the other words.

    Args:
        arguments: words of the command line; ``allow=mylab.losses``, ``allow=[a,b]`` and ``allow=a,b`` may repeat.

    Raises:
        UserError: a name is no dotted name, or there is no such module.
    """
    typed = [word for word in arguments if word.lstrip("+").startswith("allow=")]
    named = [name.strip() for word in typed for name in word.partition("=")[2].strip("[]").split(",")]
    for name in named:
        _check(name, f"allow={name}")
    for name in list_own_modules():
        _check(name, f"{VARIABLE}={name}")
    allow_modules(named)
    if allowed := list_own_modules():
        log.log(NOTE, f"the config may name classes of {', '.join(allowed)}")
    return [word for word in arguments if word not in typed]


def _check(name: str, where: str) -> None:
    if not NAME.fullmatch(name):
        raise UserError("not the name of a module", code="value", where=where, hint="as in: allow=mylab.losses")
    parts = name.split(".")
    missing = next((".".join(parts[:n]) for n in range(1, len(parts) + 1) if not _is_there(parts[:n])), None)
    if missing:
        hint = f"install it in this environment, or set PYTHONPATH to the folder that holds {parts[0]}"
        if len(missing.split(".")) > 1 or missing == "__main__":
            hint = "name a module that can be imported: allow=mylab.losses is mylab/losses.py"
        raise UserError(f"there is no module {missing!r}", code="not-installed", where=where, hint=hint)


def _is_there(parts: Sequence[str]) -> bool:
    """Whether a module can be found; nothing is imported, not even the packages above it."""
    if parts[0] == "__main__":  # the command itself
        return False
    folders: Sequence[str] | None = None
    for depth, _ in enumerate(parts, 1):
        name = ".".join(parts[:depth])
        try:
            spec = importlib.util.find_spec(name) if depth == 1 else PathFinder.find_spec(name, folders)
        except ValueError:  # a module without a file, which something has put together
            return False
        if spec is None:
            return False
        folders = spec.submodule_search_locations or []
    return True
