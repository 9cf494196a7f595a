"""Random geometry."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chexpert.data import Augmentation, warp
from chexpert.data.augmentation import _warp_together
from chexpert.image_size import ImageSize

STILL = {"rotation": 0.0, "scale": (1.0, 1.0), "shift": 0.0, "flip": 0.0}
SIZE = 33
SQUARE, WIDE = ImageSize(SIZE, SIZE), ImageSize(60, 100)
WARPS = (warp, _warp_together)  # on the CPU, and on an accelerator
seeds = st.integers(0, 2**32)


def sample(seed=0, size=SQUARE, **options):
    """A matrix of an augmentation with these options only."""
    return Augmentation(**(STILL | options)).matrix(size, np.random.default_rng(seed))


def stack(*matrices):
    """(B, 2, 3) float32, as a batch has them."""
    return torch.tensor(np.stack(matrices)[:, :2], dtype=torch.float32)


def test_augmentation_without_options_is_the_identity():
    assert sample() == pytest.approx(np.eye(3), abs=1e-12)


def test_flip_mirrors_left_and_right():
    images = torch.randint(0, 256, (1, 1, SIZE, SIZE), dtype=torch.uint8)
    for move in WARPS:
        assert torch.equal(move(images, stack(sample(flip=1.0))), images.flip(3))


def test_flip_happens_at_its_rate():
    flipped = [sample(seed, flip=0.25)[0, 0] < 0 for seed in range(1000)]
    assert np.mean(flipped) == pytest.approx(0.25, abs=0.04)


@given(seed=seeds)
def test_rotation_keeps_the_center_and_lengths(seed):
    matrix = sample(seed, rotation=30.0)
    assert matrix @ [16, 16, 1] == pytest.approx([16, 16, 1])
    assert matrix[:2, :2] @ matrix[:2, :2].T == pytest.approx(np.eye(2), abs=1e-12)


@given(seed=seeds)
def test_rotation_of_a_rectangle_is_one_in_pixels_about_its_middle(seed):
    matrix = sample(seed, size=WIDE, rotation=30.0)
    assert matrix @ [49.5, 29.5, 1] == pytest.approx([49.5, 29.5, 1])
    assert matrix[:2, :2] @ matrix[:2, :2].T == pytest.approx(np.eye(2), abs=1e-12)


def test_angles_fill_their_range():
    matrices = [sample(seed, rotation=7.0) for seed in range(500)]
    angles = [math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])) for matrix in matrices]
    assert -7 <= min(angles) < -6.8
    assert 6.8 < max(angles) <= 7


def test_scales_fill_their_range():
    scales = [math.sqrt(np.linalg.det(sample(seed, scale=(0.9, 1.1))[:2, :2])) for seed in range(500)]
    assert 0.9 <= min(scales) < 0.902
    assert 1.098 < max(scales) <= 1.1


@given(seed=seeds)
def test_scale_is_the_same_in_all_directions(seed):
    linear = sample(seed, scale=(1.25, 1.25), rotation=30.0)[:2, :2]
    assert linear @ linear.T == pytest.approx(1.25**2 * np.eye(2))


def test_shifts_fill_their_share_of_the_side():
    shifts = np.array([sample(seed, size=WIDE, shift=0.05)[:2, 2] for seed in range(500)])
    assert (np.abs(shifts) <= [5, 3]).all()
    assert (shifts.max(axis=0) > [4.9, 2.94]).all()
    assert (shifts.min(axis=0) < [-4.9, -2.94]).all()


def test_matrix_is_a_function_of_the_generator():
    first, again, other = (Augmentation(flip=0.5).matrix(SQUARE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("move", WARPS)
def test_each_image_has_its_own_matrix(move):
    image = torch.tensor([[10, 20, 30], [40, 50, 60], [70, 80, 90]], dtype=torch.uint8)
    right, down = np.eye(3), np.eye(3)
    right[0, 2] = down[1, 2] = 1
    moved = move(image.expand(2, 1, 3, 3), stack(right, down))
    assert moved.dtype == torch.uint8
    assert moved[0, 0].tolist() == [[0, 10, 20], [0, 40, 50], [0, 70, 80]]
    assert moved[1, 0].tolist() == [[0, 0, 0], [10, 20, 30], [40, 50, 60]]


@pytest.mark.parametrize("move", WARPS)
def test_shift_by_half_a_pixel_averages_two(move):
    image, half = torch.tensor([[[[10, 20], [50, 60]]]], dtype=torch.uint8), np.eye(3)
    half[0, 2] = 0.5
    assert move(image, stack(half)).tolist() == [[[[5, 15], [25, 55]]]]


def test_empty_batch_stays_empty():
    assert warp(torch.zeros(0, 1, 5, 5, dtype=torch.uint8), torch.zeros(0, 2, 3)).shape == (0, 1, 5, 5)


@pytest.mark.parametrize("size", [ImageSize(96, 96), ImageSize(96, 64)])
def test_both_warps_agree_within_two_grays_on_smooth_images(size):
    y, x = np.mgrid[0 : 1 : size.height * 1j, 0 : 1 : size.width * 1j]
    wave = (128 + 60 * np.sin(9 * x + 2 * y) + 60 * np.cos(8 * y)).astype(np.uint8)
    images = torch.from_numpy(np.stack([wave] * 40))[:, None]
    augmentation = Augmentation(rotation=30, shift=0.1, flip=0.5)
    matrices = stack(*(augmentation.matrix(size, np.random.default_rng(n)) for n in range(40)))
    each, together = (move(images, matrices).int() for move in WARPS)
    inside = _warp_together(torch.full_like(images, 255), matrices) == 255
    difference = (each - together).abs()
    assert inside.float().mean() > 0.7
    assert difference[inside].max() <= 2
    assert difference.max() <= 10  # at the black border OpenCV 4 rounds to 1/32 of a pixel


def move_slowly(image, matrix):
    """Each pixel of the result taken from where it comes from, bilinear, black outside; (H, W) float."""
    out = np.zeros(image.shape)
    back = np.linalg.inv(matrix)
    for y, x in np.ndindex(image.shape):
        u, v, _ = back @ [x, y, 1]
        for row, column in np.ndindex(2, 2):
            i, j = math.floor(v) + row, math.floor(u) + column
            if 0 <= i < image.shape[0] and 0 <= j < image.shape[1]:
                out[y, x] += (1 - abs(v - i)) * (1 - abs(u - j)) * image[i, j]
    return out


@pytest.mark.parametrize("move", WARPS)
@pytest.mark.parametrize("shape", [(24, 16), (15, 31)])
def test_rectangle_is_moved_as_pixel_by_pixel(move, shape):
    y, x = np.indices(shape)
    image = (100 + 60 * np.sin(x / 4) + 60 * np.cos(y / 5)).astype(np.uint8)
    for seed in range(5):
        matrix = sample(seed, size=ImageSize(*shape), rotation=40.0, scale=(0.7, 1.3), shift=0.2, flip=0.5)
        moved = move(torch.from_numpy(image)[None, None], stack(matrix))[0, 0].numpy()
        assert np.abs(moved - move_slowly(image, matrix)).max() <= 6  # OpenCV 4 rounds to 1/32 of a pixel
