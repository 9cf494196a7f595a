"""Models of rectangular images: maps lie where the model looks, on images of any other proportions."""

import numpy as np
import pytest
import torch

from chexpert.data import Preprocessing
from chexpert.data.preprocessing import FITS
from chexpert.explain import (
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    IntegratedGradients,
    LayerCAM,
    Lime,
    Occlusion,
    Rise,
    ScoreCAM,
)
from chexpert.explain.geometry import mean_side
from chexpert.explain.methods.fills import FILLS, fill_image
from chexpert.explain.methods.random_map import smooth_noise
from chexpert.explain.methods.superpixels import find_body
from chexpert.explain.plots.canvas import Canvas
from chexpert.explain.quality.road import remove
from chexpert.explain.shortcuts.case import Case
from chexpert.explain.shortcuts.evidence_mass import mark_places
from chexpert.explain.shortcuts.inpainting import grow
from chexpert.explain.view import make_view
from chexpert.metrics.localization.map_scores import contains_cell, relevance_mass
from chexpert.models import Backbone, Model, Single
from chexpert.models.output_head import OutputHead

SIDES = [(48, 32), (32, 56)]
SHAPES = [(90, 150), (140, 100)]
EXPLAINERS = {
    "gradcam": GradCAM(),
    "gradcam_plus_plus": GradCAMPlusPlus(),
    "hirescam": HiResCAM(),
    "layercam": LayerCAM(),
    "scorecam": ScoreCAM(channels=4, fill="black"),
    "lime": Lime(samples=200, superpixels=24, fill="black"),
    "occlusion": Occlusion(fill="black"),
    "rise": Rise(samples=400, cells=6, fill="black"),
    "integrated_gradients": IntegratedGradients(steps=8),
}


