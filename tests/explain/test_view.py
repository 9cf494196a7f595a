import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from chexpert.data import Preprocessing, ViewDataset
from chexpert.errors import UserError
from chexpert.explain import find_masks, find_views, open_view
from chexpert.explain.view import find_view

PATH = "CheXpert-v1.0-small/valid/patient1/study1/{}.jpg"
NAMES = ["Edema", "Lung Opacity"]


@pytest.fixture
def copy(tmp_path):
    """A copy of two views, 40 x 32, with one mask of Lung Opacity on the frontal one."""
    folder = tmp_path / "CheXpert-v1.0-small"
    folder.mkdir()
    for view in ("view1_frontal", "view2_lateral"):
        Image.fromarray(np.full((40, 32), 90, dtype=np.uint8)).save(folder / f"{view}.jpg")
    write_masks(tmp_path / "gt_segmentations_valid.json", (40, 32))
    return folder


def write_masks(path, shape):
    mask = np.zeros(shape, dtype=np.uint8, order="F")
    mask[3:9, 5:7] = 1
    item = rle.encode(mask)
    listed = {"size": list(shape), "counts": item["counts"].decode()}
    path.write_text(json.dumps({"patient1_study1_view1_frontal": {"Airspace Opacity": listed}}))


def open_dataset(folder, **options):
    views = ["view1_frontal", "view2_lateral"]
    targets, mask = np.array([[1, 0], [0, 1]], dtype="float32"), np.array([[True, False], [True, True]])
    files = [folder / f"{view}.jpg" for view in views]
    return ViewDataset([PATH.format(view) for view in views], files, targets, mask, Preprocessing(16), **options)


def test_a_view_has_its_film_its_labels_and_its_masks_in_chexpert_s_spelling(copy):
    view = find_view(open_dataset(copy), 0, NAMES, find_masks(None, copy))
    assert view.name == "patient1_study1_view1_frontal"
    assert view.image.shape == (1, 16, 16)
    assert view.original.shape == (40, 32)
    assert view.truth == {"Edema": 1}  # Lung Opacity is not labeled
    assert list(view.masks) == ["Lung Opacity"]
    assert np.argwhere(view.masks["Lung Opacity"])[[0, -1]].tolist() == [[3, 5], [8, 6]]


def test_a_lateral_view_has_no_masks(copy):
    view = find_view(open_dataset(copy), 1, NAMES, find_masks(None, copy))
    assert view.truth == {"Edema": 0, "Lung Opacity": 1}
    assert view.masks == {}


def test_masks_of_another_size_than_the_film_are_refused(copy):
    write_masks(copy.parent / "other.json", (2320, 2828))
    masks = find_masks(str(copy.parent / "other.json"), copy)
    with pytest.raises(UserError, match="the mask of Lung Opacity has 2320 x 2828 pixels, the image 40 x 32"):
        find_view(open_dataset(copy), 0, NAMES, masks)


def test_masks_are_found_beside_the_copy_unless_others_or_none_are_chosen(copy):
    assert find_masks(None, copy).where == str(copy.parent / "gt_segmentations_valid.json")
    (copy / "gt_segmentations_val.json").write_text("{}")
    assert find_masks(None, copy).where == str(copy / "gt_segmentations_val.json")
    assert find_masks(False, copy) is None
    assert find_masks(None, copy.parent / "elsewhere" / "copy") is None
    with pytest.raises(UserError, match="no masks"):
        find_masks(str(copy / "none.json"), copy)


def test_a_view_that_cannot_be_read_is_left_out_where_that_is_allowed(copy):
    (copy / "view1_frontal.jpg").write_bytes(b"no image")
    assert [view.path for view in find_views(open_dataset(copy, skip=True), [0, 1], NAMES, None)] == [
        PATH.format("view2_lateral")
    ]
    with pytest.raises(UserError):
        find_views(open_dataset(copy), [0, 1], NAMES, None)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "missing"),
        (Image.new("LAB", (64, 64)), "image mode LAB"),
        (Image.new("L", (64, 31)), "64 x 31 pixels"),
    ],
)
def test_an_image_that_is_no_film_is_told_with_what_would_be_one(tmp_path, image, message):
    file = tmp_path / "image.tif"
    if image:
        image.save(file)
    with pytest.raises(UserError, match=message) as caught:
        open_view("image", file, Preprocessing(16))
    assert str(file) in str(caught.value)
    assert "JPEG, PNG, TIFF or DICOM" in str(caught.value)
    assert "on_missing" not in str(caught.value)
