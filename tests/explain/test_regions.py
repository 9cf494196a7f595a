"""Regions of maps, in pixels of the image as it lies in its file."""

import csv

import cv2
import numpy as np
import pytest

from chexpert.data import Preprocessing
from chexpert.data.preprocessing import FITS
from chexpert.explain.attribution import Attribution
from chexpert.explain.explanation import Explanation
from chexpert.explain.export import write_explainer
from chexpert.explain.regions import HEADER, Box, choose_threshold, find_region, list_boxes
from chexpert.explain.view import View, make_view
from chexpert.metrics import Segmentations, segment_otsu
from chexpert.metrics.localization.overlap import otsu_threshold


def mark(shape, box: Box) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[box.y0 : box.y1, box.x0 : box.x1] = True
    return mask


def explain(view: View, signed: np.ndarray, observation: str = "Edema") -> Explanation:
    return Explanation(view, observation, 0.75, "made_up", Attribution(signed.astype("float32"), {}, {"layer": "x"}))


# the model's cells of 4 x 4 pixels: rows, columns of a hot rectangle, and the pixels of the image where it lies
@pytest.mark.parametrize(
    ("fit", "shape", "cells", "expected"),
    [
        ("stretch", (128, 64), np.s_[2:6, 4:12], Box(8, 8, 24, 24)),  # 4 pixels a row, 2 a column
        ("stretch", (64, 128), np.s_[2:6, 4:12], Box(16, 4, 48, 12)),
        ("pad", (128, 64), np.s_[2:6, 12:20], Box(16, 8, 48, 24)),  # 8 black columns on either side
        ("pad", (64, 128), np.s_[12:20, 2:6], Box(8, 16, 24, 48)),
        ("pad", (128, 64), np.s_[2:6, 4:12], Box(0, 8, 16, 24)),  # half on the black: the image's part
        ("crop", (128, 64), np.s_[2:6, 4:12], Box(8, 36, 24, 44)),  # 32 rows above are not seen
        ("crop", (64, 128), np.s_[2:6, 4:12], Box(40, 4, 56, 12)),
        ("crop", (64, 128), np.s_[0:32, 0:32], None),
    ],
)
def test_box_of_a_rectangle_is_exact_on_images_of_any_proportions(fit, shape, cells, expected):
    view = make_view("a.png", np.full(shape, 128, dtype=np.uint8), Preprocessing(32, fit))
    signed = np.zeros((32, 32))
    signed[cells] = 1
    region = explain(view, signed).segment(0.5)
    if expected is None:  # all that is seen is equally hot: the middle of the image
        expected = Box(32, 0, 96, 64)
    assert region.boxes == (expected,)
    assert not (region.mask & ~mark(shape, expected)).any()
    assert region.mask.sum() / mark(shape, expected).sum() > 0.9  # bilinear: the corners of a cell are below .5
    assert region.areas == (region.mask.mean(),)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", [(97, 141), (203, 88)])
def test_box_goes_there_and_back_in_every_fit(fit, shape):
    """A finding of an image that no factor divides is found again to the width of a pixel of the model."""
    preprocessing = Preprocessing((48, 40), fit)
    height, width = shape
    box = Box(int(width * 0.4), int(height * 0.45), int(width * 0.6), int(height * 0.55))
    original = mark(shape, box).astype(np.uint8) * 255
    view = make_view("a.png", original, preprocessing)
    found = explain(view, view.image[0].numpy()).segment(0.5).box
    pixel = 1 / min(view.matrix[0, 0], view.matrix[1, 1])
    assert np.abs(np.subtract(found, box)).max() <= pixel


def test_largest_region_comes_first_and_specks_are_left_out():
    mask = mark((100, 100), Box(2, 3, 6, 8)) | mark((100, 100), Box(50, 40, 80, 60))
    mask[90, 90] = True  # .0001 of the image
    mask[95:97, 20:25] = True  # .001
    boxes, areas = list_boxes(mask)
    assert boxes == (Box(50, 40, 80, 60), Box(2, 3, 6, 8), Box(20, 95, 25, 97))
    assert areas == (0.06, 0.002, 0.001)


def test_largest_region_counts_however_small():
    assert list_boxes(mark((100, 100), Box(7, 9, 8, 10)))[0] == (Box(7, 9, 8, 10),)
    assert list_boxes(np.zeros((4, 4), dtype=bool)) == ((), ())


