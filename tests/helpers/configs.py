"""Configs as Hydra composes them."""

from copy import deepcopy
from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

CONF = Path(__file__).parents[2] / "conf"
GROUPS = {path.name for path in CONF.iterdir() if path.is_dir()}


def make(*overrides: str) -> DictConfig:
    """Compose a config, and set values in it as Hydra does; what the groups alone give is composed once."""
    values = [one for one in overrides if not _chooses(one)]
    config = deepcopy(_compose(*(one for one in overrides if one not in values)))
    ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides(values), config)
    return config


def _chooses(override: str) -> bool:
    """Whether an override chooses an option of a group, or adds or deletes something."""
    key = override.partition("=")[0]
    return key in GROUPS or key[0] in "+~" or "/" in key or "@" in key


@cache
def _compose(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", list(overrides))
