"""Random gray values, each step against a slow reference."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri
from scipy.stats import kstest

from chexpert.config import check_targets
from chexpert.data import Augmentation, Preprocessing, ViewDataset
from chexpert.data.photometric import average, blur_images, change_tones, erase, mix, sample_noise

HEIGHT, WIDTH = 24, 37
ALL = {"brightness": 0.3, "contrast": 0.3, "gamma": (0.7, 1.4), "noise": 0.1, "blur": 1.5, "cutout": 2}
seeds = st.integers(0, 2**32)


def sample(seed=0, shape=(HEIGHT, WIDTH), **options):
    return Augmentation(**options).sample(*shape, np.random.default_rng(seed))


def make_images(count, height=HEIGHT, width=WIDTH, seed=0):
    """Noise on a wave, (B, 1, H, W) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    wave = 128 + 60 * np.sin(9 * x + 2 * y)
    return torch.from_numpy((wave + rng.normal(0, 20, (count, height, width))).clip(0, 255).astype(np.uint8))[:, None]


def column(*values):
    return torch.tensor(values, dtype=torch.float32)


def test_everything_is_off_by_default():
    assert Augmentation().columns == 0


@given(seed=seeds, key=st.sampled_from([key for key in ALL if key != "gamma"]))
def test_a_setting_changes_its_own_parameters_alone(seed, key):
    off, on, whole = sample(seed), sample(seed, **{key: ALL[key]}), sample(seed, **ALL)
    place = {"contrast": 0, "brightness": 1, "gamma": 2, "blur": 3, "noise": 4, "cutout": slice(6, None)}[key]
    assert (on[place] == whole[place]).all()
    changed = [n for n in range(6) if on[n] != off[n]]
    assert changed == ([place] if isinstance(place, int) else [])


@given(seed=seeds)
def test_parameters_lie_in_their_ranges(seed):
    contrast, brightness, gamma, blur, noise, key, *boxes = sample(seed, **ALL, cutout_side=(0.2, 0.5))
    assert abs(contrast - 1) <= 0.3001
    assert abs(brightness - 1) <= 0.3001
    assert 0.7 <= gamma <= 1.4
    assert 0 <= blur <= 1.5
    assert 0 <= noise <= 0.1001
    assert key == int(key)
    assert 0 <= key < 2**24
    for top, left, bottom, right in np.reshape(boxes, (2, 4)).astype(int):
        assert 0 <= top < bottom <= HEIGHT
        assert 0 <= left < right <= WIDTH
        assert bottom - top <= 12
        assert right - left <= 19


def test_parameters_fill_their_ranges():
    found = np.array([sample(seed, **ALL)[:6] for seed in range(1000)])
    assert found.min(0)[:5] == pytest.approx([0.7, 0.7, 0.7, 0, 0], abs=0.01)
    assert found.max(0)[:5] == pytest.approx([1.3, 1.3, 1.4, 1.5, 0.1], abs=0.01)
    assert found.mean(0)[:5] == pytest.approx([1, 1, 1.05, 0.75, 0.05], abs=0.03)


def test_tones_by_hand():
    """The mean of 0, 100, 200 is 100. Contrast .5: 50, 100, 150; brightness 1.2: 60, 120, 180; gamma 2: x * x / 255."""
    image = torch.tensor([0, 100, 200], dtype=torch.uint8).view(1, 1, 1, 3)
    changed = [change_tones(image, column(c), column(b), column(g)) for c, b, g in
               [(1, 1, 1), (0.5, 1, 1), (0.5, 1.2, 1), (0.5, 1.2, 2), (2, 1, 1), (1, 1.4, 1), (1, 1, 0.5)]]  # fmt: skip
    assert [one.flatten().tolist() for one in changed] == [
        [0, 100, 200],
        [50, 100, 150],
        [60, 120, 180],
        [14, 56, 127],
        [0, 100, 255],
        [0, 140, 255],
        [0, 160, 226],
    ]


def test_tones_of_a_batch_are_those_of_a_loop():
    images, rng = make_images(7), np.random.default_rng(1)
    strengths = rng.uniform(0.5, 1.5, (3, 7))
    changed = change_tones(images, *torch.from_numpy(strengths.astype(np.float32)))
    for image, (contrast, brightness, gamma), found in zip(images.numpy(), strengths.T, changed.numpy(), strict=True):
        expected = np.empty_like(image)
        for place, gray in np.ndenumerate(image):
            value = min(max(image.mean() + contrast * (gray - image.mean()), 0), 255)
            value = min(max(value * brightness, 0), 255)
            expected[place] = round(255 * (value / 255) ** gamma)
        difference = np.abs(found.astype(int) - expected)
        assert difference.max() <= 1  # at a half
        assert (difference > 0).mean() < 0.01


