"""Synthetic images with a heart and a device at known places, and models that read one place of them."""

import numpy as np
import pytest

from chexpert.explain import Attribution
from chexpert.explain.shortcuts import Case
from chexpert.models import Model
from chexpert.models.output_head import OutputHead

SIDE = 64
HEART = (slice(34, 50), slice(24, 44))
DEVICE = (slice(14, 20), slice(12, 18))
HEARTS, DEVICES = "Cardiomegaly", "Support Devices"


class Reader(Model):
    """Its logit of Cardiomegaly is the mean gray of one place, from -2 to 2."""

    def __init__(self, place: tuple[slice, slice]) -> None:
        super().__init__({}, OutputHead(1))
        self.place = place

    def feature_maps(self, images):
        return {"x": images.float() / 255}

    def score(self, maps):
        return 4 * maps["x"][:, 0, *self.place].mean((1, 2))[:, None] - 2


class EvenMap:
    """An explainer whose map is 1 everywhere."""

    name = "even"

    def passes(self, outputs):
        return 1

    def __call__(self, model, images, outputs):
        even = np.ones(images.shape[-2:], dtype="float32")
        return [[Attribution(even) for _ in own] for own in outputs]


def make_region(place):
    region = np.zeros((SIDE, SIDE), dtype=bool)
    region[place] = True
    return region


def make_image(index: int, large: bool, device: bool) -> np.ndarray:
    """A body of gray 100 within black, a heart that is brighter where it is large, and a device or none."""
    noise = np.random.default_rng(index).integers(-12, 13, (SIDE, SIDE))
    original = np.zeros((SIDE, SIDE))
    original[4:60, 6:58] = 100
    original[HEART] = 180 if large else 150
    if device:
        original[DEVICE] = 240
    return (original + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture
def make_cases():
    """60 views, half of them with a large heart; ``with_heart`` and ``without`` of 30 show the device."""

    def make(with_heart: int, without: int) -> list[Case]:
        cases = []
        for index in range(60):
            large = index % 2 == 0
            device = index // 2 < (with_heart if large else without)
            regions = ({HEARTS: make_region(HEART)} if large else {}) | (
                {DEVICES: make_region(DEVICE)} if device else {}
            )
            body = make_region((slice(4, 60), slice(6, 58)))
            cases.append(Case(f"view{index}", make_image(index, large, device), {HEARTS: int(large)}, regions, body))
        return cases

    return make


@pytest.fixture
def without_device():
    """The same images without the device."""
    return {DEVICES: {f"view{index}": make_image(index, index % 2 == 0, device=False) for index in range(60)}}


@pytest.fixture
def reads_device():
    return Reader(DEVICE).eval()


@pytest.fixture
def reads_heart():
    return Reader(HEART).eval()


@pytest.fixture
def even_map():
    return EvenMap()
