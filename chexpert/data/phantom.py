"""The phantom: a synthetic CheXpert, the project's default data. A score on it says nothing about patients.

Its files lie as CheXpert-v1.0-small and CheXlocalize lay theirs, so no other code needs to know of phantoms.
"""

import csv
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle
from rich.console import Console
from rich.progress import track

from chexpert.data.casebook import OPACITIES, Entry, plan_films
from chexpert.data.film import Film, add_grain, draw_film, draw_masks
from chexpert.data.frame import HEADER

Masks = dict[str, dict[str, object]]
"""Of one film, as CheXlocalize gives them: {observation: {"size": [height, width], "counts": COCO's RLE}}."""

VERSION = 3  # raise it when a film or a label changes, so that `find_phantom` draws anew
MASKS = "gt_segmentations_valid.json"
QUALITY = 92  # of the JPEGs, 0-100


def write_phantom(
    folder: Path, *, train: int = 1200, valid: int = 240, size: int = 256, seed: int = 0, workers: int | None = None
) -> Path:
    """Write a phantom of `train` + `valid` frontal films with a short side of `size` pixels.

    Every film and label follows from `seed` and its own address, whatever the number of workers (None: one for each
    processor). The folder appears complete or not at all.

    Returns:
        `folder`, which then holds CheXpert-v1.0-small/ and gt_segmentations_valid.json.
    """
    folder = Path(folder)
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        masks: dict[str, Masks] = {}
        for split, count in (("train", train), ("valid", valid)):
            entries = plan_films(split, count, seed)
            write_table(draft / "CheXpert-v1.0-small" / f"{split}.csv", entries)
            masks |= dict(_write_films(draft, entries, size, workers))
        listed = {key: found for key, found in masks.items() if found}
        (draft / MASKS).write_text(json.dumps(listed))
        _publish(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def find_phantom(
    parent: str | Path,
    *,
    train: int = 1200,
    valid: int = 240,
    size: int = 256,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """The phantom of these arguments in a folder of its own under `parent`, written at the first call."""
    folder = Path(parent).expanduser() / f"phantom{VERSION}-{train}-{valid}-{size}px-seed{seed}"
    if (folder / MASKS).is_file():
        return folder
    return write_phantom(folder, train=train, valid=valid, size=size, seed=seed, workers=workers)


def write_table(path: Path, entries: list[Entry]) -> None:
    """Write train.csv or valid.csv with CheXpert's 19 columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, HEADER, lineterminator="\n")
        table.writeheader()
        table.writerows(entry.row for entry in entries)


def encode_masks(film: Film, size: int) -> Masks:
    """Masks of the findings on a film, and of the observations that follow from them."""
    masks = draw_masks(film, size)
    opacities = [masks[name] for name in OPACITIES if name in masks]
    if opacities:
        masks["Airspace Opacity"] = np.any(opacities, axis=0)  # CheXlocalize's word for Lung Opacity
    if "Cardiomegaly" in masks:
        masks["Enlarged Cardiomediastinum"] = masks["Cardiomegaly"]
    return {name: _encode(mask) for name, mask in masks.items()}


def _write_films(root: Path, entries: list[Entry], size: int, workers: int | None) -> Iterator[tuple[str, Masks]]:
    write = partial(_write_film, root, size)
    workers = min(workers or os.cpu_count() or 1, -(-len(entries) // 8))  # a process pays for itself from 8 films on
    if workers <= 1:
        yield from _show(map(write, entries), entries)
        return
    # Forking is fast and asks nothing of the caller's main module; only Linux does it safely.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with context.Pool(workers, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from _show(pool.imap(write, entries, chunksize=8), entries)


def _show(written: Iterable[tuple[str, Masks]], entries: list[Entry]) -> Iterable[tuple[str, Masks]]:
    if not entries or not sys.stderr.isatty():
        return written
    title = f"drawing the phantom, {entries[0].film.split}"
    return track(written, title, total=len(entries), console=Console(stderr=True))


def _write_film(root: Path, size: int, entry: Entry) -> tuple[str, Masks]:
    path = root / entry.row["Path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    image = add_grain(entry.film, draw_film(entry.film, size))
    path.write_bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
    return entry.key, encode_masks(entry.film, size) if entry.film.split == "valid" else {}


def _encode(mask: NDArray[np.bool_]) -> dict[str, object]:
    encoded = rle.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def _publish(draft: Path, folder: Path) -> None:
    """Rename the finished draft; when another process was faster, its phantom stays."""
    try:
        draft.rename(folder)
    except OSError:
        if not (folder / MASKS).is_file():
            raise
