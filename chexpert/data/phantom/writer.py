"""Writing a phantom to disk. Its files lie as a real copy's do, so no other code needs to know of phantoms."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from chexpert.data.parallel import map_files
from chexpert.data.phantom.defects import choose_files, damage_files, plant_rows
from chexpert.data.phantom.draft import lies_there, open_draft
from chexpert.data.phantom.images.radiograph import Painting
from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.data.phantom.masks import Masks, encode_masks
from chexpert.data.phantom.options import Options
from chexpert.data.phantom.tables.chexpert_plus import write_plus
from chexpert.data.phantom.tables.cohort import Entry, plan_split
from chexpert.data.phantom.tables.label_tables import write_tables, write_truth
from chexpert.data.sources.frame import SPLITS
from chexpert.errors import UserError

CHUNK = 8  # radiographs that a process paints at a time; it pays for itself from that many on
QUALITY = 92  # of the JPEGs, 0-100


Tree = dict[str, list[Entry]]
Job = tuple[tuple[str, str], Entry]  # (tree, place of the view), what to paint there


def write_phantom(folder: Path, *, workers: int | None = None, **options: Any) -> Path:
    """Write a phantom; every radiograph and label depends on nothing but the seed and its own address.

    The folder appears complete or not at all.

    Args:
        folder: a new or empty one; or this very phantom, which then stays as it is.
        workers: number of processes, which changes no byte; None for one for each processor.
        **options: fields of `Options`.

    Returns:
        `folder`, which then holds the files of the layout; gt_segmentations_valid.json (and _test.json); phantom/ with
        truth.csv, options.json and defects.json; independent/, reversed/ and counterfactual/ if the options have them.

    Raises:
        UserError: an option is not possible, or the folder holds other files; nothing is painted then.
    """
    folder, wanted = Path(folder), Options(**options)
    if lies_there(folder, wanted.record()):
        return folder
    trees = plan_trees(wanted)
    trees[""], planted = plant_rows(trees[""], wanted.layout, wanted.defects)
    damaged = choose_files(trees[""], wanted.layout, wanted.defects)
    with open_draft(folder, wanted.record()) as draft:
        _write_trees(draft, trees, wanted)
        _write_images(draft, trees, wanted, workers)
        damage_files(draft, damaged)
        write_truth(draft / "phantom/truth.csv", [entry for entries in trees[""].values() for entry in entries])
        if planted + damaged:
            defects = [asdict(defect) for defect in planted + damaged]
            (draft / "phantom/defects.json").write_text(json.dumps(defects, indent=1), encoding="utf-8")
    return folder


def plan_trees(options: Options) -> dict[str, Tree]:
    """Return the datasets of a phantom, by their folder under its root; its own is the empty name."""
    layout = LAYOUTS[options.layout]

    def plan(names: Iterable[str], shortcut: float | None = None) -> Tree:
        tree = {name: plan_split(name, options, shortcut) for name in names if name in layout.tables}
        return {name: entries for name, entries in tree.items() if entries}

    trees = {"": plan(SPLITS)}
    if options.shortcut is not None:
        trees["independent"] = plan(SPLITS[1:], 0.5)
        trees["reversed"] = plan(SPLITS[1:], 1 - options.shortcut)
    for name in options.counterfactuals:
        shown = [entry for entry in trees[""].get("valid", []) if entry.labels[name] == "1.0"]
        if not shown:
            raise UserError(
                f"no valid radiograph shows {name}", code="too-few", where="counterfactuals", hint="more valid patients"
            )
        trees[f"counterfactual/{name}"] = {"valid": [entry.without(name) for entry in shown]}
    return trees


def _write_trees(root: Path, trees: Mapping[str, Tree], options: Options) -> None:
    for name, tree in trees.items():
        if options.layout == "plus":
            write_plus(root / name, tree)
        else:
            write_tables(root / name, LAYOUTS[options.layout], tree, labelers=options.labelers)


def _write_images(root: Path, trees: Mapping[str, Tree], options: Options, workers: int | None) -> None:
    """Write the images of all trees, and the masks of their valid and test splits."""
    jobs = {(name, e.place): e for name, tree in trees.items() for listed in tree.values() for e in listed}
    write = partial(_write_image, root, options.layout, options.size)
    found: dict[Path, dict[str, Masks]] = {
        root / name / f"gt_segmentations_{split}.json": {}
        for name, tree in trees.items()
        for split in tree
        if split != "train"
    }
    painted = map_files(write, list(jobs.items()), "painting the phantom", workers, chunk=CHUNK)
    for ((name, _), entry), masks in zip(jobs.items(), painted, strict=True):
        if masks:
            found[root / name / f"gt_segmentations_{entry.split}.json"][entry.key] = masks
    for path, listed in found.items():
        path.write_text(json.dumps(listed), encoding="utf-8")


def _write_image(root: Path, layout: str, size: int, job: Job) -> Masks:
    (tree, place), entry = job
    path = root / tree / LAYOUTS[layout].file(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    painting = Painting(entry.radiograph, size)
    encoded = cv2.imencode(".jpg", painting.develop(), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    if path.suffix == ".png":  # the same pixels in every layout
        encoded = cv2.imencode(".png", np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)))[1]
    path.write_bytes(encoded.tobytes())
    return {} if entry.split == "train" or entry.radiograph.lateral else encode_masks(painting)
