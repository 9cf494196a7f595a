"""Who is averaged: checkpoints of runs and files of predictions, and how each was chosen."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from chexpert.errors import Code, UserError
from chexpert.observations import find_observation
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping


def read_lists(path: Path) -> dict[str, list[Path]]:
    """Read the members of each observation from a YAML file: ``Edema: [outputs/one, outputs/two]``.

    Raises:
        UserError: it is no such file.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"the lists of members cannot be read: {' '.join(str(error).split())}"
        code: Code = "missing-file" if isinstance(error, FileNotFoundError) else "unreadable-file"
        raise UserError(message, code=code, where=str(path), hint="give a YAML file") from error
    lists: dict[str, list[Path]] = {}
    for name, own in content.items() if isinstance(content, dict) else [(content, None)]:
        observation = find_observation(str(name))
        if not observation or observation in lists or not own or not isinstance(own, list):
            hint = "one line an observation of CheXpert, each once: Edema: [RUN, CHECKPOINT, PREDICTIONS.csv]"
            raise UserError(f"no list of members of an observation: {name!r}", code="value", where=str(path), hint=hint)
        lists[observation] = [Path(str(member)).expanduser() for member in own]
    return lists


def find_members(paths: Sequence[Path], top_k: int | None) -> list[Path]:
    """Return checkpoints and files of predictions, each once."""
    found = [file for path in paths for file in (find_checkpoints(path, top_k) if path.is_dir() else [path])]
    places = [file.resolve() for file in found]
    if twice := sorted({str(file) for file, place in zip(found, places, strict=True) if places.count(place) > 1}):
        raise UserError("a member is given twice", code="repeated", where=", ".join(twice), hint="name each once")
    return found


def find_checkpoints(run: Path, top_k: int | None) -> list[Path]:
    """Return the best checkpoints of a run, best first."""
    found = run_files.kept_checkpoints(run)[:top_k]
    if not found:
        hint = "give runs that have finished an epoch (of a sweep: SWEEP/[0-9]*), checkpoints, or files of predictions"
        raise UserError("no checkpoint in this folder", code="missing-file", where=str(run), hint=hint)
    return found


def find_run(member: Path) -> Path | None:
    """Return the run of a checkpoint or of a file of predictions; None for a file that lies elsewhere."""
    return member.parent.parent if member.parent.name in (run_files.CHECKPOINTS, run_files.PREDICTIONS) else None


def find_choice(member: Path) -> str | None:
    """Return the split on which the epoch of a member was chosen; None if not known."""
    run = None if member.stem == run_files.LAST else find_run(member)  # the last epoch is not chosen
    return read_mapping(run / run_files.METRICS).get("epoch_chosen_on") if run else None


def find_split(member: Path, split: str) -> str | None:
    """Return the split of a member's scores: that of the checkpoints, or the name of a run's own predictions."""
    return split if member.suffix != ".csv" else member.stem.removesuffix(run_files.TTA) if find_run(member) else None


def describe_choice(member: Path, chosen: str | None) -> str:
    """Describe how the epoch of a member was chosen.

    >>> describe_choice(Path("checkpoints/last.ckpt"), None), describe_choice(Path("checkpoints/best.ckpt"), "dev")
    ('the last epoch', 'epoch chosen on dev')
    """
    if member.name == f"{run_files.LAST}.ckpt":
        return "the last epoch"
    return f"epoch chosen on {chosen}" if chosen else "how it was chosen is not recorded"
