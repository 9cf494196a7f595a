"""Random geometry."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chexpert.data import Augmentation, Preprocessing

STILL = {"rotation": 0.0, "scale": (1.0, 1.0), "shift": 0.0, "flip": 0.0}
SIZE = 33
seeds = st.integers(0, 2**32)


def draw(seed=0, size=SIZE, **options):
    """A matrix of an augmentation that does nothing but what ``options`` say."""
    return Augmentation(**(STILL | options)).matrix(size, np.random.default_rng(seed))


def test_nothing_asked_is_the_identity():
    assert draw() == pytest.approx(np.eye(3), abs=1e-12)


def test_flip_mirrors_left_and_right():
    film = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    assert (Preprocessing(SIZE).apply(film, draw(flip=1.0)) == film[:, ::-1]).all()


def test_flip_happens_at_its_rate():
    flipped = [draw(seed, flip=0.25)[0, 0] < 0 for seed in range(1000)]
    assert np.mean(flipped) == pytest.approx(0.25, abs=0.04)


@given(seed=seeds)
def test_rotation_keeps_the_centre_and_lengths(seed):
    matrix = draw(seed, rotation=30.0)
    assert matrix @ [16, 16, 1] == pytest.approx([16, 16, 1])
    assert matrix[:2, :2] @ matrix[:2, :2].T == pytest.approx(np.eye(2), abs=1e-12)


def test_angles_fill_their_bounds():
    matrices = [draw(seed, rotation=7.0) for seed in range(500)]
    angles = [math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])) for matrix in matrices]
    assert -7 <= min(angles) < -6.8
    assert 6.8 < max(angles) <= 7


def test_magnifications_fill_their_bounds():
    scales = [math.sqrt(np.linalg.det(draw(seed, scale=(0.9, 1.1))[:2, :2])) for seed in range(500)]
    assert 0.9 <= min(scales) < 0.902
    assert 1.098 < max(scales) <= 1.1


@given(seed=seeds)
def test_a_magnification_is_the_same_in_all_directions(seed):
    linear = draw(seed, scale=(1.25, 1.25), rotation=30.0)[:2, :2]
    assert linear @ linear.T == pytest.approx(1.25**2 * np.eye(2))


def test_shifts_fill_their_share_of_the_side():
    shifts = np.array([draw(seed, size=100, shift=0.05)[:2, 2] for seed in range(500)])
    assert (np.abs(shifts) <= 5).all()
    assert (shifts.max(axis=0) > 4.9).all()
    assert (shifts.min(axis=0) < -4.9).all()


def test_draws_are_a_function_of_the_generator():
    first, again, other = (Augmentation(flip=0.5).matrix(SIZE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
