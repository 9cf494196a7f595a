"""ROAD on a model that reads a known place."""

import math

import numpy as np
import pytest
import torch

from chexpert.explain.batched_inference import Probe
from chexpert.explain.quality import road
from chexpert.explain.quality.road import infer_road, remove
from chexpert.models import Model
from chexpert.models.output_head import OutputHead


class Spot(Model):
    """One logit: the mean gray of the middle."""

    def __init__(self) -> None:
        super().__init__({}, OutputHead(1))

    def feature_maps(self, images):
        return {"x": images.float() / 25.5}

    def score(self, maps):
        return maps["x"][..., 12:20, 12:20].mean((1, 2, 3))[:, None]


@pytest.fixture
def image() -> torch.Tensor:
    original = torch.full((1, 32, 32), 100, dtype=torch.uint8)
    original[:, 12:20, 12:20] = 220
    return original


@pytest.fixture
def signed() -> np.ndarray:
    away = np.hypot(*np.mgrid[-15.5:16, -15.5:16])
    return -away.astype("float32")


def test_right_map_gains_and_its_negative_loses_as_much(image, signed):
    right, wrong = infer_road(Spot(), image, [signed, -signed], [0, 0], Probe())
    assert right > 1
    assert wrong == pytest.approx(-right, abs=0.02)


def test_first_ranked_pixels_are_filled_and_the_rest_stays(image, signed):
    images, sound = remove(image[0], signed)
    assert sound
    spot, rest = np.s_[12:20, 12:20], signed < np.quantile(signed, 0.75)
    assert abs(images[0][spot].float().mean() - 100) < 3
    assert (images[0][rest] == image[0][rest]).all()
    assert (images[4][spot] == 220).all()


def test_removed_shares_are_right_on_a_coarser_grid(monkeypatch, image, signed):
    monkeypatch.setattr(road, "CELLS", 16)
    images, _ = remove(torch.full((32, 32), 100, dtype=torch.uint8), signed)
    changed = [float((image != 100).float().mean()) for image in images]
    # a share of the pixels gets no noise that survives rounding: |N(0, 2.55)| < .5 for 15.5 %
    assert changed == pytest.approx([0.845 * share for share in (*road.SHARES, *road.SHARES)], abs=0.05)


@pytest.mark.parametrize("wild", [7.0, math.nan])
def test_imputed_values_out_of_range_make_road_undefined(monkeypatch, image, signed, wild):
    monkeypatch.setattr(road, "impute", lambda coarse, gone: torch.where(gone, torch.tensor(wild), coarse))
    assert math.isnan(infer_road(Spot(), image, [signed], [0], Probe())[0])


def test_random_state_is_unchanged(image, signed):
    before = torch.get_rng_state()
    remove(image[0], signed)
    assert torch.equal(before, torch.get_rng_state())
