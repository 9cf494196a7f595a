"""Configs as Hydra composes them."""

from pathlib import Path

from hydra import compose, initialize_config_dir

CONF = Path(__file__).parents[2] / "conf"


def make(*overrides: str):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", list(overrides))
