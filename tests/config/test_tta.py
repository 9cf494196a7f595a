"""The choice of test-time augmentation is checked before anything is read."""

import pytest
from helpers.configs import make

from chexpert.config.resolution import to_plain
from chexpert.config.tta_checks import TTA, find_tta_errors, list_other_tta
from chexpert.data import Augmentation, make_transforms
from chexpert.image_size import ImageSize

AUGMENTATION = {"_target_": "chexpert.data.Augmentation"}
STILL = AUGMENTATION | {"rotation": 0, "scale": [1, 1], "shift": 0, "flip": 0}


def check(*overrides):
    return [(error.code, error.where) for error in find_tta_errors(to_plain(make(*overrides)))]


@pytest.mark.parametrize(
    "overrides",
    [["tta=null"], ["tta=shift"], ["tta=2"], ["tta=10"], ["tta=flip", "data.augmentation.flip=0.1"]],
)
def test_what_the_model_is_trained_with_is_possible(overrides):
    assert check(*overrides) == []


@pytest.mark.parametrize(
    ("overrides", "code", "where"),
    [
        (["tta=flop"], "choice", "tta"),
        (["tta=1"], "value", "tta"),
        (["tta=-5"], "value", "tta"),
        (["tta=2.5"], "value", "tta"),
        (["tta=true"], "value", "tta"),
        (["tta=[flip]"], "value", "tta"),
        (["tta=flip"], "conflict", "tta, data.augmentation.flip"),
        (["tta=shift", "data.augmentation.shift=0"], "conflict", "tta, data.augmentation.shift"),
        (["tta=10", "data.augmentation=null"], "conflict", "tta, data.augmentation"),
        (["tta=10", "data.augmentation=null", "features=x"], "conflict", "features, tta"),
    ],
)
def test_what_is_not_possible_is_one_error(overrides, code, where):
    assert check(*overrides) == [(code, where)]


def test_hint_names_the_nearest():
    (error,) = find_tta_errors(to_plain(make("tta=shifts")))
    assert error.hint == "did you mean shift?"


def test_other_choices_are_those_of_the_training():
    assert list_other_tta("flip", AUGMENTATION) == ["shift", "10"]
    assert list_other_tta("shift", STILL | {"flip": 0.5}) == ["flip", "10"]
    assert list_other_tta(10, STILL) == []
    assert list_other_tta(10, STILL | {"brightness": 0.2}) == []
    assert list_other_tta(3, STILL | {"scale": [0.9, 1.1]}) is None
    assert list_other_tta("flip", None) == []
    assert list_other_tta(10, {"_target_": "os.system"}) is None  # is refused where it stands


@pytest.mark.parametrize("word", TTA)
def test_each_word_has_its_views(word):
    assert len(make_transforms(word, Augmentation(), ImageSize(32, 32), 0)) > 1
