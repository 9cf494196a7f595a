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
    output.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, output)


if __name__ == "__main__":
    execute(Path(sys.argv[1]), Path(sys.argv[2]))
