"""Commands, options and settings that are named in hints and messages exist."""

import ast
import inspect
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import pytorch_lightning as pl
from helpers.errors import raises

from chexpert.cli.main import COMMANDS, make_parser
from chexpert.config.run_folder import check_folder
from chexpert.config.schema import Config, ExplainConfig
from chexpert.data import Augmentation, CheXpertDataModule, LabelPolicy
from chexpert.runs import files as run_files
from chexpert.runs.resume import replay

PROJECT = Path(__file__).parents[2]
SOURCES = sorted((PROJECT / "chexpert").rglob("*.py"))
DOCKER = {"--shm-size", "--ipc"}
SCRIPT = re.compile(r"(?<![\w/.-])(?:scripts/)?[a-z_]+\.py\b")
COMMAND = re.compile(r"\bchexpert ([a-z]+(?:-[a-z]+)*)\b")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
SETTING = re.compile(r"(?<![\w./$<-])\+?([a-z_]+(?:[@.][a-z_]+)*)=(?=[\w'\"\[{./(]|\.\.\.)")
PRINTING = ("sys.exit", "print", "parser.error", "self.lack", "self.run_data.lack")
ARGUMENTS = {
    "data": CheXpertDataModule,
    "explain": ExplainConfig,
    "trainer": pl.Trainer,
    "labels": LabelPolicy,
    "data.augmentation": Augmentation,
}


def read_hints() -> list[tuple[str, str]]:
    """Return (place, text) of each hint in the sources, with {} for values that are filled in."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in PRINTING:
                found += [hint for argument in node.args for hint in _collect(path, argument)]
            elif isinstance(node, ast.keyword | ast.Assign) and _is_hint(node):
                found += _collect(path, node.value)
    return list(dict.fromkeys(found))


def _is_hint(node: ast.keyword | ast.Assign) -> bool:
    name = str(node.arg) if isinstance(node, ast.keyword) else ast.unparse(node.targets[0])
    return "hint" in name.lower()


def _collect(path: Path, node: ast.AST) -> list[tuple[str, str]]:
    where = f"{path.relative_to(PROJECT)}:{getattr(node, 'lineno', 0)}"
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        return [(where, "".join(map(str, parts)))]
    if isinstance(node, ast.Constant):
        return [(where, node.value)] if isinstance(node.value, str) else []
    return [hint for child in ast.iter_child_nodes(node) for hint in _collect(path, child)]


HINTS = read_hints()


def read_options() -> set[str]:
    """Return the options of all commands, and Hydra's of train."""
    parsers = [make_parser(name) for name in COMMANDS if name not in ("train", "demo")]
    known = {option for parser in parsers for option in parser._option_string_actions}
    return known | {"--multirun", "--cfg", "--config-dir"} | DOCKER


def test_sources_have_hints():
    assert len(HINTS) > 250


def test_commands_in_hints_exist():
    named = {(where, name) for where, hint in HINTS for name in COMMAND.findall(hint)}
    assert len(named) > 10
    assert [(where, name) for where, name in named if name not in COMMANDS] == []


def test_hints_name_no_script():
    """An installed wheel has none."""
    assert [(where, hint) for where, hint in HINTS if SCRIPT.search(hint)] == []


def test_options_in_hints_exist():
    options = read_options()
    named = {(where, name) for where, hint in HINTS for name in OPTION.findall(hint)}
    assert named
    assert [(where, name) for where, name in sorted(named) if name not in options] == []


def test_settings_in_hints_exist():
    named = {(where, key) for where, hint in HINTS for key in SETTING.findall(hint)}
    assert len(named) > 40
    assert [(where, key) for where, key in sorted(named) if not is_setting(key)] == []


def is_setting(key: str) -> bool:
    """Return whether the config has this key, by the signatures of what it configures."""
    group, _, rest = key.replace("@", ".").partition(".")
    if group == "hydra" or group not in {field.name for field in fields(Config)}:
        return group in ("hydra", "allow", "experiment")  # allow is a word of the command, no key
    for above, kind in ARGUMENTS.items():
        if rest and key.startswith(f"{above}.") and (above, rest) != ("data", "augmentation"):
            return key.removeprefix(f"{above}.").partition(".")[0] in inspect.signature(kind).parameters
    return True


def test_folder_of_other_files_has_no_hint_to_resume(tmp_path):
    (tmp_path / "x").touch()
    with raises("not-empty", tmp_path) as caught:
        check_folder(tmp_path, resumed=False)
    assert "resume" not in caught.value.hint


@pytest.mark.parametrize("name", [run_files.STATE, run_files.SWEEP])
def test_hint_of_a_run_or_sweep_resumes_it(tmp_path, name):
    run_files.write_json(tmp_path / name, {"state": "stopped", "overrides": ["seed=1"]})
    with raises("not-empty", tmp_path) as caught:
        check_folder(tmp_path, resumed=False)
    arguments = shlex.split(caught.value.hint.partition("chexpert train ")[2])
    assert "seed=1" in replay(arguments)
