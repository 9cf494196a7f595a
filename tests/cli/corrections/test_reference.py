"""``--help`` lists every setting; signatures read from the source are those of Python."""

import importlib
import inspect
from pathlib import Path

import pytest

from chexpert.cli.corrections import Settings, answer
from chexpert.cli.corrections.reference import WIDTH, write_reference
from chexpert.cli.corrections.settings import GIVEN, list_networks
from chexpert.cli.corrections.sources import read_arguments
from chexpert.config.schema import GROUP_KEYS, LISTED, Config, ExplainConfig
from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.data.phantom.options import DEFECTS
from chexpert.explain.methods.fills import FILLS

CONF = Path(__file__).parents[3] / "conf"
SETTINGS = Settings(CONF)
TARGETS = sorted(
    {
        node["_target_"]
        for group in SETTINGS.groups
        if group != "experiment"
        for node in SETTINGS.list_nodes(group).values()
    }
)


@pytest.mark.parametrize("target", TARGETS)
def test_arguments_from_source_match_the_signature(target):
    module, _, name = target.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    assert [argument.name for argument in read_arguments(target)] == [p.name for p in named]
    assert [bool(argument.default) for argument in read_arguments(target)] == [p.default is not p.empty for p in named]


def test_reference_lists_every_key_with_its_default():
    text = write_reference(SETTINGS).splitlines()
    lines = {line.split()[0]: line for line in text if line.startswith("  ") and line[2:3] != " "}
    wanted = [key for key in Config.__dataclass_fields__ if key not in (*GROUP_KEYS, "explain", "trial")]
    wanted += [f"explain.{key}" for key in ExplainConfig.__dataclass_fields__]
    for group in SETTINGS.groups:
        if group not in ("experiment", "model"):
            for option in SETTINGS.list_nodes(group):
                place = f"{group}.{option}" if group in LISTED else group
                wanted += [f"{place}.{key}" for key in SETTINGS.list_keys(group, option)]
    assert not [key for key in wanted if key not in lines]
    assert lines["optimizer.lr"].split()[1] == "3e-4"
    assert lines["trainer.max_epochs"].split()[1] == "5"
    assert lines["data.batch_size"].split()[1] == "16"
    assert lines["labels.uncertain"].split()[1] == "[0.55,0.85]"
    assert max(map(len, text)) <= WIDTH
    assert not [line for line in text if line.endswith(" ...")]
    assert not [line for line in lines if line.removeprefix("trainer.") in GIVEN["trainer"] and "." in line]


def test_reference_names_what_can_be_typed():
    text = write_reference(SETTINGS)
    assert [word for word in ("LAYOUTS", "DEFECTS", "fill_image", "every Cam", "docs/") if word in text] == []
    words = " ".join(text.split())
    assert all(", ".join(names[:-1]) + f" or {names[-1]}" in words for names in ([*LAYOUTS], [*DEFECTS], [*FILLS]))


def test_keys_of_the_top_level_have_a_description():
    assert [name for name, key in SETTINGS.top.items() if not key.line] == []


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_words_print_the_reference(word, capsys):
    assert answer(["seed=1", word], CONF) is None
    assert "trainer.max_epochs" in capsys.readouterr().out


def test_networks_of_timm_are_known():
    import timm

    assert set(timm.list_models()) <= list_networks()
