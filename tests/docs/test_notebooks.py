"""The notebooks of the pages: kept without outputs, and every cell runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
LINK = re.compile(r"\]\(([^)#\s:]+)\)")

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read_cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["first-run", "predict-and-explain", "right-reason"]


@by_name
def test_notebook_is_kept_without_outputs(path):
    cells = read_cells(path, "code")
    assert cells
    assert [cell for cell in cells if cell["outputs"] or cell["execution_count"] is not None] == []


@by_name
def test_links_of_a_notebook_lead_to_pages(path):
    links = [link for cell in read_cells(path, "markdown") for link in LINK.findall("".join(cell["source"]))]
    assert [link for link in links if not (path.parent / link).is_file()] == []


@pytest.mark.slow
@by_name
def test_every_cell_of_a_notebook_runs(path, tmp_path):
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    command = [sys.executable, PROJECT / "scripts/docs/execute_notebook.py", path, tmp_path / "executed.ipynb"]
    subprocess.run(command, check=True)
    cells = nbformat.read(tmp_path / "executed.ipynb", as_version=4).cells
    printed = [output for cell in cells for output in cell.get("outputs", ())]
    assert not any("Traceback" in output.get("text", "") for output in printed)
    lines = sum(output.get("text", "").count("\n") for output in printed if output["output_type"] == "stream")
    assert lines < 100  # no progress bar floods a notebook
