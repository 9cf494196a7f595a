"""Execute a notebook in an empty folder and write it with its outputs: execute_notebook.py NOTEBOOK OUTPUT."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

LONGEST_CELL = 600  # seconds


def execute(source: Path, output: Path) -> None:
    """Execute a notebook; it writes its data and runs to a folder that is removed.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(source, as_version=4)
    with TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=LONGEST_CELL, resources={"metadata": {"path": folder}}).execute()
    if failed := [text for text in _list_printed(notebook) if "error: " in text or "command not found" in text]:
        raise SystemExit(f"a command of {source} failed: {failed[0]}")  # of a line with !, which raises nothing
    output.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, output)


def _list_printed(notebook: nbformat.NotebookNode) -> list[str]:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [output.text for output in outputs if output.output_type == "stream"]


if __name__ == "__main__":
    execute(Path(sys.argv[1]), Path(sys.argv[2]))
