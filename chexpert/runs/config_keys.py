"""The dotted keys of a config, and those that were renamed: files of older versions are read by the new names."""

from collections.abc import Mapping, Sequence
from typing import Any

RENAMED: Mapping[str, str] = {
    "keep": "save_top_k",
    "keep_every": "save_every_n_steps",
    "save_minutes": "save_every_n_minutes",
    "data.workers": "data.num_workers",
    "data.size": "data.image_size",
    "data.fit": "data.resize_mode",
    "data.labeller": "data.labeler",
    "data.root.labellers": "data.root.labelers",
}
"""The old dotted key and the new one; a key stays at its place in the config."""


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return values by dotted key; lists and empty mappings stay whole.

    >>> flatten({"optimizer": {"lr": 0.1}, "observations": ["Edema"], "model": {}})
    {'optimizer.lr': 0.1, 'observations': ['Edema'], 'model': {}}
    """
    flat: dict[str, Any] = {}
    for key, value in node.items():
        nested = isinstance(value, Mapping) and value
        flat |= flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


SEARCHED = "hydra.sweeper.params."
"""What stands before a key whose values a search varies."""


def rename_keys(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a config with each old key replaced by its new name.

    >>> rename_keys({"keep": 3, "data": {"size": 64}, "model": {"size": 1}})
    {'save_top_k': 3, 'data': {'image_size': 64}, 'model': {'size': 1}}
    """
    renamed: dict[str, Any] = {}
    for key, value in config.items():
        name = RENAMED.get(f"{prefix}{key}", str(key)).rpartition(".")[2] if isinstance(key, str) else key
        renamed[name] = rename_keys(value, f"{prefix}{key}.") if isinstance(value, Mapping) else value
    return renamed


def rename_override(override: str) -> str:
    """Return an override of the command line with its key renamed.

    >>> rename_override("+data.size=64"), rename_override("~keep"), rename_override("seed=1")
    ('+data.image_size=64', '~save_top_k', 'seed=1')
    """
    key, equals, value = override.partition("=")
    plain = key.lstrip("+~").removeprefix(SEARCHED)
    return key.removesuffix(plain) + RENAMED.get(plain, plain) + equals + value


def rename_overrides(overrides: Sequence[Any]) -> list[str]:
    """Return overrides with their keys renamed."""
    return [rename_override(str(override)) for override in overrides]
