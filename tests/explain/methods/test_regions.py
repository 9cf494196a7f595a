import numpy as np
import pytest
import torch
from helpers.errors import raises
from PIL import Image

from chexpert.explain import Lime
from chexpert.explain.methods.anatomy import ATLAS, divide_by_atlas
from chexpert.explain.methods.regions import divide_image, number_regions, read_regions

WHERE = "explainer.lime.segments"


def make_image(height: int = 100, width: int = 80) -> np.ndarray:
    """A bright body with a black margin of a tenth on each side."""
    gray = np.zeros((height, width), dtype=np.uint8)
    gray[height // 10 : -height // 10, width // 10 : -width // 10] = 200
    return gray


@pytest.fixture(autouse=True)
def exact_body(monkeypatch):
    """Without the smoothing, by which a body reaches a pixel into the margin."""
    monkeypatch.setattr("chexpert.explain.methods.superpixels.find_body", lambda gray: gray > 0)


@pytest.fixture
def file(tmp_path):
    def write(regions, name="regions.png"):
        Image.fromarray(np.asarray(regions)).save(tmp_path / name)
        return str(tmp_path / name)

    return write


def test_grid_has_square_cells_of_the_wanted_number_inside_the_body_box():
    cells = divide_image(make_image(), "grid", 20)  # the box has 80 x 64 pixels: 5 x 4 cells of 16
    assert cells.max() == 20
    assert (cells[:10] == 0).all()
    assert (np.bincount(cells.ravel())[1:] == 256).all()
    assert (cells[10:26, 8:24] == 1).all()
    assert (cells[74:90, 56:72] == 20).all()


@pytest.mark.parametrize("count", [1, 7, 30, 50, 100])
def test_grid_has_about_the_wanted_number(count):
    assert divide_image(make_image(), "grid", count).max() == pytest.approx(count, rel=0.2)


def test_atlas_has_all_its_regions_in_the_body_box():
    regions = divide_by_atlas(make_image())
    assert sorted(set(regions.ravel().tolist())) == list(range(len(ATLAS) + 1))
    assert 12 <= len(ATLAS) <= 20
    assert (regions[make_image() == 0] == 0).all()
    assert (regions[make_image() > 0] > 0).all()


def test_atlas_has_the_heart_below_the_middle_and_the_right_lung_on_the_left():
    regions, names = divide_by_atlas(make_image(1000, 1000)), ["", *(name for name, _ in ATLAS)]
    assert names[regions[100 + 480, 100 + 420]] == "heart"
    assert names[regions[100 + 260, 100 + 160]] == "right upper lung"
    assert names[regions[100 + 260, 100 + 640]] == "left upper lung"
    assert names[regions[100 + 200, 100 + 400]] == "upper mediastinum"


def test_regions_of_a_file_are_enlarged_by_the_nearest_pixel(file):
    path = file(np.array([[0, 9], [4, 4]], np.uint8).repeat(40, 0).repeat(40, 1))
    regions = read_regions(path, 100, 100)
    assert (regions[:50, :50] == 0).all()
    assert (regions[:50, 50:] == 2).all()
    assert (regions[50:] == 1).all()


def test_file_may_have_16_bits(file):
    path = file(np.array([[700, 40000]], np.uint16).repeat(64, 0).repeat(32, 1))
    assert (read_regions(path, 64, 64)[0, [0, 63]] == [1, 2]).all()


def test_file_of_other_proportions_is_an_error(file):
    path = file(np.arange(100 * 50, dtype=np.uint16).reshape(100, 50))
    with raises("mask-size", WHERE):
        read_regions(path, 100, 100)


@pytest.mark.parametrize("regions", [np.zeros((64, 64), np.uint8), np.ones((64, 64, 3), np.uint8)])
def test_file_without_two_regions_or_of_colors_is_an_error(file, regions):
    with raises("input-kind", WHERE):
        read_regions(file(regions), 64, 64)


def test_missing_or_damaged_file_is_an_error(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with raises("missing-file", WHERE):
        read_regions(str(tmp_path / "none.png"), 64, 64)
    with raises("damaged-file", WHERE):
        read_regions(str(tmp_path / "text.png"), 64, 64)


def test_numbers_lose_their_gaps():
    assert (number_regions(np.array([[0, 5], [5, 9]])) == [[0, 1], [1, 2]]).all()


@pytest.mark.parametrize("kind", ["grid", "anatomy", "FILE"])
def test_lime_explains_by_regions(file, kind):
    from helpers.known_answers import Weighted, make_weights

    kind = file(np.repeat([1, 2], 32).astype(np.uint8)[None].repeat(64, 0)) if kind == "FILE" else kind
    assert Lime.validate_args(segments=kind) == []
    image = torch.randint(1, 256, (1, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ((attribution,),) = Lime(64, 12, segments=kind)(Weighted(make_weights(64, 4)), image, [[0]])
    assert attribution.manifest["segments"] == kind
    assert len(np.unique(attribution.signed)) == {"grid": 9, "anatomy": len(ATLAS)}.get(kind, 2)
