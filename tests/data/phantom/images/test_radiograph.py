from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest

from chexpert.data.phantom.images.findings import PAINTED
from chexpert.data.phantom.images.frontal import Frontal
from chexpert.data.phantom.images.radiograph import VISIBLE, Painting, Radiograph


@cache
def paint(*names: str, size: int = 128, severity: float = 0.5) -> Painting:
    return Painting(Radiograph(1, "valid", 64541, 1, 1, "Male", "AP", dict.fromkeys(names, severity)), size)


@pytest.mark.parametrize("name", PAINTED)
def test_finding_changes_the_image_inside_its_mask_only(name: str) -> None:
    for painting in (paint(*PAINTED), paint(name)):
        change = np.abs(painting.image - painting.paint([name]))
        mask = painting.masks()[name]
        assert change[~mask].max() <= VISIBLE
        assert (change[mask] ** 2).sum() >= 0.95 * (change**2).sum()
        assert 0.002 < mask.mean() < 0.30


@pytest.mark.parametrize("name", PAINTED)
def test_removed_finding_equals_an_absent_one(name: str) -> None:
    others = tuple(other for other in PAINTED if other != name)
    np.testing.assert_array_equal(paint(*PAINTED, size=96).paint([name]), paint(*others, size=96).image)


def test_removed_finding_leaves_the_same_grain() -> None:
    off = Painting(paint(*PAINTED).radiograph.off("Edema"), 96).develop()
    others = tuple(name for name in PAINTED if name != "Edema")
    np.testing.assert_array_equal(off, paint(*others, size=96).develop())


@pytest.mark.parametrize(
    ("observation", "gone"),
    [
        ("Fracture", {"Fracture"}),
        ("Pneumonia", {"Pneumonia", "Consolidation"}),
        ("Lung Opacity", {"Edema", "Consolidation", "Pneumonia", "Atelectasis", "Lung Lesion"}),
        ("Enlarged Cardiomediastinum", {"Enlarged Cardiomediastinum", "Cardiomegaly"}),
    ],
)
def test_observation_off_removes_all_its_findings(observation: str, gone: set[str]) -> None:
    radiograph = Radiograph(0, "valid", 1, 1, 1, "Male", "PA", dict.fromkeys((*PAINTED, "Pneumonia"), 0.3))
    assert {name for name, severity in radiograph.off(observation).severity.items() if severity == 0} == gone


@pytest.mark.parametrize("position", ["AP", "PA"])
def test_faintest_findings_have_a_mask(position: str) -> None:
    for patient in range(4):
        for name in PAINTED:
            faint = Radiograph(5, "valid", patient, 1, 1, "Female", position, {name: 1e-6})
            assert Painting(faint, 96).masks()[name].any(), name


def test_strength_scales_the_change_of_a_finding() -> None:
    def change(factor: float) -> float:
        radiograph = replace(paint("Edema").radiograph, strength={"Edema": factor})
        painting = Painting(radiograph, 64)
        return float(np.abs(painting.image - painting.paint(["Edema"])).max())

    assert change(0.5) < 0.65 * change(1.0) < 0.65 * 0.75 * change(2.0)


def test_finding_below_two_percent_has_no_mask() -> None:
    radiograph = replace(paint("Edema").radiograph, strength={"Edema": 0.01})
    assert Painting(radiograph, 64).masks() == {}


@pytest.mark.parametrize("name", ["Cardiomegaly", "Enlarged Cardiomediastinum"])
def test_mask_of_an_enlarged_organ_contains_its_center(name: str) -> None:
    mask = paint(name).masks()[name]
    rows, columns = np.nonzero(mask)
    assert mask[round(rows.mean()), round(columns.mean())]
    assert mask.sum() > 0.6 * np.ptp(rows) * np.ptp(columns)  # an ellipse fills pi/4 of its box


def test_pneumothorax_darkens_and_fluid_brightens() -> None:
    for name, sign in (("Pneumothorax", -1), ("Pleural Effusion", 1), ("Lung Lesion", 1), ("Pleural Other", 1)):
        painting = paint(name)
        change = painting.image - painting.paint([name])
        assert np.sign(change[painting.masks()[name]].mean()) == sign, name


def test_pneumothorax_lies_at_an_apex_and_effusion_at_a_base() -> None:
    heights = {}
    for name in ("Pneumothorax", "Pleural Effusion"):
        mask = paint(name).masks()[name]
        heights[name] = np.nonzero(mask)[0].mean() / len(mask)
    assert heights["Pneumothorax"] < 0.4 < 0.5 < heights["Pleural Effusion"]


def test_pneumothorax_has_no_lung_texture() -> None:
    scene = Frontal(paint("Pneumothorax", severity=1.0).radiograph, 128)
    change = scene.thickness({"Pneumothorax": 0.2}) - scene.thickness({})
    air = cv2.erode((change < -0.1).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert air.sum() > 100
    np.testing.assert_allclose(change[air], -0.2 - scene.chest.texture[air], atol=0.01)


def test_every_size_shows_the_same_scene() -> None:
    small, large = paint(*PAINTED, size=96).image, paint(*PAINTED, size=192).image
    shrunk = cv2.resize(large, small.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk - small).mean() < 0.02


@pytest.mark.parametrize("position", ["AP", ""])
def test_image_keeps_range_and_shape_with_grain(position: str) -> None:
    painting = Painting(replace(paint(*PAINTED).radiograph, position=position), 96)
    image, grained = painting.image, painting.develop()
    assert 0 <= image.min() <= image.max() <= 1
    assert image.dtype == np.float32
    assert (grained.shape, grained.dtype) == (image.shape, np.uint8)
    assert np.abs(grained / 255 - image).mean() < 0.02
    assert min(image.shape) == 96
    assert max(image.shape) <= 118  # 96 * 1.22 = 117.1


@pytest.mark.parametrize(
    "name", ["Cardiomegaly", "Consolidation", "Edema", "Atelectasis", "Lung Lesion", "Pleural Effusion"]
)
def test_lateral_shows_the_finding(name: str) -> None:
    lateral = Painting(replace(paint(name).radiograph, position=""), 96)
    assert np.abs(lateral.image - lateral.paint([name])).max() > VISIBLE


@pytest.mark.parametrize("change", [{"seed": 0}, {"view": 2}])
def test_other_seed_or_view_changes_the_image(change: dict[str, int]) -> None:
    one, two = (
        Painting(radiograph, 64).image for radiograph in (paint().radiograph, replace(paint().radiograph, **change))
    )
    assert one.shape != two.shape or np.any(one != two)
