"""Masks of CheXpert v1.0 on images of v1.0-small: which fit, what is reported, and that scores stay."""

import cv2
import numpy as np
import pytest
from helpers.errors import raises
from scipy.ndimage import gaussian_filter

from chexpert.metrics import LocalMap, Segmentations, find_maps, write_map
from chexpert.metrics.localization import segmentations
from chexpert.metrics.localization.chexlocalize import localize_maps, localize_segmentations
from chexpert.metrics.localization.mask_sizes import has_proportions, resize_mask, resize_matrix
from chexpert.metrics.localization.run_lengths import encode
from chexpert.observations import LOCALIZED

LARGE, SMALL = (580, 707), (320, 390)  # a quarter of v1.0, and v1.0-small
VIEWS = [f"patient{number}_study1_view1_frontal" for number in range(6)]


def make_field(seed, shape, smooth):
    return gaussian_filter(np.random.default_rng(seed).normal(size=shape), smooth).astype("float32")


def make_mask(seed):
    field = cv2.resize(make_field(seed, (29, 35), 3), LARGE[::-1], interpolation=cv2.INTER_LINEAR)
    return field > np.quantile(field, 0.85)


@pytest.fixture(scope="module")
def truth():
    return Segmentations({view: {"Edema": encode(make_mask(n))} for n, view in enumerate(VIEWS)}, "gt.json")


@pytest.mark.parametrize(
    ("mask", "image", "fits"),
    [
        ((2320, 2828), (320, 390), True),
        ((2320, 2828), (320, 389), True),  # 390.07 cut off
        ((320, 390), (2320, 2828), True),
        ((1024, 1024), (320, 320), True),
        ((1000, 1000), (1000, 1010), True),
        ((1000, 1000), (1000, 1011), False),
        ((100, 100), (50, 51), True),
        ((100, 100), (50, 52), False),
        ((2828, 2320), (320, 390), False),
        ((1024, 1024), (320, 390), False),
        ((1, 1), (320, 390), False),
        ((9, 12), (12, 9), False),
    ],
)
def test_proportions_agree_within_a_hundredth_or_a_pixel(mask, image, fits):
    assert has_proportions(mask, image) == has_proportions(image, mask) == fits


def write_maps(folder, shape, matrix=None):
    for number, view in enumerate(VIEWS):
        for name, smooth in (("Edema", 1), ("Atelectasis", 2)):
            coarse = make_field(number + 100 * smooth, (10, 10), smooth)
            local = LocalMap(coarse, 0.3 + 0.1 * number, shape[1], shape[0], (10, 10))
            if matrix is not None:
                local = local._replace(matrix=matrix @ resize_matrix(*shape, *LARGE), shape=(64, 64))
            write_map(folder / f"{view}_{name}_map.npz", local)
    return find_maps(folder, LOCALIZED)[0]


@pytest.mark.parametrize("threshold", ["otsu", "tuned", 0.4])
def test_maps_of_small_images_score_as_those_of_large_ones(truth, tmp_path, threshold):
    crop = np.array([[0.11, 0, -7], [0, 0.11, 0.4], [0, 0, 1]])
    tables = [
        localize_maps(truth, write_maps(tmp_path / str(shape), shape, crop), threshold, replicates=20)
        for shape in (LARGE, SMALL)
    ]
    assert tables[0]["Edema"]["hit_rate_images"] == 6
    assert 0 < tables[0]["Edema"]["hit_rate_ceiling"] <= 1
    np.testing.assert_equal(*tables)


def test_resized_images_are_noted_once_with_their_number(truth, tmp_path, capsys):
    localize_maps(truth, write_maps(tmp_path, SMALL), replicates=20)
    (note,) = capsys.readouterr().err.splitlines()
    assert note.startswith("note: gt.json: 6 masks ")
    assert note.endswith(": 6 of 580 x 707 pixels on images of 320 x 390")
    localize_maps(truth, write_maps(tmp_path / "own", LARGE), replicates=20)
    assert capsys.readouterr().err == ""


def test_many_sizes_are_summed_up(tmp_path, capsys):
    sides = [8, 8, 8, 8, 10, 10, 10, 12, 12, 14]
    for number in range(len(sides)):
        write_map(tmp_path / f"v{number}_Edema_map.npz", LocalMap(np.eye(4), 0.5, 4, 4))
    listed = {f"v{number}": {"Edema": encode(np.eye(side))} for number, side in enumerate(sides)}
    localize_maps(Segmentations(listed, "gt.json"), find_maps(tmp_path, LOCALIZED)[0], replicates=20)
    note = capsys.readouterr().err
    assert all(part in note for part in ("4 of 8 x 8 pixels", "3 of 10 x 10", "2 of 12 x 12", ", 1 further"))


def test_segmentations_of_small_images_score_as_those_of_large_ones(truth, capsys):
    large = {view: np.roll(make_mask(n), 20, 1) for n, view in enumerate(VIEWS)}
    predicted = [
        Segmentations({view: {"Edema": encode(resize_mask(mask, *shape))} for view, mask in large.items()}, "pred.json")
        for shape in (LARGE, SMALL)
    ]
    one, other = (localize_segmentations(truth, each, replicates=20)["Edema"] for each in predicted)
    assert (one["images"], one["miou"] < 0.95) == (other["images"], True)
    assert other["miou"] == pytest.approx(one["miou"], rel=0.01)
    assert "6 of 580 x 707 pixels on predictions of 320 x 390" in capsys.readouterr().err


def test_map_of_other_proportions_is_an_error_of_its_file(truth, tmp_path):
    path = write_map(tmp_path / f"{VIEWS[0]}_Edema_map.npz", LocalMap(np.eye(4), 0.5, 320, 390))
    with raises("mask-size", path) as error:
        localize_maps(truth, find_maps(tmp_path, LOCALIZED)[0])
    assert "390 x 320" in error.value.message
    assert "580 x 707" in error.value.message


def test_only_the_mask_that_is_asked_for_is_decoded(monkeypatch):
    decoded = []
    decode = segmentations.rle.decode
    monkeypatch.setattr(segmentations.rle, "decode", lambda item: decoded.append(item) or decode(item))
    masks = Segmentations({"a": {name: encode(np.eye(4)) for name in LOCALIZED}}, "gt.json").masks("a")
    assert (len(masks), "Edema" in masks, "Cough" in masks, masks.get("Cough"), decoded) == (10, True, False, None, [])
    assert (masks["Edema"] == np.eye(4)).all()
    assert len(decoded) == 1


def test_resized_mask_has_what_lies_below_each_center():
    mask = np.array([[1, 0, 0, 1], [0, 1, 1, 0]], bool)
    assert (resize_mask(mask, 6, 12) == np.kron(mask, np.ones((3, 3), bool))).all()
    assert (resize_mask(np.kron(mask, np.ones((3, 3), bool)), 2, 4) == mask).all()
