"""The user's own modules whose classes a config may name.

Only the command line (``allow=MODULE``) and the environment allow a module: a recipe, a checkpoint or a run folder may
come from somebody else.
"""

import os
from collections.abc import Iterable

VARIABLE = "CHEXPERT_ALLOW"
"""Environment variable, so that the processes of a run, and the jobs of a sweep, allow the same modules."""

_allowed: tuple[str, ...] | None = None
"""The modules of this process once its command line was read: a config may change the environment after that."""


def list_own_modules() -> list[str]:
    """Return the dotted names of the allowed modules."""
    return _read_variable() if _allowed is None else list(_allowed)


def allow_modules(names: Iterable[str]) -> None:
    """Allow modules beside those of the environment, also in processes that start later, and freeze the list.

    The environment counts for nothing in this process from then on.
    """
    global _allowed
    _allowed = tuple(dict.fromkeys([*(_allowed or ()), *_read_variable(), *names]))
    os.environ[VARIABLE] = ",".join(_allowed)


def _read_variable() -> list[str]:
    return [name for part in os.environ.get(VARIABLE, "").split(",") if (name := part.strip())]
