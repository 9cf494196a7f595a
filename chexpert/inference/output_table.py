"""The table of predictions that a command writes."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from chexpert.errors import UserError
from chexpert.inference.inputs import InputImage
from chexpert.observations import COMPETITION
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import find_public, name_safely, shorten_names

Row = tuple[str, list[float] | None]
"""Name and probabilities (C); None where no image of the row may be scored."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def hash_own_names(images: Sequence[InputImage], inputs: Sequence[Path], salt: str | None) -> dict[str, str]:
    """Return hashes of images that no data set named, the same whatever folder was typed; none where names stay."""
    own = [image.name for image in images if image.study == image.name and not find_public(image.name)]
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
    rows: Iterable[Row],
    texts: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> None:
    """Write the table, whole or not at all.

    Args:
        output: the file.
        level: ``study`` or ``image``.
        names: of the C columns of probabilities.
        rows: name and probabilities (C) of each row; None: its cells are blank.
        texts: further columns by header, a text for each row.
    """
    safe = ((escape_name(name), row) for name, row in rows)
    part = output.with_name(f"{output.name}.new")
    run_files.write_predictions(part, names, safe, key="Study" if level == "study" else "Path", texts=texts)
    part.replace(output)


def escape_name(name: str) -> str:
    r"""Return a name for a table: in UTF-8, with an apostrophe where a spreadsheet would take it for a formula.

    >>> escape_name("=cmd.png"), escape_name(b"\xff.png".decode(errors="surrogateescape"))
    ("'=cmd.png", '\\udcff.png')
    """
    safe = name.encode("utf-8", "backslashreplace").decode()
    return "'" + safe if safe.startswith(FORMULA) else safe
