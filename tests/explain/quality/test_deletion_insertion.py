"""Deletion and insertion of a model that adds up pixels, where every curve is known."""

import numpy as np
import pytest
import torch

from chexpert.explain.batched_inference import Probe
from chexpert.explain.quality.deletion_insertion import CUTS, SHARES, infer_curves, rank_pixels
from chexpert.metrics import evaluate_curves
from chexpert.models import Model
from chexpert.models.output_head import OutputHead


class Sum(Model):
    """Two logits: the mean gray over 255 of the image, and of its left half."""

    def __init__(self) -> None:
        super().__init__({}, OutputHead(2))
        self.seen = 0

    def feature_maps(self, images):
        self.seen += len(images)
        return {"x": images.float() / 255}

    def score(self, maps):
        half = maps["x"].shape[-1] // 2
        return torch.stack([maps["x"].mean((1, 2, 3)), maps["x"][..., :half].mean((1, 2, 3))], 1)


@pytest.fixture
def image() -> torch.Tensor:
    """(1, 20, 20): a white left half, hidden by black."""
    original = torch.zeros(1, 20, 20, dtype=torch.uint8)
    original[:, :, :10] = 255
    return original


LEFT = np.repeat([[1.0, -1.0]], 10, axis=1).repeat(20, axis=0).astype("float32")


def test_curves_of_a_linear_model_are_straight_lines(image):
    (deletion, insertion), _ = infer_curves(Sum(), image, [LEFT, -LEFT], Probe(), fill="black")
    falling = np.maximum(1 - 2 * np.array(SHARES), 0)
    assert deletion[:, 1] == pytest.approx(falling, abs=1e-6)
    assert insertion[:, 1] == pytest.approx(1 - falling, abs=1e-6)


def test_right_map_gains_and_its_negative_loses_as_much(image):
    right, wrong = infer_curves(Sum(), image, [LEFT, -LEFT], Probe(), fill="black")
    # .5 but for the corner at half of the image, which both curves cut by a triangle of .2 x .2 / 4
    assert evaluate_curves(*right[..., 1], SHARES).gap == pytest.approx(0.48)
    assert evaluate_curves(*wrong[..., 1], SHARES).gap == pytest.approx(-0.48)


def test_flat_map_has_no_gap(image):
    ((deletion, insertion),) = infer_curves(Sum(), image, [np.zeros((20, 20))], Probe(), fill="black")
    assert evaluate_curves(deletion[:, 1], insertion[:, 1], SHARES).gap == pytest.approx(0, abs=0.05)


def test_maps_share_both_ends_and_outputs_share_all_passes(image):
    model = Sum()
    assert infer_curves(model, image, [LEFT, -LEFT, LEFT], Probe(batch_size=7)).shape == (3, 2, len(SHARES), 2)
    assert model.seen == 2 + 3 * 2 * len(CUTS)


def test_pixels_are_ranked_by_the_signed_map_with_fixed_ties():
    ranks = rank_pixels(np.array([[-5.0, 2.0], [0.0, 7.0]]))
    assert ranks.tolist() == [[3, 1], [2, 0]]
    flat = rank_pixels(np.zeros((30, 30)))
    assert (flat == rank_pixels(np.ones((30, 30)))).all()
    assert abs(flat[:15].mean() - flat[15:].mean()) < 60  # by position it would be 450