def test_blur_is_scipys():
    images, sigmas = make_images(6).float(), [0, 0.3, 0.7, 1.2, 2, 3]
    blurred = blur_images(images, column(*sigmas), 12).numpy()
    expected = [gaussian_filter(image[0], sigma, mode="nearest") for image, sigma in
                zip(images.numpy(), sigmas, strict=True)]  # fmt: skip
    assert np.abs(blurred[:, 0] - expected).max() < 1e-3
    assert (blurred[0] == images[0].numpy()).all()


def test_blur_of_a_point_by_hand():
    """Of standard deviation .5 the weights are exp(0), exp(-2), exp(-8), over their sum 1.2713."""
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 1
    blurred = blur_images(image, column(0.5), 2)[0, 0]
    weights = np.array([0.000264, 0.106451, 0.786571, 0.106451, 0.000264])
    assert blurred.numpy() == pytest.approx(np.outer(weights, weights), abs=2e-6)


def test_noise_is_a_function_of_key_and_pixel():
    """Against a loop over pixels in plain numbers."""

    def hash_number(number):
        number = ((number >> 16) ^ number) * 0x7FEB352D % 2**32
        number = ((number >> 15) ^ number) * 0x846CA68B % 2**32
        return (number >> 16) ^ number

    noise, half = sample_noise(column(0, 5, 2**24 - 1), (5, 7)).numpy(), 18
    for key, found in zip((0, 5, 2**24 - 1), noise, strict=True):
        for pixel, value in enumerate(found.ravel()):
            hashed = hash_number(hash_number(pixel % half) ^ hash_number(key))
            bits = hashed & 0xFFFF if pixel < half else hashed >> 16
            assert value == np.float32(ndtri((bits + 0.5) / 65536))
    assert mix(torch.tensor([1, 2**32 - 1])).tolist() == [hash_number(1), hash_number(2**32 - 1)]


def test_noise_is_normal_and_independent():
    noise = sample_noise(torch.arange(64).float() * 1000, (96, 96)).numpy()
    assert kstest(noise.ravel()[:100_000], "norm").pvalue > 0.01
    assert noise.mean(axis=(1, 2, 3)) == pytest.approx(np.zeros(64), abs=0.05)
    assert noise.std(axis=(1, 2, 3)) == pytest.approx(np.ones(64), abs=0.04)
    flat = noise.reshape(64, -1)
    between = np.corrcoef(flat) - np.eye(64)  # of images, of standard error .01
    assert np.abs(between).max() < 0.06
    for near in (flat[:, 1:] * flat[:, :-1], flat[:, 96:] * flat[:, :-96], flat[:, 4608:] * flat[:, :4608]):
        assert abs(near.mean()) < 0.01


def test_noise_has_its_standard_deviation():
    gray = torch.full((1, 1, 200, 200), 128, dtype=torch.uint8)
    parameters = torch.tensor([[1, 1, 1, 0, 0.1, 7]])
    noisy = Augmentation(noise=0.1).apply(gray, parameters).float()
    assert noisy.std().item() == pytest.approx(25.5, abs=0.3)
    assert noisy.mean().item() == pytest.approx(128, abs=0.4)


def test_rectangles_are_filled_with_the_mean():
    image = torch.tensor([[0, 10, 20], [30, 40, 50]], dtype=torch.uint8).expand(2, 1, 2, 3)
    boxes = torch.tensor([[0, 0, 1, 2, 1, 2, 2, 3], [0, 1, 2, 2, 0, 1, 1, 2.0]])
    assert erase(image, boxes)[:, 0].tolist() == [[[25, 25, 20], [30, 40, 25]], [[0, 25, 20], [30, 25, 50]]]
    assert average(image).tolist() == [25, 25]


def test_mean_of_a_white_image_is_exact():
    assert average(torch.full((1, 1, 640, 640), 255, dtype=torch.uint8)).tolist() == [255]


def test_steps_follow_one_another():
    images, options = make_images(3), ALL | {"cutout": 1}
    parameters = torch.from_numpy(np.stack([sample(seed, **options) for seed in range(3)]))
    contrast, brightness, gamma, blur, noise, key = parameters[:, :6].unbind(1)
    expected = blur_images(change_tones(images, contrast, brightness, gamma).float(), blur, 6)
    expected = expected + 255 * noise[:, None, None, None] * sample_noise(key, (HEIGHT, WIDTH))
    expected = erase(expected.round().clamp(0, 255).to(torch.uint8), parameters[:, 6:])
    found = Augmentation(**options).apply(images, parameters)
    assert found.dtype == torch.uint8
    assert (found.int() - expected.int()).abs().max() <= 1
    assert not torch.equal(found, images)


