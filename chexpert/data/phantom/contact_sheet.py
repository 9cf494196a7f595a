"""A picture of many radiographs at once, their findings outlined and named: what a phantom looks like at a glance."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from chexpert.data.phantom.images.findings import PAINTED
from chexpert.data.phantom.images.radiograph import Painting
from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.data.phantom.options import Options
from chexpert.data.phantom.tables.cohort import Entry, plan_split

COLUMNS = 6
SHORT = {"Enlarged Cardiomediastinum": "Enl. Cardiomed."}
COLORS = (
    (0, 158, 230), (233, 180, 86), (115, 158, 0), (66, 228, 240), (178, 114, 0), (0, 94, 213), (167, 121, 204),
    (255, 255, 0), (120, 255, 120), (200, 120, 255), (255, 255, 255),
)  # fmt: skip
"""Of `PAINTED` in its order, blue green red; after Okabe and Ito, for color-blind readers too."""


def write_sheet(path: Path, options: Options, *, count: int = 24, side: int = 300) -> None:
    """Write a PNG of the radiographs that `select_images` names, each `side` pixels with its caption."""
    tiles = [_plot_tile(entry, options.size, side) for entry in select_images(options, count)]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[start : start + COLUMNS]) for start in range(0, len(tiles), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.vstack(rows))[1].tobytes())


def select_images(options: Options, count: int) -> list[Entry]:
    """Return the first radiographs of valid, then test, then train, as far as a phantom has them.

    Among them are a lateral and a frontal view of each painted finding, however late they come: of the first split that
    shows it, the radiograph with the fewest other findings.
    """
    splits = [name for name in ("valid", "test", "train") if name in LAYOUTS[options.layout].tables]
    radiographs = [(order, entry) for order, name in enumerate(splits) for entry in plan_split(name, options)]
    kinds = [_kinds(entry) for _, entry in radiographs]
    clearest = sorted(range(len(radiographs)), key=lambda number: (radiographs[number][0], len(kinds[number])))
    sought = {kind: number for number in reversed(clearest) for kind in kinds[number]}
    needed = sorted(set(sought.values()))[:count]
    others = [number for number in range(len(radiographs)) if number not in needed][: count - len(needed)]
    return [radiographs[number][1] for number in sorted(needed + others)]


def _kinds(entry: Entry) -> list[str]:
    """What a sheet should show of each radiograph: that it is a lateral, or its findings."""
    return (
        ["lateral"] if entry.radiograph.lateral else [name for name in PAINTED if entry.radiograph.severity[name] > 0]
    )


def _plot_tile(entry: Entry, size: int, side: int) -> NDArray[np.uint8]:
    painting = Painting(entry.radiograph, size)
    image = cv2.cvtColor(painting.develop(), cv2.COLOR_GRAY2BGR)
    scale = side / max(image.shape[:2])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    shown = [name for name in PAINTED if entry.radiograph.severity[name] > 0]
    for name, mask in {} if entry.radiograph.lateral else painting.masks().items():
        large = cv2.resize(mask.astype(np.uint8), image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(image, outlines, -1, COLORS[PAINTED.index(name)], 1, cv2.LINE_AA)
    tile = np.zeros((side + 15 * 4, side, 3), np.uint8)
    tile[: image.shape[0], : image.shape[1]] = image[:side, :side]
    for number, name in enumerate(shown[:8] or ["no finding"]):
        at = 4 + side // 2 * (number % 2), side + 13 + 14 * (number // 2)
        color = COLORS[PAINTED.index(name)] if name in PAINTED else (160, 160, 160)
        cv2.putText(tile, SHORT.get(name, name), at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, color, 1, cv2.LINE_AA)
    return tile
