"""Where a command writes what it makes of a run."""

from pathlib import Path
from tempfile import TemporaryFile

from chexpert.errors import UserError, find_write_code
from chexpert.runs import files as run_files
from chexpert.weights.hub_name import parse_hub_name


def find_folder(run: Path, out: Path | None, name: str = run_files.EXPLANATIONS) -> Path:
    """Return the folder of explanations, or of other files of this ``name``: a new folder, or an empty one."""
    if out is None and parse_hub_name(run):
        message = "a repository of the Hub has no place for what is made of it"
        raise UserError(message, code="missing-argument", where=str(run), hint="give a new folder: --out FOLDER")
    folder = out or find_home(run) / name
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        hint = "give a new folder: --out FOLDER"
        message = "it is there already and is no empty folder; nothing is overwritten"
        raise UserError(message, code="not-empty", where=str(folder), hint=hint)
    if blocked := next((above for above in folder.absolute().parents if above.exists() and not above.is_dir()), None):
        raise UserError(
            f"{blocked} is no folder", code="not-writable", where=str(folder), hint="give another: --out FOLDER"
        )
    return folder


def find_home(run: Path) -> Path:
    """Return the run folder of a run or of one of its checkpoints; for a checkpoint elsewhere its folder."""
    above = run.absolute().parent
    return run if run.is_dir() else above.parent if above.name == run_files.CHECKPOINTS else above


def try_folder(folder: Path) -> None:
    """Make a folder and a temporary file in it, before the work that fills it.

    Raises:
        UserError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise UserError(
            message, code=find_write_code(error), where=str(folder), hint="give another: --out FOLDER"
        ) from error
