"""The versions: constraints/ follows pyproject.toml and constraints.txt. After a change of either: make lock."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).parents[2]
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
LOCKS = sorted((PROJECT / "constraints").glob("py*.txt"))
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def read_pins(path: Path) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in PIN.findall(path.read_text())}


def list_required(extra: str = "") -> Iterator[Requirement]:
    """Yield the dependencies, and those of an extra with the extras that it names."""
    for line in METADATA["optional-dependencies"][extra] if extra else METADATA["dependencies"]:
        required = Requirement(line)
        if required.name == METADATA["name"]:
            for other in sorted(required.extras):
                yield from list_required(other)
        else:
            yield required


REQUIRED = {canonicalize_name(one.name): one.specifier for one in [*list_required(), *list_required("dev")]}


@pytest.mark.parametrize("path", [*LOCKS, PROJECT / "constraints/floor.txt"], ids=lambda path: path.stem)
def test_every_dependency_is_pinned_within_its_bounds(path):
    pins = read_pins(path)
    assert [name for name, bounds in REQUIRED.items() if not bounds.contains(pins[name])] == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_locked_versions_are_those_of_constraints(path):
    listed = read_pins(PROJECT / "constraints.txt")
    wasm = {"httpx2-jsfetch"}  # no platform of this project
    assert {name: version for name, version in read_pins(path).items() if listed.get(name) != version}.keys() <= wasm


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_locked_version_has_hashes_and_no_index(path):
    text = path.read_text()
    entries = re.findall(r"^[\w.-]+==.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", text, re.MULTILINE)
    assert len(entries) == len(PIN.findall(text)) > 100
    assert "://" not in text


def test_each_tested_python_has_a_lock():
    job = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]
    tested = [f"py{version.replace('.', '')}" for version in job["strategy"]["matrix"]["python"]]
    assert [path.stem for path in LOCKS] == tested


def test_floor_is_the_lower_bound_of_each_dependency():
    pins = read_pins(PROJECT / "constraints/floor.txt")
    bounds = {name: next(one.version for one in REQUIRED[name] if one.operator in (">=", "==")) for name in REQUIRED}
    assert {name: pins[name] for name, bound in bounds.items() if Version(pins[name]) != Version(bound)} == {}
