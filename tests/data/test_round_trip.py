"""One phantom in every layout of CheXpert: the same views, labels and images."""

import numpy as np
import pytest

from chexpert.data import read_gray, write_phantom
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.image_files import find_present
from chexpert.data.summary import fingerprint
from chexpert.observations import OBSERVATIONS

OPTIONS = {"patients": 6, "valid": 4, "size": 48, "labelers": True, "workers": 1}
NAMES = {
    "small": ("CheXpert-v1.0-small", "small"),
    "full": ("CheXpert-v1.0", "full"),
    "mlmip": ("chexpert/v1.0-small", "small"),
    "aimi": ("CheXpert-v1.0 in AIMI's batches", "full"),
    "bare": ("copy without CheXpert's folder name", "small"),
    "flat": ("flat copy without CheXpert's folder name", "small"),
    "chexlocalize": ("CheXpert", "full"),
    "plus": ("CheXpert Plus", "plus"),
}


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """The detected layout of the phantom in each layout."""
    folder = tmp_path_factory.mktemp("phantoms")
    tests = {name: {"test": 0 if name == "plus" else 3} for name in NAMES}
    return {name: find_layout(write_phantom(folder / name, layout=name, **tests[name], **OPTIONS)) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_each_layout_is_detected(layouts, name):
    assert (layouts[name].name, layouts[name].variant) == NAMES[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_each_layout_has_the_same_views_labels_and_images(layouts, name, split):
    layout, reference = layouts[name], layouts["small"]
    if split not in layout.tables:
        assert (name, split) in [("chexlocalize", "train"), ("plus", "test")]
        return
    frame, expected = (found.read(split).sort_values("key", ignore_index=True) for found in (layout, reference))
    columns = ["key", "split", "patient", "study", "view", *OBSERVATIONS]
    assert frame[columns].equals(expected[columns])
    assert fingerprint(frame) == fingerprint(expected)
    files, originals = layout.locate(frame), reference.locate(expected)
    assert find_present(layout.folder, files).all()
    for file, original in zip(files, originals, strict=True):
        assert np.array_equal(read_gray(file), read_gray(original))


@pytest.mark.parametrize("name", ["small", "full", "mlmip", "aimi", "bare", "flat"])
def test_each_layout_has_sex_age_and_projection(layouts, name):
    columns = ["key", "projection", "sex", "age"]
    frame, expected = (layout.read("train")[columns] for layout in (layouts[name], layouts["small"]))
    assert frame.equals(expected)


@pytest.mark.parametrize("name", ["small", "aimi", "flat"])
@pytest.mark.parametrize("labeler", ["chexbert", "visualchexbert"])
def test_other_labelers_are_read_in_each_layout(layouts, name, labeler):
    frame = layouts[name].read("train", labeler)
    assert fingerprint(frame) == fingerprint(layouts["small"].read("train", labeler))
    assert fingerprint(frame) != fingerprint(layouts[name].read("train"))
