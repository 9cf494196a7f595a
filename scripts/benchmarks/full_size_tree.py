"""A folder with the size and the tables of CheXpert-v1.0-small, whose 223,414 images are hard links to a few."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # tests/helpers makes the tables

LINKS = 60_000
"""Of one file; ext4 allows 65,000."""
VALID = 234
FIRST_VALID_PATIENT = 64_541


def make_full_size_tree(root: Path, images: Sequence[Path]) -> Path:
    """Write both tables and link every row of them to one of the images, in turn.

    The rows of valid.csv are the first of train.csv with no uncertain or blank label, by patients of their own.

    Args:
        root: folder for CheXpert-v1.0-small; nothing is made where its valid.csv is there.
        images: JPEG files, on the same file system.

    Returns:
        ``root``.
    """
    folder = root / "CheXpert-v1.0-small"
    if (folder / "valid.csv").exists():
        return root
    from tests.helpers.real_csv import write_real_csv

    header, *rows = write_real_csv(root).read_text(encoding="utf-8").splitlines()
    if len(images) * LINKS < len(rows):
        raise SystemExit(f"{len(rows):,} links need {-(-len(rows) // LINKS)} images or more, not {len(images)}")
    valid = [_move_to_valid(row, number) for number, row in enumerate(rows[:VALID])]
    for number, row in enumerate([*rows, *valid]):
        path = root / row.partition(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # of a build that was stopped
        os.link(images[number % len(images)], path)
    (folder / "valid.csv").write_text("\n".join([header, *valid]) + "\n", encoding="utf-8")
    return root


def _move_to_valid(row: str, number: int) -> str:
    """Row of valid.csv: another patient, one study each, every label known."""
    path, sex, age, view, projection, *labels = row.split(",")
    name = path.rpartition("/")[2]
    place = f"CheXpert-v1.0-small/valid/patient{FIRST_VALID_PATIENT + number}/study1/{name}"
    known = ["1.0" if label == "1.0" else "0.0" for label in labels]
    return ",".join([place, sex, age, view, projection, *known])
