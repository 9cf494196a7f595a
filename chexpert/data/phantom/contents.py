"""What a phantom's folder holds and how it is used, in lines to print."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.data.phantom.options import Options
from chexpert.data.phantom.writer import Tree, plan_trees

GROUPS = {"full": "full", "aimi": "full", "plus": "chexpert", "chexlocalize": "chexpert"}
"""The option of ``data`` by layout; ``small`` for the others."""
PLAIN = re.compile(r"[\w./-]+")
"""A path that neither a shell nor Hydra takes apart."""


def describe_contents(root: Path, options: Options) -> Iterator[str]:
    """Yield lines: tables with their counts, masks, truth, and the command that uses them."""
    trees = plan_trees(options)
    yield f"written: {root}, synthetic chest X-rays in the layout {options.layout}"
    for name, tree in trees.items():
        yield from _list_files(root / name, tree, options.layout)
    yield f"  {root / 'phantom/truth.csv'}: the findings that each image shows"
    if options.defects:
        yield f"  {root / 'phantom/defects.json'}: the defects that were planted"
    yield f"use it:  {make_command(root, trees[''], options)}"


def make_command(root: Path, tree: Tree, options: Options) -> str:
    """Return the command line for which this phantom is enough."""
    place, group = str(root), GROUPS.get(options.layout, "small")
    if not options.defects and "valid" in tree:
        data = f"data.root={place}" if PLAIN.fullmatch(place) else shlex.quote(f'data.root="{place}"')
        start = "" if "train" in tree else " start_from=RUN trainer.max_epochs=0"
        return f"chexpert train data={group} {data}{start}"
    return f"chexpert audit {shlex.quote(place)}"


def _list_files(folder: Path, tree: Tree, layout: str) -> Iterator[str]:
    for split, entries in tree.items():
        patients = len({entry.radiograph.patient for entry in entries})
        yield f"  {folder / LAYOUTS[layout].tables[split]}: {split}, {len(entries):,} images of {patients:,} patients"
    for split in [name for name in tree if name != "train"]:
        yield f"  {folder / f'gt_segmentations_{split}.json'}: masks of {split}"
