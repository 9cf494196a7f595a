import json
import re

import numpy as np
import pytest
from helpers.errors import raises
from PIL import Image
from pycocotools import mask as rle

from chexpert.data import Preprocessing, ViewDataset
from chexpert.errors import UserError
from chexpert.explain import find_masks, find_views, open_view
from chexpert.explain.masks import check_masks
from chexpert.explain.view import find_view

PATH = "CheXpert-v1.0-small/valid/patient1/study1/{}.jpg"
NAMES = ["Edema", "Lung Opacity"]


@pytest.fixture
def folder(tmp_path):
    """A dataset folder of two views, 40 x 32, with one mask of Lung Opacity on the frontal one."""
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


def test_view_has_image_labels_and_masks_in_the_names_of_chexpert(folder):
    view = find_view(open_dataset(folder), 0, NAMES, find_masks(None, folder))
    assert view.name == "patient1_study1_view1_frontal"
    assert view.image.shape == (1, 16, 16)
    assert view.original.shape == (40, 32)
    assert view.truth == {"Edema": 1}  # Lung Opacity is not labeled
    assert list(view.masks) == ["Lung Opacity"]
    assert np.argwhere(view.masks["Lung Opacity"])[[0, -1]].tolist() == [[3, 5], [8, 6]]


def test_lateral_view_has_no_masks(folder):
    view = find_view(open_dataset(folder), 1, NAMES, find_masks(None, folder))
    assert view.truth == {"Edema": 0, "Lung Opacity": 1}
    assert view.masks == {}


def test_masks_of_another_size_are_an_error(folder):
    write_masks(folder.parent / "other.json", (2320, 2828))
    masks = find_masks(str(folder.parent / "other.json"), folder)
    with pytest.raises(UserError) as error:
        find_view(open_dataset(folder), 0, NAMES, masks)
    assert error.value.where == PATH.format("view1_frontal")
    assert re.search("40 x 32.*2320 x 2828", error.value.message)


def test_masks_of_another_resolution_keep_it(folder, capsys):
    write_masks(folder.parent / "large.json", (160, 128))
    masks, dataset = find_masks(str(folder.parent / "large.json"), folder), open_dataset(folder)
    view = find_view(dataset, 0, NAMES, masks)
    assert view.masks["Lung Opacity"].shape == (160, 128)
    assert view.carry_back(np.ones((16, 16)), (160, 128)).shape == (160, 128)
    check_masks(dataset, [0, 1, 0], masks)
    (note,) = capsys.readouterr().err.splitlines()
    assert "1 of 160 x 128 pixels on images of 40 x 32" in note


def test_masks_of_other_proportions_are_an_error_before_images_are_read(folder):
    write_masks(folder.parent / "other.json", (128, 160))
    masks = find_masks(str(folder.parent / "other.json"), folder)
    with raises("mask-size", masks.where) as error:
        check_masks(open_dataset(folder), [1, 0], masks)
    assert "explain.masks=false" in error.value.hint


def test_masks_are_found_beside_the_folder_unless_chosen(folder):
    assert find_masks(None, folder).where == str(folder.parent / "gt_segmentations_valid.json")
    (folder / "gt_segmentations_val.json").write_text("{}")
    assert find_masks(None, folder).where == str(folder / "gt_segmentations_val.json")
    assert find_masks(False, folder) is None
    assert find_masks(None, folder.parent / "elsewhere" / "folder") is None
    with pytest.raises(UserError) as error:
        find_masks(str(folder / "none.json"), folder)
    assert error.value.where == str(folder / "none.json")


def test_unreadable_view_is_left_out_where_that_is_allowed(folder):
    (folder / "view1_frontal.jpg").write_bytes(b"no image")
    assert [view.path for view in find_views(open_dataset(folder, skip=True), [0, 1], NAMES, None)] == [
        PATH.format("view2_lateral")
    ]
    with pytest.raises(UserError) as error:
        find_views(open_dataset(folder), [0, 1], NAMES, None)
    assert error.value.where == str(folder / "view1_frontal.jpg")


@pytest.mark.parametrize(
    ("image", "fact"), [(None, ""), (Image.new("LAB", (64, 64)), "LAB"), (Image.new("L", (64, 31)), "64 x 31")]
)
def test_image_that_cannot_be_explained_is_an_error(tmp_path, image, fact):
    file = tmp_path / "image.tif"
    if image:
        image.save(file)
    with pytest.raises(UserError) as error:
        open_view("image", file, Preprocessing(16))
    assert error.value.where == str(file)
    assert fact in error.value.message
    assert "DICOM" in error.value.hint
    assert "on_missing" not in error.value.hint  # a setting of training
