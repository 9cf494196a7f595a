"""The options that a command chooses, read from the files of conf before Hydra is imported."""

from pathlib import Path

import pytest
from helpers.configs import CONF
from hydra import compose, initialize_config_dir

from chexpert.cli.corrections.settings import Settings

SETTINGS = Settings(CONF)
RECIPES = sorted(path.stem for path in CONF.glob("experiment/*.yaml"))


@pytest.mark.parametrize("trainer", [[], ["trainer=debug"]])
@pytest.mark.parametrize("recipe", [None, *RECIPES])
def test_chosen_options_are_those_of_hydra(recipe, trainer):
    overrides = [*trainer, *([f"experiment={recipe}"] if recipe else [])]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides, return_hydra_config=True)
    known = cfg.hydra.runtime.choices
    chosen = SETTINGS.choose(dict(override.split("=") for override in overrides))
    for group in ("data", "labels", "model", "optimizer", "scheduler", "loss", "trainer"):
        assert chosen[group] == known[group], group


@pytest.mark.parametrize("option", ["/etc/hosts", "x" * 300, "../train", ""])
def test_option_that_is_no_file_of_its_group_chooses_nothing(option):
    assert SETTINGS.choose({"data": option}) == SETTINGS.defaults | {"data": option}


def test_trainer_debug_chooses_its_explainer():
    assert SETTINGS.choose({"trainer": "debug"})["explainer"] == ["gradcam"]
    assert SETTINGS.choose({"trainer": "debug", "explainer": "lime"})["explainer"] == "lime"


def test_empty_option_file_chooses_nothing(tmp_path):
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer/mine.yaml").touch()
    (tmp_path / "train.yaml").write_text("defaults: [_self_]")
    assert Settings(Path(tmp_path)).choose({"trainer": "mine"}) == {"trainer": "mine"}


def test_inherited_recipes_are_listed(tmp_path):
    (tmp_path / "experiment").mkdir()
    for name, above in (("a", "/experiment/b"), ("b", "c"), ("c", "_self_")):
        (tmp_path / f"experiment/{name}.yaml").write_text(f"defaults: [{above}]")
    assert Settings(tmp_path).list_inherited("a") == ["a", "b", "c"]
