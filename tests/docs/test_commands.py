"""Every command of every page is parsed: its options exist, and its settings compose."""

import re

import pytest
from helpers.pages import PROJECT, list_commands, split
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep

import chexpert.config  # noqa: F401 - the schema
from chexpert.cli.main import COMMANDS, import_command, make_parser

TARGETS = set(re.findall(r"^([a-z]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE))
OPTIONS = ("--help", "--version", "COMMAND --help")
OWN = ("experiment=mylab",)


def choose_first(override: str) -> str:
    """Return the first value of a sweep, or the start of its interval."""
    parsed = OverridesParser.create().parse_override(override)
    if not parsed.is_sweep_override():
        return override
    if isinstance(value := parsed.value(), IntervalSweep):
        return f"{parsed.get_key_element()}={value.start}"
    return f"{parsed.get_key_element()}={next(parsed.sweep_string_iterator())}"


def check_settings(words: list[str]) -> None:
    """Compose settings as Hydra does, the first job of a sweep."""
    settings = [word for word in words if "=" in word and word not in OWN and not word.startswith(("-", "allow="))]
    resumed = any(word.startswith("resume=outputs") for word in settings)  # with the sweeper that it had
    with initialize_config_dir(str(PROJECT / "conf"), version_base="1.3"):
        searched = ["hydra/sweeper=optuna"] * resumed
        compose("train", [*searched, *map(choose_first, settings)], return_hydra_config=True)


@pytest.mark.parametrize("command", list_commands("chexpert"))
def test_every_command_parses(monkeypatch, command):
    monkeypatch.setenv("CHEXPERT_ROOT", "/data")
    name, *words = split(command)[1:]
    if " ".join([name, *words]) in OPTIONS or words == ["--help"]:
        return
    assert name in COMMANDS
    module = import_command(name)
    if not hasattr(module, "add_arguments"):
        check_settings(words)
        return
    arguments = [word for word in words if not word.startswith("allow=")]
    parser = make_parser(name)
    module.parse(parser, arguments) if hasattr(module, "parse") else parser.parse_args(arguments)


@pytest.mark.parametrize("command", list_commands("torchrun"))
def test_every_command_of_torchrun_composes(monkeypatch, command):
    monkeypatch.setenv("CHEXPERT_ROOT", "/data")
    words = split(command)
    module = words.index("-m")
    assert words[module + 1 : module + 3] == ["chexpert", "train"]
    check_settings(words[module + 3 :])


@pytest.mark.parametrize("command", list_commands("make"))
def test_every_target_of_make_exists(command):
    assert command.split()[1] in TARGETS


@pytest.mark.parametrize(
    "command", [one for one in list_commands() if re.search(r"\bpytest |^python tests|sbatch", one)]
)
def test_every_named_file_exists(command):
    named = [word for word in command.split() if word.startswith(("tests/", "docs/"))]
    assert [word for word in named if not (PROJECT / word).exists()] == []
