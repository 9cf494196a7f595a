"""chexpert: CheXpert experiments from a config, evaluated by AUROC and explained. Not a medical device."""

from typing import TYPE_CHECKING

__all__ = [
    "COMPETITION",
    "OBSERVATIONS",
    "Explanation",
    "Loaded",
    "Run",
    "UserError",
    "__version__",
    "load",
    "open_run",
    "train",
]

if TYPE_CHECKING:
    from chexpert.api import Run, open_run, train
    from chexpert.checkpoints import Loaded, load
    from chexpert.errors import UserError
    from chexpert.explain import Explanation
    from chexpert.observations import COMPETITION, OBSERVATIONS

    __version__: str
else:
    _MODULES = {
        "COMPETITION": "chexpert.observations",
        "OBSERVATIONS": "chexpert.observations",
        "Explanation": "chexpert.explain",
        "Loaded": "chexpert.checkpoints",
        "Run": "chexpert.api",
        "UserError": "chexpert.errors",
        "load": "chexpert.checkpoints",
        "open_run": "chexpert.api",
        "train": "chexpert.api",
    }

    def __getattr__(name: str) -> object:
        """Import a public name at its first use: torch alone takes seconds."""
        import importlib

        if name == "__version__":
            value = importlib.import_module("importlib.metadata").version("chexpert")
        elif name in _MODULES:
            value = getattr(importlib.import_module(_MODULES[name]), name)
        else:
            raise AttributeError(f"module 'chexpert' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
