"""The pages: tables are whole, linked pages, files and headings exist, every page is reached from the index."""

import re
from collections.abc import Iterator

import pytest
from helpers.pages import BLOCK, PAGES, PROJECT, SPAN
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import chexpert.config  # noqa: F401 - the schema

CONF = PROJECT / "conf"
LINK = re.compile(r"\]\(([^)#\s]+)")
ANCHOR = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")
PLACE = re.compile(r"(?:conf|docs|chexpert|tests|scripts)/[\w./*-]+")
OPEN = ("backbone", "experiment", "hydra")
"""Groups of which the table names some options only."""


@pytest.fixture
def composed(monkeypatch):
    """Composes overrides as train.py does."""
    monkeypatch.setenv("CHEXPERT_ROOT", "/data")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda overrides: compose("train", overrides, return_hydra_config=True)


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_linked_heading_exists(page):
    """As a code host and mkdocs call it: lower case, dashes for blanks, no other signs."""
    wanted = [((page.parent / link) if link else page, name) for link, name in ANCHOR.findall(page.read_text("utf-8"))]
    pages = [(target, name) for target, name in wanted if target.suffix == ".md" and "://" not in str(target)]
    assert [(target, name) for target, name in pages if name not in list_headings(target.read_text("utf-8"))] == []


def list_headings(text: str) -> list[str]:
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]


def test_readme_is_short():
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_page_is_reached_from_the_index():
    docs = PROJECT / "docs"
    waiting, reached = [docs / "index.md"], set()
    while waiting:
        page = waiting.pop()
        reached.add(page)
        linked = {(page.parent / link).resolve() for link in LINK.findall(page.read_text(encoding="utf-8"))}
        waiting += [link for link in linked - reached if link.suffix == ".md" and link.is_relative_to(docs)]
    assert sorted(set(docs.rglob("*.md")) - reached) == []


def read_options() -> list[tuple[list[str], str]]:
    """Return the keys and the text of each row of the table of options."""
    lines = (PROJECT / "docs/how-to/choose-settings.md").read_text(encoding="utf-8").splitlines()
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