def test_otsu_is_that_of_the_quality_table():
    rng = np.random.default_rng(0)
    map = cv2.GaussianBlur(rng.random((60, 80), dtype="float32"), (0, 0), 6)
    map -= map.min()
    region = find_region(map)
    assert (region.mask == segment_otsu(map)).all()
    assert region.threshold == otsu_threshold(map)
    above = map / map.max() >= region.threshold
    assert (above <= region.mask).mean() > 0.999  # the mask has holes filled and single pixels dropped


def test_peak_of_a_flat_map_is_its_middle_pixel():
    region = find_region(mark((40, 60), Box(10, 20, 21, 31)).astype("float32"), 0.5)
    assert region.peak == (15, 25)


def test_map_without_evidence_has_no_region():
    region = find_region(np.zeros((8, 8), dtype="float32"))
    assert (region.box, region.boxes, region.peak, region.threshold) == (None, (), None, None)
    assert not region.mask.any()


def test_observation_without_a_tuned_threshold_has_otsu():
    assert [choose_threshold({"Edema": 0.3}, name) for name in ("Edema", "Fracture")] == [0.3, "otsu"]
    assert choose_threshold(0.4, "Edema") == 0.4


@pytest.fixture
def view() -> View:
    original = np.random.default_rng(0).integers(0, 255, (128, 64), dtype=np.uint8)
    return make_view("ward/image.png", original, Preprocessing(32, "stretch"))


def read_rows(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_regions_and_masks_are_written(view, tmp_path):
    signed = np.zeros((32, 32))
    signed[2:6, 4:12], signed[20:24, 20:24] = 2, 1
    explanations = [explain(view, signed), explain(view, -signed, "Fracture")]
    write_explainer(tmp_path, "made_up", [explanations], {"Edema": 0.25})
    first, second, silent = read_rows(tmp_path / "made_up/regions.csv")
    assert tuple(first) == HEADER
    assert first == {
        "image": "ward/image.png", "observation": "Edema", "probability": "0.75", "threshold": "0.25", "region": "1",
        "x0": "8", "y0": "7", "x1": "24", "y1": "25", "area": first["area"], "peak_x": "15", "peak_y": "15",
        "width": "64", "height": "128",
    }  # fmt: skip
    assert (second["region"], second["x0"], second["x1"]) == ("2", "40", "48")
    assert (silent["observation"], silent["region"], silent["x0"], silent["peak_x"]) == ("Fracture", "", "", "")
    mask = cv2.imread(str(tmp_path / "made_up/ward_image/Edema_mask.png"), cv2.IMREAD_UNCHANGED)
    assert (mask.shape, mask.dtype, *np.unique(mask)) == ((128, 64), np.uint8, 0, 255)
    stored = Segmentations.read(tmp_path / "made_up/segmentations.json").masks("ward_image")
    assert (stored["Edema"] == (mask > 0)).all()
    assert not stored["Fracture"].any()
    assert float(first["area"]) + float(second["area"]) == pytest.approx((mask > 0).mean(), abs=1e-5)


def test_box_is_plotted_where_it_lies(view, tmp_path):
    from chexpert.explain.plots.canvas import Canvas

    large = make_view("b", np.zeros((2048, 1024), dtype=np.uint8), Preprocessing(32, "stretch"))
    assert Canvas.of(large).reduce(Box(0, 0, 1024, 2048)) == (-0.5, -0.5, 255.5, 511.5)
    assert Canvas.of(large).reduce(Box(512, 1024, 516, 1028)) == (127.5, 255.5, 128.5, 256.5)
    signed = np.zeros((32, 32))
    signed[2:6, 4:12] = 2
    write_explainer(tmp_path / "plain", "made_up", [[explain(view, signed)]])
    write_explainer(tmp_path / "boxed", "made_up", [[explain(view, signed)]], boxed=True)
    plain, boxed = (
        cv2.imread(str(tmp_path / name / "made_up/ward_image/Edema.png")).astype(int) for name in ("plain", "boxed")
    )
    green = (boxed[..., 1] > 200) & (boxed[..., 0] < 90) & (boxed[..., 2] < 120)
    assert green.sum() > 100
    assert ((plain[..., 1] > 200) & (plain[..., 0] < 90) & (plain[..., 2] < 120)).sum() == 0
