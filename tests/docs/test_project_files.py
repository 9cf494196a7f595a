"""The files that a code host and a maintainer read: they parse, and name what exists."""

import re
import shutil
import subprocess
import tomllib
from argparse import ArgumentParser
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from chexpert.cli import shared_arguments
from chexpert.cli.main import COMMANDS, make_parser
from chexpert.runs.config_keys import RENAMED

PROJECT = Path(__file__).parents[2]
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
UPGRADING = (PROJECT / "UPGRADING.md").read_text()
ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def read_yaml(name):
    return yaml.safe_load((PROJECT / name).read_text())


def read_rows(text: str) -> list[tuple[str, ...]]:
    """Return the cells of each row of each table."""
    return [tuple(cell.strip() for cell in row.split("|")) for row in ROW.findall(text)]


def make(*words):
    command = ["make", "--no-print-directory", *words]  # `make test` calls this: a make below a make prints its folder
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_citation_is_of_this_version():
    citation = read_yaml("CITATION.cff")
    assert (citation["cff-version"], citation["title"]) == ("1.2.0", METADATA["name"])
    assert (citation["version"], citation["license"]) == (METADATA["version"], METADATA["license"])
    assert citation["authors"] == [{"name": "The chexpert authors"}]
    assert [reference["doi"] for reference in citation["references"]] == ["10.1609/aaai.v33i01.3301590"]


def test_workflow_calls_ci_run_with_each_python():
    workflow = read_yaml(".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    versions = job["strategy"]["matrix"]["python"]
    assert f">={versions[0]}" == METADATA["requires-python"]
    assert all(isinstance(version, str) for version in versions)  # 3.10 is a number otherwise
    assert job["env"]["PYTHON"].startswith("python")
    commands = [step["run"].split() for step in job["steps"] if "run" in step]
    assert [(words[0], (PROJECT / words[1]).is_file()) for words in commands] == [("bash", True)]


def test_workflow_makes_targets_that_exist():
    (job,) = read_yaml(".github/workflows/versions.yml")["jobs"].values()
    targets = [chosen["target"] for chosen in job["strategy"]["matrix"]["include"]]
    lines = (PROJECT / "Makefile").read_text().splitlines()
    assert targets == ["floor", "latest"]
    assert [name for name in targets if not any(line.startswith(f"{name}:") for line in lines)] == []


@pytest.mark.parametrize("name", ["ci", "versions"])
def test_workflow_may_only_read_and_pins_its_actions(name):
    workflow = read_yaml(f".github/workflows/{name}.yml")
    assert workflow["permissions"] == {"contents": "read"}
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name)] == []


def test_hooks_run_what_the_extra_dev_installs():
    programs = {"end-of-file-fixer": "pre-commit-hooks", "check-added-large-files": "pre-commit-hooks"}
    installed = {Requirement(line).name for line in METADATA["optional-dependencies"]["dev"]}
    hooks = [hook for source in read_yaml(".pre-commit-config.yaml")["repos"] for hook in source["hooks"]]
    names = [Path(hook["entry"].split()[0]).name for hook in hooks]
    assert {"ruff", "mypy", "lint-imports"} <= {*names}
    packages = {programs.get(name, {"lint-imports": "import-linter"}.get(name, name)) for name in names}
    assert packages | {"pre-commit"} <= installed


def test_bug_form_asks_for_doctor_and_forbids_patient_data():
    form = {field.get("id"): field for field in read_yaml(".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert form["doctor"]["validations"]["required"]
    (command,) = re.findall(r"`chexpert (\w+)`", form["doctor"]["attributes"]["label"])
    assert command in COMMANDS
    assert [option["required"] for option in form["private"]["attributes"]["options"]] == [True]


@needs_make
def test_help_lists_each_target():
    targets = re.findall(r"^([a-z-]+):(?!=).*", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    listed = [line.split()[0] for line in make().stdout.splitlines()]
    assert (listed, make("help").stdout) == (list(dict.fromkeys(targets)), make().stdout)


@needs_make
def test_notes_are_the_section_of_a_version():
    section = (PROJECT / "CHANGELOG.md").read_text().partition(f"\n## {METADATA['version']}")[2]
    lines = section.partition("\n## ")[0].splitlines()[2:]
    assert make("notes", f"VERSION={METADATA['version']}").stdout.splitlines() == lines
    assert len(lines) > 10
    for missing in ((), ("VERSION=0.0.7",)):
        assert make("notes", *missing).returncode == 2


def test_renamed_keys_are_in_upgrading():
    keys = {row for row in read_rows(UPGRADING) if len(row) == 2}
    assert {(f"`{old}`", f"`{new}`") for old, new in RENAMED.items()} - keys == set()


def test_renamed_options_are_in_upgrading():
    renamed = {}
    for name in set(COMMANDS) - {"train", "demo"}:
        for action in list_renamed(make_parser(name)):
            renamed.setdefault((action.option_strings[0], action.const), set()).add(name)
    listed = {
        tuple(re.findall("--[a-z-]+", old + new)): set(re.findall(r"[a-z]+", commands)) - {"chexpert"}
        for commands, old, new in (row for row in read_rows(UPGRADING) if len(row) == 3)
        if old.startswith("`--")
    }
    assert renamed == listed


def list_renamed(parser: ArgumentParser) -> list:
    return [action for action in parser._actions if isinstance(action, shared_arguments._Renamed)]


def test_files_that_became_commands_are_in_upgrading():
    files = [PROJECT / "train.py", *(PROJECT / "scripts").glob("*.py")]
    called = {
        (f"`python {file.relative_to(PROJECT)}`", f"`chexpert {command}`")
        for file in files
        for command in re.findall(r'main\("([a-z]+)"\)', file.read_text())
    }
    assert len(called) == len(files)
    assert called - {row for row in read_rows(UPGRADING) if len(row) == 2} == set()