def test_neutral_parameters_change_nothing():
    images, neutral = make_images(2), torch.tensor([[1, 1, 1, 0, 0, 9]] * 2)
    assert torch.equal(Augmentation(**ALL | {"cutout": 0}).apply(images, neutral), images)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 50), (64, 48)])
def test_any_shape(height, width):
    images = make_images(2, height, width)
    parameters = torch.from_numpy(np.stack([sample(seed, (height, width), **ALL) for seed in range(2)]))
    assert Augmentation(**ALL).apply(images, parameters).shape == (2, 1, height, width)


@pytest.mark.parametrize("size", [33, 64])
def test_an_image_comes_out_the_same_in_any_batch(size):
    images, augmentation = make_images(23, size, size), Augmentation(**ALL)
    parameters = torch.from_numpy(np.stack([sample(seed, (size, size), **ALL) for seed in range(23)]))
    whole = augmentation.apply(images, parameters)
    for batch in (1, 2, 7):
        parts = zip(images.split(batch), parameters.split(batch), strict=True)
        assert torch.equal(torch.cat([augmentation.apply(*part) for part in parts]), whole)


def test_an_empty_batch_stays_empty():
    augmentation = Augmentation(**ALL)
    empty = torch.zeros(0, 1, 5, 5, dtype=torch.uint8)
    assert augmentation.apply(empty, torch.zeros(0, augmentation.columns)).shape == (0, 1, 5, 5)


def make_views(augmentation, files=("a.png",) * 4):
    nothing = np.zeros((len(files), 1), np.float32)
    return ViewDataset(list(files), list(files), nothing, nothing == 0, Preprocessing(16), augmentation, seed=3)


def test_parameters_follow_from_seed_epoch_and_row(tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(file)
    files = [str(file)] * 4
    views = make_views(Augmentation(**ALL), files)
    both, alone = views.read([(2, 0), (2, 3)]), views.read([(2, 3)])
    assert torch.equal(both.grays[1], alone.grays[0])
    assert not torch.equal(both.grays[0], both.grays[1])
    assert not torch.equal(views.read([(1, 3)]).grays, alone.grays)
    plain = make_views(Augmentation(), files).read([(2, 0), (2, 3)])
    assert plain.grays is None
    assert torch.equal(plain.matrices, both.matrices)  # geometry has a stream of its own


GEOMETRY = [
    [[-0.9425100, 0.0957500, 14.3327303], [0.0957500, 0.9425100, -0.1555100]],
    [[1.0403301, -0.1252900, 0.1671000], [0.1252900, 1.0403301, -1.0818599]],
]
"""Of the version without gray values."""


def test_geometry_samples_as_before():
    views = make_views(Augmentation(flip=0.5))
    matrices = views._matrices([(0, 0), (5, 2)])
    assert matrices.tolist() == [[pytest.approx(row, abs=1e-5) for row in matrix] for matrix in GEOMETRY]


WRONG = [
    ({"brightness": 1.0}, "brightness"),
    ({"brightness": -0.1}, "brightness"),
    ({"brightness": [0.8, 1.2]}, "brightness"),
    ({"contrast": 2}, "contrast"),
    ({"gamma": 0.5}, "gamma"),
    ({"gamma": [1.5, 0.5]}, "gamma"),
    ({"gamma": [0, 1]}, "gamma"),
    ({"noise": 1.5}, "noise"),
    ({"blur": 11}, "blur"),
    ({"cutout": 1.5}, "cutout"),
    ({"cutout": True}, "cutout"),
    ({"cutout": 101}, "cutout"),
    ({"cutout_side": [0.1, 1.1]}, "cutout_side"),
    ({"cutout_side": [0.1]}, "cutout_side"),
]


@pytest.mark.parametrize(("options", "key"), WRONG, ids=str)
def test_what_is_out_of_range_is_one_error(options, key):
    node = {"_target_": "chexpert.data.Augmentation", "rotation": 5} | options
    errors = list(check_targets(node, "data.augmentation"))
    assert [(error.code, error.where) for error in errors] == [("value", f"data.augmentation.{key}")]


def test_ranges_include_their_ends():
    ends = {"brightness": 0, "noise": 1, "blur": 10, "gamma": [1, 1], "cutout": 100, "cutout_side": [1, 1]}
    assert list(check_targets({"_target_": "chexpert.data.Augmentation"} | ends, "data.augmentation")) == []
