"""Views of test-time augmentation, and the mean over them."""

import numpy as np
import pytest
import torch

from chexpert.data import Augmentation, make_transforms, predict_views, warp
from chexpert.image_size import ImageSize

SIDE = 20
SIZE = ImageSize(SIDE, SIDE)
RANGES = Augmentation(rotation=10, scale=(0.8, 1.2), shift=0.1, flip=0.5)
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 1, SIDE, SIDE), dtype=np.uint8))


def read_left(images):
    """A model that reads the left half."""
    return (images[..., : SIDE // 2].float().mean((1, 2, 3)) / 255)[:, None]


def show(images, transform):
    return warp(images, transform.expand(len(images), 2, 3))


def test_flip_is_the_image_and_its_mirror_image():
    still, mirrored = make_transforms("flip", RANGES, SIZE, 0)
    assert torch.equal(show(IMAGES, still), IMAGES)
    assert torch.equal(show(IMAGES, mirrored), IMAGES.flip(3))


def test_shift_of_a_rectangle_is_a_share_of_each_side():
    found = [(view[0, 2].item(), view[1, 2].item()) for view in make_transforms("shift", RANGES, ImageSize(40, 20), 0)]
    assert found == [(0, 0), (-2, 0), (2, 0), (0, -4), (0, 4)]


def test_shift_moves_by_whole_pixels():
    found = [(view[0, 2].item(), view[1, 2].item()) for view in make_transforms("shift", RANGES, SIZE, 0)]
    assert found == [(0, 0), (-2, 0), (2, 0), (0, -2), (0, 2)]
    assert make_transforms("shift", Augmentation(shift=0.01), SIZE, 0)[1, 0, 2] == -1
    left = show(IMAGES, make_transforms("shift", RANGES, SIZE, 0)[1])
    assert torch.equal(left[..., :-2], IMAGES[..., 2:])
    assert (left[..., -2:] == 0).all()


def test_a_number_of_views_has_the_ranges_of_the_training():
    transforms = make_transforms(400, RANGES, SIZE, 0).double()
    assert transforms.shape == (400, 2, 3)
    assert torch.equal(transforms[0], torch.eye(3)[:2].double())
    determinants = torch.linalg.det(transforms[1:, :, :2])
    assert 0.25 < (determinants < 0).float().mean() < 0.75
    scales = determinants.abs().sqrt()
    assert 0.8 <= scales.min() < 0.81
    assert 1.19 < scales.max() <= 1.2001
    angles = torch.atan2(transforms[1:, 1, 0], transforms[1:, 1, 1]).rad2deg()[determinants > 0]
    assert 9 < angles.abs().max() <= 10


def test_views_follow_from_the_seed_and_more_begin_with_the_same():
    ten = make_transforms(10, RANGES, SIZE, 0)
    assert torch.equal(ten, make_transforms(10, RANGES, SIZE, 0))
    assert torch.equal(ten[:5], make_transforms(5, RANGES, SIZE, 0))
    assert not torch.equal(ten[1:], make_transforms(10, RANGES, SIZE, 1)[1:])
    assert len(torch.unique(ten, dim=0)) == 10


def test_a_model_of_the_left_half_answers_the_mean_of_both_under_flip():
    found = predict_views(read_left, IMAGES, make_transforms("flip", RANGES, SIZE, 0))
    assert found.numpy() == pytest.approx((read_left(IMAGES) + read_left(IMAGES.flip(3))).numpy() / 2, abs=1e-7)
    assert found.dtype == torch.float32


@pytest.mark.parametrize("count", [1, 3, 7, 10])
def test_the_identity_gives_equal_bits(count):
    still = torch.eye(3)[:2].expand(count, 2, 3)
    assert torch.equal(predict_views(read_left, IMAGES, still), read_left(IMAGES))
    assert torch.equal(predict_views(read_left, IMAGES, None), read_left(IMAGES))


def test_mean_is_that_of_a_loop_over_views():
    transforms = make_transforms(6, RANGES, SIZE, 3)
    rows = [np.mean([read_left(show(IMAGES[n : n + 1], view)).item() for view in transforms]) for n in range(3)]
    assert predict_views(read_left, IMAGES, transforms)[:, 0].numpy() == pytest.approx(rows, abs=1e-7)


def test_one_view_follows_another():
    seen = []

    def predict(images):
        seen.append(images.shape)
        return read_left(images)

    predict_views(predict, IMAGES, make_transforms(8, RANGES, SIZE, 0))
    assert seen == [IMAGES.shape] * 8