class Quadrant(Model):
    """One logit, the mean gray of a quadrant of the image; a channel of the map for each quadrant, 4 pixels a cell."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__({}, OutputHead(1))
        self.head = torch.nn.Parameter(torch.zeros(4))
        self.head.data[2 * row + column] = 4

    def feature_maps(self, images):
        gray = images.float() / (1 if images.is_floating_point() else 255)
        height, width = gray.shape[-2:]
        regions = torch.zeros(4, height, width)
        for number in range(4):
            regions[number][quadrant((height, width), number // 2, number % 2)] = 1
        return {"x": torch.nn.functional.avg_pool2d(gray * regions, 4)}

    def score(self, maps):
        return (maps["x"].mean((2, 3)) * self.head).sum(1, keepdim=True)


def quadrant(shape, row, column):
    height, width = shape
    rows, columns = slice(0, height // 2) if not row else slice(height // 2, None), slice(0, width // 2)
    return rows, columns if not column else slice(width // 2, None)


def make_body(shape):
    """Bright all over, with a grain: no place is favored by the image itself."""
    return np.random.default_rng(0).integers(150, 200, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize(("row", "column"), [(0, 1), (1, 0)])
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_map_lies_in_the_quadrant_of_the_image_that_the_model_reads(explainer, row, column, sides, shape):
    view, place = make_view("a", make_body(shape), Preprocessing(sides)), quadrant(shape, row, column)
    ((attribution,),) = EXPLAINERS[explainer](Quadrant(row, column).eval(), view.image[None], [[0]])
    assert attribution.signed.shape == sides
    on_image, mask = view.carry_back(attribution.map), np.zeros(shape, dtype=bool)
    mask[place] = True
    assert on_image.shape == shape
    peak = np.unravel_index(on_image.argmax(), shape)
    assert mask[peak]
    assert relevance_mass(on_image, mask) > (0.85 if "cam" in explainer else 0.75)  # enlarged, a map reaches beyond


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sides", SIDES)
def test_exact_mask_of_a_quadrant_in_every_fit(fit, sides, shape):
    view = make_view("a", make_body(shape), Preprocessing(sides, fit))
    ((attribution,),) = GradCAM()(Quadrant(0, 1).eval(), view.image[None], [[0]])
    on_image, mask = view.carry_back(attribution.map) > 0.5, np.zeros(shape, dtype=bool)
    mask[quadrant(shape, 0, 1)] = True
    seen = view.carry_back(np.ones(sides)) > 0
    assert (on_image & mask & seen).sum() / ((on_image | mask) & seen).sum() > 0.85
    assert contains_cell(mask, attribution.manifest["grid"], view.matrix, attribution.map.shape)
    assert attribution.manifest["grid"] == [sides[0] // 4, sides[1] // 4]


@pytest.mark.parametrize("stride", [None, 16])
@pytest.mark.parametrize(
    ("name", "options", "grid"),
    [
        ("test_vit", {"img_size": [96, 64]}, [6, 4]),
        ("vit_tiny_patch16_224", {"dynamic_img_size": True, "depth": 2}, [6, 4]),
        ("resnet10t", {}, [3, 2]),
    ],
)
def test_grid_of_a_network_has_the_proportions_of_its_images(name, options, grid, stride):
    model = Single(Backbone(name, options=options), 1).eval()
    images = torch.randint(0, 256, (2, 1, 96, 64), dtype=torch.uint8)
    for ((attribution,),) in zip(HiResCAM(stride)(model, images, [[0], [0]]), strict=True):
        assert attribution.signed.shape == (96, 64)
        assert attribution.manifest["grid"] == (grid if stride is None or "vit" in name else [6, 4])


def test_mean_side_of_a_square_is_its_side():
    assert [mean_side((side, side)) for side in (32, 223, 224, 512)] == [32, 223, 224, 512]


@pytest.mark.parametrize("kind", FILLS)
def test_fill_of_a_turned_image_is_the_turned_fill(kind):
    gray = np.zeros((80, 48), dtype=np.uint8)
    gray[6:74, 4:44] = make_body((68, 40))
    assert (find_body(gray.T.copy()) == find_body(gray).T).all()
    difference = fill_image(gray.T.copy(), kind).T.astype(int) - fill_image(gray, kind)
    assert np.abs(difference).max() <= 1


def test_blobs_of_the_random_map_are_round():
    noise = smooth_noise(np.random.default_rng(0), 120, 60)
    down, right = (np.mean(noise * np.roll(noise, 4, axis)) for axis in (0, 1))
    assert down == pytest.approx(right, abs=0.05)


def test_places_of_a_rectangle_are_shares_of_each_side():
    body = np.ones((64, 32), dtype=bool)
    places = mark_places(Case("a", body.astype(np.uint8), {}, {}, body))
    assert places["corners"].sum() == 4 * 8 * 4
    assert places["corners"][:8, :4].all()
    assert places["border"].sum() == 64 * 32 - (64 - 8) * (32 - 4)


def test_region_grows_by_as_many_pixels_either_way():
    region = np.zeros((256, 64), dtype=bool)
    region[100, 30] = True
    rows, columns = np.nonzero(grow(region))
    assert (np.ptp(rows), np.ptp(columns)) == (4, 4)  # 1/64 of 128, twice


def test_road_removes_the_same_shares_of_a_rectangle():
    gray = torch.from_numpy(make_body((64, 40)))
    signed = np.zeros((64, 40), dtype="float32")
    signed[:32] = 1
    changed, sound = remove(gray, signed)
    assert sound
    top = [(image != gray)[:32].float().mean().item() for image in changed]
    assert top[0] > 0.3
    assert top[4] < 0.05


@pytest.mark.parametrize("fit", FITS)
def test_canvas_shows_a_map_where_it_lies_on_the_image(fit):
    view = make_view("a", make_body((300, 200)), Preprocessing((48, 64), fit))
    canvas = Canvas.of(view)
    assert canvas.image.shape == (300, 200)
    spot = np.zeros((300, 200), dtype="float32")
    spot[135:165, 90:110] = 1
    signed = Preprocessing((48, 64), fit).apply((spot * 255).astype(np.uint8)).astype("float32")
    y, x = np.indices((300, 200))
    placed = canvas.place(signed)
    assert placed.shape == (300, 200)
    middle = (placed * y).sum() / placed.sum(), (placed * x).sum() / placed.sum()
    assert middle == pytest.approx((149.5, 99.5), abs=2.5)
