"""In which form CheXpert, or which external data set, lies under a root."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from chexpert.data.sources import chexpert_plus as plus
from chexpert.data.sources.external import SETS, detect_external
from chexpert.data.sources.frame import SPLITS
from chexpert.data.sources.image_files import ENDINGS
from chexpert.data.sources.layout import FLAT, LABELERS, NESTED, TABLES, Layout
from chexpert.errors import UserError

VARIANTS = ("auto", "small", "full", "plus", "chexpert_512", *SETS)
NAMED: dict[str, str | None] = {
    "CheXpert-v1.0-small": "small",
    "chexpert/v1.0-small": "small",  # as ooodmt/MLMIP renames them
    "CheXpert-v1.0": "full",
    "chexpert/v1.0": "full",
    "CheXpert-v1.0-512": "chexpert_512",  # huggingface.co/datasets/StanfordAIMI/CheXpert-v1.0-512
    "CheXpert": None,  # of the valid and test sets, as they come with CheXlocalize
}
"""Folders under the root, and the variant that each holds; None where only its tables show it."""

DISGUISED = re.compile(r"(train|valid|val|test)\w*(?:\.csv\.(?:gz|zip|bz2|xz|zst)|\.(?:xlsx?|ods|tsv|parquet|feather))")
"""Names of tables that are no CSV files yet."""
DEPTH = 2
"""How many folders below the root a copy of another name may lie."""

SMALL = re.compile("chexpert.*small", re.IGNORECASE)
BARE = "copy without CheXpert's folder name"
BATCHES = re.compile(r"CheXpert-v1\.0 batch ([1-4]) \(.*\)")

CONTAINS = "the folder that contains CheXpert-v1.0-small, CheXpert-v1.0 or AIMI's batch folders"


def find_layout(root: str | Path, variant: str = "auto", where: str = "data.root") -> Layout:
    """Detect in which form CheXpert lies under a root.

    Args:
        root: the folder that contains CheXpert-v1.0[-small], or that one itself.
        variant: ``small``, ``full`` or ``plus`` where both lie there, an external data set, or ``auto``.
        where: the key that gave the root, for messages; "" where a command names it.

    Raises:
        UserError: none of the forms that are known, none of the wanted variant, or more than one.
    """
    root = Path(root).expanduser().absolute()  # not resolved: a link's own name may show the variant
    if not root.is_dir():
        hint = f"give {CONTAINS}" + f": {where}=..., or set CHEXPERT_ROOT" * (where == "data.root")
        raise UserError("the data root is not a folder", code="missing-folder", where=f"{where}={root}", hint=hint)
    found = [layout for detect in DETECTORS for layout in detect(root)]
    wanted = [layout for layout in found if variant in ("auto", layout.variant)]
    if not wanted:
        others = [layout for layout in _detect_below(root) if layout.folder not in [known.folder for known in found]]
        found += others
        wanted = [layout for layout in others if variant in ("auto", layout.variant)]
    wanted = [
        layout for layout in wanted if "train" in layout.tables
    ] or wanted  # the others only hold what is evaluated
    wanted = list({layout.folder.resolve(): layout for layout in reversed(wanted)}.values())[::-1]  # one by two names
    if len(wanted) == 1:
        return wanted[0]
    place = f"{where}={root}" if where else ""
    variants = "data=small, data=full" if where.startswith("data.") else "--variant small, --variant full"
    names = "; ".join(f"{layout.name} ({layout.variant}) in {layout.folder}" for layout in wanted or found)
    if wanted:
        hint = f"give its own folder: {where}=..." if where.startswith("data.") else "give its own folder"
        hint += f", or choose one: {variants}" * (len({layout.variant for layout in wanted}) > 1)
        raise UserError(
            f"several copies of CheXpert: {names}", code="ambiguous-dataset", where=place or str(root), hint=hint
        )
    if variant in SETS:
        raise _miss_external(variant, place)
    kind = "" if variant == "auto" else f"{variant} "
    listed = f"; found: {names}" if found else ""
    hint = f"give {CONTAINS}" + f": {where}=..." * bool(where)
    hint += f", or choose another variant ({variants})" * (variant != "auto")
    if disguised := _find_disguised(root):
        hint = f"{disguised} is no CSV file: unpack or save it as {disguised.name.partition('.')[0]}.csv"
    raise UserError(f"there is no {kind}CheXpert in {root}{listed}", code="missing-dataset", where=place, hint=hint)


def _miss_external(variant: str, place: str) -> UserError:
    """The error of an external data set that is not there."""
    message, hint = f"there is no {SETS[variant].name}", f"give the folder that holds {SETS[variant].expected}"
    return UserError(message, code="missing-dataset", where=place, hint=hint)


def _detect_named(root: Path) -> Iterator[Layout]:
    """CheXpert-v1.0[-small] and its other spellings under the root."""
    for name, variant in NAMED.items():
        yield from _open_folder(root / name, name, variant)


def _detect_root(root: Path) -> Iterator[Layout]:
    """The root itself: a folder with one of the known names, or a bare or flat copy with any name."""
    for spelled in (root, root.resolve()):
        for name, variant in NAMED.items():
            if spelled.as_posix().endswith(f"/{name}"):
                yield from _open_folder(root, name, variant)
                return
    yield from _open_folder(root, BARE, None)


def _detect_below(root: Path, depth: int = DEPTH) -> Iterator[Layout]:
    """Copies in folders of any name (archive, CheXpert-v1.0-small-224) with a table in CheXpert's columns."""
    if any((root / split).is_dir() for split in SPLITS):  # images: their folders are not looked through
        return
    for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
        tables = _find_tables(folder)
        if tables and all(map(_has_columns, tables.values())):
            yield from _open_folder(folder, BARE, None)
        elif depth > 1:
            yield from _detect_below(folder, depth - 1)


