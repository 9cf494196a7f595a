"""Boxes of external data sets as masks."""

import json

import numpy as np
import pytest
from helpers.errors import raises
from helpers.external_trees import write_nih

from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.external.boxes import make_masks, round_side
from chexpert.data.sources.external.export import export_split
from chexpert.data.sources.external.external_set import Box
from chexpert.data.sources.external.nih import LABELS
from chexpert.metrics import Segmentations


def make_box(label="Mass", sides=(1, 2, 4, 6), size=(8, 10), path="ChestX-ray14/patient00001/study1/a.png"):
    return Box(path, label, *sides, size, "boxes.csv, line 2")


def read(masks, tmp_path):
    (tmp_path / "masks.json").write_text(json.dumps(masks))
    return Segmentations.read(tmp_path / "masks.json")


def test_boxes_of_one_observation_are_joined_pixel_by_pixel(tmp_path):
    boxes = [make_box(), make_box("Nodule", (7.5, 0, 10.4, 1.2)), make_box("Cardiomegaly", (0, 0, 10, 8))]
    masks, aside = make_masks([*boxes, make_box("Infiltration")], LABELS)
    assert aside == {"Infiltration": 1}
    found = read(masks, tmp_path)
    view = "patient00001_study1_a"
    expected = np.zeros((8, 10), dtype=bool)
    expected[2:6, 1:4] = True
    expected[0:1, 7:10] = True  # centers at 7.5, 8.5 and 9.5; the box reaches 0.4 px out of the image
    assert (found.masks(view)["Lung Lesion"] == expected).all()
    assert found.masks(view)["Cardiomegaly"].all()


@pytest.mark.parametrize(
    ("low", "high", "pixels"),
    [(0, 1, (0, 1)), (0.5, 1.5, (0, 1)), (0.51, 1.51, (1, 2)), (3.2, 3.3, (3, 4)), (-0.9, 2.5, (0, 2))],
)
def test_pixels_whose_centers_lie_between_the_sides(low, high, pixels):
    assert round_side(low, high) == pixels


@pytest.mark.parametrize("sides", [(1, 2, 12, 6), (1, -3, 4, 6), (4, 2, 4, 6), (1, 2, float("nan"), 6)])
def test_box_outside_or_without_area_is_refused(sides):
    with raises("mask-size", "boxes.csv, line 2"):
        make_masks([make_box(sides=sides)], LABELS)


def test_boxes_of_images_of_two_sizes_are_refused():
    with raises("mask-size", "boxes.csv, line 2"):
        make_masks([make_box(), make_box(size=(9, 10))], LABELS)


def test_nih_boxes_lie_in_1024_pixels_and_keep_the_split(tmp_path):
    root = write_nih(tmp_path / "nih")
    layout = find_layout(root)
    split = export_split(layout, "test", "frontal", tmp_path / "out", None)
    found = Segmentations.read(tmp_path / "out" / "masks.json")
    assert sorted(found) == ["patient00002_study1_00000002_000", "patient00002_study2_00000002_001"]
    heart = found.masks("patient00002_study1_00000002_000")["Cardiomegaly"]
    assert heart.shape == (1024, 1024)
    assert heart.sum() == 512 * 256
    assert heart[512:768, 256:768].all()
    assert found.masks("patient00002_study2_00000002_001")["Lung Lesion"].sum() == 65 * 32 + 64 * 32  # from 0.4 to 64.6
    assert split.aside == {"Infiltration": 1}
    boxed = (tmp_path / "out" / "boxed.csv").read_text().splitlines()
    assert boxed[1:] == [f"ChestX-ray14/patient00002/study{n + 1}/00000002_00{n}.png" for n in (0, 1)]


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("256.0,512.0,512.0,256.0", "256.0,512.0,512.0,800.0", "mask-size", "line 2"),
        ("Cardiomegaly", "Kardiomegaly", "cell", "line 2, column Finding Label"),
        ("256.0,512.0,512.0,256.0", "a,512.0,512.0,256.0", "cell", "line 2, column Bbox [x"),
        ("Bbox [x", "Box [x", "missing-column", "line 1"),
    ],
)
def test_table_of_boxes_that_is_not_nihs(tmp_path, old, new, code, line):
    root = write_nih(tmp_path / "nih")
    table = root / "BBox_List_2017.csv"
    table.write_text(table.read_text().replace(old, new, 1))
    with raises(code, f"{table}, {line}"):
        export_split(find_layout(root), "test", "frontal", tmp_path / "out", None)
    assert not (tmp_path / "out").exists()
