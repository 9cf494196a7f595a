"""The user's own modules whose classes a config may name.

Only the command line (``allow=MODULE``) and the environment allow a module: a recipe, a checkpoint or a run folder may
come from somebody else.
"""

import os
from collections.abc import Iterable

VARIABLE = "CHEXPERT_ALLOW"
"""Environment variable, so that the processes of a run, and the jobs of a sweep, allow the same modules."""


def list_own_modules() -> list[str]:
    """Return the dotted names of the allowed modules."""
    return [name for part in os.environ.get(VARIABLE, "").split(",") if (name := part.strip())]


def allow_modules(names: Iterable[str]) -> None:
    """Allow modules in this process and in those that it starts, beside those that are allowed already."""
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*list_own_modules(), *names]))
