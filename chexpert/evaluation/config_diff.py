"""How the settings of runs differ, and which runs are the same but for their seed or fold."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from chexpert.errors import UserError

CHANCE = ("seed", "data.fold")
"""Keys that make another replicate of the same configuration."""
PLACES = ("name", "data.root", "data.cache", "data.workers")
"""Keys that change no metric."""


def read_settings(path: Path) -> dict[str, Any]:
    """A config.yaml by dotted key; lists stay whole.

    Raises:
        UserError: it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"the config cannot be read: {str(error).splitlines()[0]}"
        raise UserError(message, where=str(path), hint="restore it, or leave the run out") from error
    if not isinstance(content, dict):
        raise UserError("no mapping", where=str(path), hint="restore it, or leave the run out")
    return flatten(content)


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key.

    >>> flatten({"optimizer": {"lr": 0.1}, "observations": ["Edema"]})
    {'optimizer.lr': 0.1, 'observations': ['Edema']}
    """
    flat: dict[str, Any] = {}
    for key, value in node.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def changes_nothing(key: str) -> bool:
    """Return whether a setting changes no metric; the text of a recipe changes none."""
    return key in PLACES or key.startswith("recipe.") or key == "recipe"


def find_differences(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the keys in which not all agree, but for those that change no metric; a missing key counts.

    >>> find_differences([{"a": 1, "b": 2, "name": "x"}, {"a": 1, "b": 3}])
    ['b']
    """
    keys = dict.fromkeys(key for own in settings for key in own)
    missing = object()
    return [
        key for key in keys
        if not changes_nothing(key) and any(own.get(key, missing) != settings[0].get(key, missing) for own in settings)
    ]  # fmt: skip


def gather(settings: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Places of the runs of each configuration, which differ by seed and fold alone; one without settings is its own.

    >>> gather([{"lr": 1, "seed": 0}, {"lr": 2, "seed": 0}, {"lr": 1, "seed": 1}, {}])
    [[0, 2], [1], [3]]
    """
    groups: dict[Any, list[int]] = {}
    for place, own in enumerate(settings):
        kept = {
            key: value for key, value in own.items() if not changes_nothing(key) and not _is_chance(key, value, own)
        }
        groups.setdefault(repr(sorted(kept.items())) if own else place, []).append(place)
    return list(groups.values())


def _is_chance(key: str, value: Any, own: Mapping[str, Any]) -> bool:
    """Whether a setting is the seed or fold, or repeats the run's seed; that of the phantom makes other data."""
    repeats = key.endswith(".seed") and key != "data.root.seed" and value == own.get("seed")
    return key in CHANCE or repeats


def find_seed_or_fold(own: Mapping[str, Any]) -> tuple[Any, ...]:
    """Seed and fold of a run."""
    return tuple(own.get(key) for key in CHANCE)
