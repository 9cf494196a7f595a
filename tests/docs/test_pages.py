"""The pages: commands compose and parse, tables are whole, linked files exist."""

import argparse
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from omegaconf import OmegaConf

import chexpert.config  # noqa: F401 - the schema

PROJECT = Path(__file__).parents[2]
CONF = PROJECT / "conf"
PAGES = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "UPGRADING.md")),
    *sorted((PROJECT / "docs").rglob("*.md")),
]
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
LINK = re.compile(r"\]\(([^)#\s]+)")
PLACE = re.compile(r"(?:conf|docs|chexpert|tests|scripts)/[\w./*-]+")
OPEN = ("backbone", "experiment", "hydra")
"""Groups of which the table names some options only."""


class ParsedError(Exception):
    """Raised once the command line was parsed."""


def list_commands(name: str) -> list[str]:
    """The commands of all pages that begin with `python NAME`, each on a line of its own."""
    found = [command for page in PAGES for command in read_commands(page.read_text(encoding="utf-8"))]
    return sorted({command for command in found if command.startswith(f"python {name}")})


def read_commands(text: str) -> Iterator[str]:
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from (part.strip() for part in strip_comment(line).split(";"))
    for span in SPAN.findall(BLOCK.sub("", text)):
        line = " ".join(span.split())
        if " " in line.removeprefix("python ") and not re.search(r"\[|\.\.\.", line):  # more than a script's name
            yield line


def strip_comment(line: str) -> str:
    """Return a line without its comment, which follows two blanks."""
    return re.split(r"\s{2,}#|^#", line)[0].strip().removeprefix("srun ")


def split(command: str) -> list[str]:
    """Return the words of a command, with a value for each placeholder."""
    command = command.replace("<time>", "2026-01-01").replace("<job>", "0").replace("<name>", "chexpert")
    return [word for word in shlex.split(re.sub(r"<(\w+)>", r"\1", command)) if word not in ("...", "&", "\\")]


def choose_first(override: str) -> str:
    """Return the first value of a sweep, or the start of its interval."""
    parsed = OverridesParser.create().parse_override(override)
    if not parsed.is_sweep_override():
        return override
    if isinstance(value := parsed.value(), IntervalSweep):
        return f"{parsed.get_key_element()}={value.start}"
    return f"{parsed.get_key_element()}={next(parsed.sweep_string_iterator())}"


@pytest.fixture
def composed(monkeypatch):
    """Composes overrides as train.py does."""
    monkeypatch.setenv("CHEXPERT_ROOT", "/data")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda overrides: compose("train", overrides, return_hydra_config=True)


@pytest.mark.parametrize("command", list_commands("train.py"))
def test_every_training_command_composes(composed, command):
    words = [word for word in split(command)[2:] if not word.startswith("-") and word not in ("job", "all")]
    resumed = any(word.startswith("resume=outputs") for word in words)  # with the sweeper that it had
    composed(["hydra/sweeper=optuna"] * resumed + [choose_first(word) for word in words])


@pytest.mark.parametrize("command", list_commands("scripts/"))
def test_every_command_of_a_script_parses(monkeypatch, capsys, command):
    _, script, *arguments = split(command)
    parsers = {name: getattr(argparse.ArgumentParser, name) for name in ("parse_args", "parse_intermixed_args")}
    for name, parse in parsers.items():

        def parse_and_stop(self, *given, parse=parse):
            parse(self, *given)
            raise ParsedError

        monkeypatch.setattr(argparse.ArgumentParser, name, parse_and_stop)
    monkeypatch.setattr(sys, "argv", [script, *arguments])
    monkeypatch.syspath_prepend(PROJECT / "scripts")
    try:
        runpy.run_path(str(PROJECT / script), run_name="__main__")
    except ParsedError:
        return
    except SystemExit as end:
        pytest.fail(f"{end.code}: {capsys.readouterr().err}")
    pytest.fail("nothing was parsed")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_table_is_whole(page):
    lines = BLOCK.sub("", page.read_text(encoding="utf-8")).splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith("|") and not lines[n - 1].startswith("|")]
    assert [lines[n] for n in starts if not re.fullmatch(r"(\|[ :-]*-+[ :-]*)+\|", lines[n + 1])] == []
    columns = [{len(re.split(r"(?<!\\)\|", line)) for line in take_table(lines, n)} for n in starts]
    assert all(len(found) == 1 for found in columns), columns


def take_table(lines: list[str], start: int) -> Iterator[str]:
    for line in lines[start:]:
        if not line.startswith("|"):
            return
        yield line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_linked_or_named_file_exists(page):
    text = page.read_text(encoding="utf-8")
    linked = [link for link in LINK.findall(text) if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in linked if not (page.parent / link).exists()] == []
    named = [word for span in SPAN.findall(BLOCK.sub("", text)) for word in span.split() if PLACE.fullmatch(word)]
    assert [word for word in named if not list(PROJECT.glob(word.rstrip("/")))] == []


def test_readme_is_short():
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_page_is_in_the_index():
    docs = PROJECT / "docs"
    listed = {(docs / link).resolve() for link in LINK.findall((docs / "index.md").read_text(encoding="utf-8"))}
    assert [page for page in docs.rglob("*.md") if page.resolve() not in listed | {docs / "index.md"}] == []


def read_options() -> list[tuple[list[str], str]]:
    """Return the keys and the text of each row of the table of options."""
    lines = (PROJECT / "docs/reference/config.md").read_text(encoding="utf-8").splitlines()
    rows = list(take_table(lines, lines.index("| key | options |") + 2))
    return [(SPAN.findall(row.split("|")[1]), row) for row in rows]


def test_every_key_of_the_table_can_be_set(composed):
    keys, cfg = [key for keys, _ in read_options() for key in keys if not (CONF / key).is_dir()], composed([])
    composed([f"{key}=null" for key in keys if OmegaConf.select(cfg, key) is None])


def test_every_option_of_a_group_is_in_the_table():
    rows = {key: row for keys, row in read_options() for key in keys}
    groups = {path.parent.name: [] for path in CONF.glob("*/*.yaml") if path.parent.name not in OPEN}
    missing = [
        f"{group}={path.stem}"
        for group in groups
        for path in CONF.glob(f"{group}/*.yaml")
        if f"`{path.stem}`" not in rows.get(group, "")
    ]
    assert missing == []
