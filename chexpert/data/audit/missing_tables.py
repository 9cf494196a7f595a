"""Tables that are not there or were cut, by what the image folders hold and no table lists."""

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from chexpert.data.audit.defect import Defect, warn
from chexpert.data.sources.frame import SPLITS
from chexpert.data.sources.layout import TABLES, Layout

LIST = "restore the table that lists it; if none should, move it out of the copy's folders"
PATIENT = re.compile(r"(?:(.*)/)?(patient[0-9]{5})[/_].*")


def list_folders(layout: Layout, split: str) -> list[Path]:
    """Return the folders below which only images of this split lie; of a flat layout none."""
    above, _, below = layout.places[split].partition("{patient}")
    if not below.startswith("/"):
        return []
    names = [name for number, name in layout.batches.items() if (number > 1) == (split == "train")]
    return [layout.folder / above.format(split=split, batch=name) for name in names or [""]]


def find_lost_tables(layout: Layout) -> Iterator[Defect]:
    """Yield splits without a table: an error beside their images, else a warning where a training needs one."""
    for split in SPLITS:
        if split in layout.tables:
            continue
        held = [folder for folder in list_folders(layout, split) if next(folder.glob("patient*"), None)]
        if held:
            hint = f"restore the table ({' or '.join(TABLES[split])}), or move the images out of the copy"
            yield Defect("no_table", split, f"images in {held[0]}, and no table that lists them", hint)
        elif split != "test":
            yield warn("no_table", split, f"no {split} table", "if the whole CheXpert is meant, restore the table")


def find_unlisted(
    layout: Layout, files: Iterable[str], patients: Collection[str], listed: Collection[str]
) -> Iterator[Defect]:
    """Yield files that no table lists; and, by folder, those of patients without any row: their table was cut.

    A second file of a listed view, with another ending, is reported as such.

    Where a table lost only some rows of a patient, the files look like stray ones. Only its counts show the loss.
    """
    strangers, stems = defaultdict(list), {str(Path(path).with_suffix("")): path for path in listed}
    lost = {str(folder) for split in set(SPLITS) - set(layout.tables) for folder in list_folders(layout, split)}
    for file in files:
        name = os.path.relpath(file, layout.folder)
        if stem := stems.get(str(Path(file).with_suffix(""))):
            message = f"another file of a listed view: {Path(stem).name} is what is read"
            yield warn("not_listed", name, message, "none needed: this one is never read")
            continue
        yield warn("not_listed", name, "no table lists this image", LIST)
        match = PATIENT.fullmatch(name.replace(os.sep, "/"))
        if match and match[2] not in patients and str(layout.folder / (match[1] or "")) not in lost:
            strangers[match[1] or "."].append(match[2])
    for folder, found in strangers.items():
        message = f"{len(found):,} images of {len(set(found)):,} patients who have no row in any table: it was cut"
        hint = "restore the table; if a part is meant, move the other images out of the copy"
        yield Defect("cut_table", folder, message, hint)
