"""``allow=MODULE`` among the words of any command: a module of the user's own whose classes the config may name."""

import importlib.util
import re
from collections.abc import Sequence

from chexpert.console import NOTE, log
from chexpert.errors import UserError
from chexpert.own_modules import VARIABLE, allow_modules, list_own_modules

NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def take_allowed(arguments: Sequence[str]) -> list[str]:
    """Allow the modules that the words name, and return the other words.

    Args:
        arguments: words of the command line; ``allow=mylab.losses``, ``allow=[a,b]`` and ``allow=a,b`` may repeat.

    Raises:
        UserError: a name is no dotted name, or no such package is installed.
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
    package = name.partition(".")[0]
    if importlib.util.find_spec(package) is None:  # of the top: nothing is imported
        hint = f"install it in this environment, or set PYTHONPATH to the folder that holds {package}"
        raise UserError(f"there is no module {package}", code="not-installed", where=where, hint=hint)