def _has_columns(table: Path) -> bool:
    """Whether a file begins with the header of a table of CheXpert."""
    with table.open("rb") as file:
        header = file.readline(10_000).replace(b"\0", b"").lower()  # a NUL is half of each letter in UTF-16
    return (b"path" in header or b"study" in header) and b"edema" in header


def _find_disguised(root: Path) -> Path | None:
    folders = [folder for folder in (root, *(root / name for name in NAMED)) if folder.is_dir()]
    return next(
        (path for folder in folders for path in sorted(folder.iterdir()) if DISGUISED.fullmatch(path.name)), None
    )


def _detect_batches(root: Path) -> Iterator[Layout]:
    """AIMI's four folders: patients by id range, no train/ level, the tables in the first folder or beside them."""
    batches = _find_batches(root)
    folders = [root / batches[1], root] if 1 in batches else [root]
    tables = {split: path for folder in reversed(folders) for split, path in _find_tables(folder).items()}
    if not batches or not tables:
        return
    labelers = {name: path for folder in folders for name, path in _find_labelers(folder).items()}
    places = dict.fromkeys(SPLITS, "{batch}/" + NESTED)
    if not any((root / name / "train").is_dir() for name in batches.values()):
        places["train"] = "{batch}/{patient}/{study}/{view}.jpg"
    yield Layout("CheXpert-v1.0 in AIMI's batches", "full", root, tables, places, labelers, batches)


def _detect_plus(root: Path) -> Iterator[Layout]:
    """CheXpert Plus: one table for both splits, labels as JSON, PNG images."""
    if table := plus.find_table(root):
        folder = next((root / name for name in ("PNG/PNG", "PNG") if (root / name).is_dir()), root / "PNG")
        places = dict.fromkeys(SPLITS, NESTED.replace(".jpg", ".png"))
        splits = dict.fromkeys(("train", "valid"), table)
        yield Layout("CheXpert Plus", "plus", folder, splits, places, plus.find_labelers(root))


DETECTORS: tuple[Callable[[Path], Iterator[Layout]], ...] = (
    _detect_named,
    _detect_batches,
    _detect_plus,
    detect_external,
    _detect_root,
)


def _open_folder(folder: Path, name: str, variant: str | None) -> Iterator[Layout]:
    """A folder with tables and nested or flat images; where no name shows the variant, the tables' paths do."""
    tables = _find_tables(folder)
    if not tables or _find_batches(folder):
        return
    nested = next(folder.glob("*/patient*/study*/view*.*"), None)  # a stray file makes no flat copy of a nested one
    flat = None if nested else _find_flat(folder)
    inner = "images/" if any((folder / "images" / split).is_dir() for split in SPLITS) else ""
    places = dict.fromkeys(SPLITS, flat or inner + NESTED)
    if not (folder / "valid").is_dir() and (folder / "val").is_dir():
        places["valid"] = NESTED.replace("{split}", "val")
    variant = variant or ("small" if _is_small(tables) or SMALL.match(folder.name) else "full")
    kind = f"flat {name}" if flat else name
    yield Layout(kind, variant, folder, tables, places, _find_labelers(folder))


def _find_batches(folder: Path) -> dict[int, str]:
    if not folder.is_dir():
        return {}
    found = [match for entry in folder.iterdir() if (match := BATCHES.fullmatch(entry.name)) and entry.is_dir()]
    return {int(match[1]): match[0] for match in found}


def _find_tables(folder: Path) -> dict[str, Path]:
    found = {split: _find_file(folder, names) for split, names in TABLES.items()}
    return {split: path for split, path in found.items() if path}


def _find_file(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these files that is there, else one of such a name in other letters (Train.csv)."""
    if exact := next((folder / name for name in names if (folder / name).is_file()), None):
        return exact
    tables = sorted(folder.glob("*.[cC][sS][vV]")) if folder.is_dir() else []
    return next((path for path in tables if path.name.lower() in names and path.is_file()), None)


def _find_labelers(folder: Path) -> dict[str, Path]:
    return {name: folder / file for name, file in LABELERS.items() if (folder / file).is_file()}


def _find_flat(folder: Path) -> str | None:
    """The template of a flat copy, all images of which lie in one folder."""
    for prefix in ("images", "."):
        if (folder / prefix).is_dir() and _holds_images(folder / prefix):
            return FLAT if prefix == "." else f"{prefix}/{FLAT}"
    return None


def _holds_images(folder: Path) -> bool:
    return any(path.suffix.lower() in ENDINGS for path in folder.glob("patient*_study*_view*.*"))


def _is_small(tables: Mapping[str, Path]) -> bool:
    """Whether the first path of the first table says so."""
    with next(iter(tables.values())).open(encoding="utf-8", errors="replace") as file:
        return any("v1.0-small/" in line for line in [file.readline(), file.readline()])
