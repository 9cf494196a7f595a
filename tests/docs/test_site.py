"""The site of docs/: it is built without a warning, and loads nothing from other hosts; generated pages are current."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.golden import check_golden

from chexpert.cli.corrections.settings import Settings
from chexpert.cli.reference_pages import write_pages

PROJECT = Path(__file__).parents[2]
GENERATED = write_pages(Settings(PROJECT / "conf"))
LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*|@import[^;]*//[^;]*")


@pytest.mark.parametrize("name", GENERATED)
def test_generated_page_is_current(name):
    check_golden(GENERATED[name], PROJECT / "docs" / name)


@pytest.mark.skipif(not importlib.util.find_spec("material"), reason="needs the extra docs")
def test_site_is_built_without_a_warning_and_loads_nothing_from_other_hosts(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(PROJECT)}
    built = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    pages = sorted(file for file in (tmp_path / "site").rglob("*") if file.suffix in (".html", ".css"))
    assert len(pages) > 50
    assert [(page.name, LOADED.findall(text)) for page in pages if LOADED.search(text := page.read_text())] == []
