"""The table of predictions that a command writes."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from chexpert.errors import UserError
from chexpert.inference.inputs import InputImage
from chexpert.observations import COMPETITION
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import name_safely, shorten_names

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def hash_own_names(images: Sequence[InputImage], inputs: Sequence[Path], salt: str | None) -> dict[str, str]:
    """Return hashes of images other than CheXpert's, the same whatever folder was typed; none where names stay."""
    own = [image.name for image in images if image.study == image.name]
    if salt is None:
        return {}
    top = f"{inputs[0].as_posix()}/" if inputs[0].is_dir() else ""
    short = shorten_names([name.removeprefix(top) for name in own])
    return {name: name_safely(short_name, salt) for name, short_name in zip(own, short.values(), strict=True)}


def choose_columns(known: Sequence[str], which: str) -> list[str]:
    """Return the columns of the output."""
    if which == "all":
        return list(known)
    if missing := [name for name in COMPETITION if name not in known]:
        message = f"the model does not know {', '.join(missing)}, which the competition asks for"
        raise UserError(
            message,
            code="missing-observation",
            where="--observations competition",
            hint="take what it knows: --observations all",
        )
    return list(COMPETITION)


def write(
    output: Path,
    level: str,
    names: Sequence[str],
    rows: Iterable[tuple[str, list[float] | None]],
    flags: Mapping[str, str],
) -> None:
    """Write the table, whole or not at all.

    Args:
        output: the file.
        level: ``study`` or ``image``.
        names: of the C columns of probabilities.
        rows: name and probabilities (C) of each row; None: its cells are blank.
        flags: by the name of the row; without any there is no such column.
    """
    key = "Study" if level == "study" else "Path"
    part = output.with_name(f"{output.name}.new")
    cells = ((name, [""] * len(names) if row is None else run_files.write_digits(row)) for name, row in rows)
    own = ([escape_name(name), *row, *([flags.get(name, "")] if flags else [])] for name, row in cells)
    run_files.write_table(part, [key, *names, *([run_files.FLAGS] if flags else [])], own)
    part.replace(output)


def escape_name(name: str) -> str:
    r"""Return a name for a table: in UTF-8, with an apostrophe where a spreadsheet would take it for a formula.

    >>> escape_name("=cmd.png"), escape_name(b"\xff.png".decode(errors="surrogateescape"))
    ("'=cmd.png", '\\udcff.png')
    """
    safe = name.encode("utf-8", "backslashreplace").decode()
    return "'" + safe if safe.startswith(FORMULA) else safe
