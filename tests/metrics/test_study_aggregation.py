"""Scores and labels of studies, from those of their views."""

import sys
from fractions import Fraction
from math import prod

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.cli.main import main
from chexpert.config import STUDY_SCORES as CONFIG_SCORES
from chexpert.metrics import choose_unit, number_units, reduce_scores, reduce_to_studies
from chexpert.observations import STUDY_SCORES

STUDIES = ["b", "a", "b", "b"]
PROBABILITIES = np.array([[0.1, 0.9], [0.5, 0.25], [0.4, 0.3], [0.1, 0.6]])
LABELS = np.array([[1.0, 0], [0, 0], [1, 0], [1, 0]])
MASK = np.array([[True, True], [True, False], [True, True], [True, True]])


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ("max", [[0.4, 0.9], [0.5, 0.25]]),
        ("mean", [[0.2, 0.6], [0.5, 0.25]]),
        ("noisy_or", [[1 - 0.9 * 0.6 * 0.9, 1 - 0.1 * 0.7 * 0.4], [0.5, 0.25]]),
    ],
)
def test_study_score_is_the_maximum_mean_or_noisy_or_of_its_views(score, expected):
    probabilities, labels, mask = reduce_to_studies(STUDIES, PROBABILITIES, LABELS, MASK, score=score)
    assert np.allclose(probabilities, np.array(expected))
    assert labels.tolist() == [[1, 0], [0, 0]]
    assert mask.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(("part", "place"), [("labels", (2, 1)), ("mask", (3, 0))])
def test_views_with_different_labels_are_an_error(part, place):
    rows = {"labels": LABELS.copy(), "mask": MASK.copy()}
    rows[part][place] = not rows[part][place]
    with raises("label-conflict", "b"):
        reduce_to_studies(STUDIES, PROBABILITIES, **rows)


def test_masked_labels_may_differ():
    labels = np.array([[1.0], [0.0]])
    _, _, mask = reduce_to_studies(["a", "a"], labels, labels, np.zeros((2, 1), bool))
    assert mask.tolist() == [[False]]


def make_views(seed, views=300, studies=90):
    """Scores (N, 3) of views, some 0, 1 or tiny, and of each the number of its study."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([np.arange(studies), rng.integers(0, studies, views - studies)])
    scores = rng.random((views, 3)) ** rng.choice([0.5, 1, 60], (views, 3))
    scores[rng.random((views, 3)) < 0.05] = 0
    scores[rng.random((views, 3)) < 0.05] = 1
    return rows, scores


@pytest.mark.parametrize("seed", range(5))
def test_noisy_or_matches_exact_fractions(seed):
    rows, scores = make_views(seed)
    found = reduce_scores(rows, scores, "noisy_or")
    for study in range(len(found)):
        for c in range(3):
            absent = prod(1 - Fraction(float(score)) for score in scores[rows == study, c])
            assert found[study, c] == pytest.approx(float(1 - absent), rel=1e-13, abs=0)


@pytest.mark.parametrize("seed", range(5))
def test_noisy_or_lies_between_the_maximum_and_1_and_has_no_order(seed):
    rows, scores = make_views(seed)
    found, highest = reduce_scores(rows, scores, "noisy_or"), reduce_scores(rows, scores)
    assert ((highest <= found) & (found <= 1)).all()
    order = np.random.default_rng(seed).permutation(len(rows))
    assert (reduce_scores(rows[order], scores[order], "noisy_or") == found).all()
    single = np.bincount(rows) == 1
    assert single.any()
    assert (found[single] == highest[single]).all()


def test_noisy_or_of_no_view_is_empty():
    assert reduce_scores(np.zeros(0, int), np.zeros((0, 2)), "noisy_or").shape == (0, 2)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan])
def test_noisy_or_is_of_probabilities(wrong):
    with raises("not-probability", "study_score"):
        reduce_scores(np.zeros(2, int), np.array([[0.5], [wrong]]), "noisy_or")


def test_unknown_study_score_is_an_error():
    with raises("choice", "study_score"):
        reduce_scores(np.zeros(1, int), np.zeros((1, 1)), "noisy-or")


@pytest.mark.parametrize("command", ["evaluate", "predict", "compare", "ensemble"])
def test_commands_and_config_have_the_one_list_of_study_scores(command, monkeypatch, capsys):
    assert CONFIG_SCORES is STUDY_SCORES
    monkeypatch.setattr(sys, "argv", ["chexpert", command, "--help"])
    with pytest.raises(SystemExit):
        main()
    assert f"--study-score {{{','.join(STUDY_SCORES)}}}" in " ".join(capsys.readouterr().out.split())


NIH = ["ChestX-ray14/patient00001/study1/00000001_000.png", "ChestX-ray14/patient00001/study2/00000001_001.png",
       "ChestX-ray14/patient00002/study1/00000002_000.png"]  # fmt: skip
CHEXPERT = ["CheXpert-v1.0/valid/patient00001/study1/view1_frontal.jpg", "patient00001/study2/view1_frontal.jpg"]
IMAGE = "00000000-1111-2222-3333-444444444444"


@pytest.mark.parametrize(
    ("names", "unit", "numbers"),
    [
        (CHEXPERT, "study", [0, 1]),
        (["patient1/a.png", "id-0123456789ab"], "study", [0, 1]),
        (NIH, "patient", [0, 0, 1]),
        (["PadChest/patient1/study1/1.png", "PadChest/patient1/study2/2.png"], "patient", [0, 0]),
        ([f"MIMIC-CXR/p10/p10000032/s5041426{n}/a.jpg" for n in (7, 8)], "patient", [0, 0]),
        (["VinDr-CXR/test/a.dicom", "VinDr-CXR/test/b.dicom"], "patient", [0, 1]),
        ([f"RSNA-Pneumonia/{IMAGE}.dcm"], "patient", [0]),
        ([*NIH, *CHEXPERT], "patient", [0, 0, 1, 2, 2]),  # one number in two data sets is two patients
    ],
)
def test_patients_of_external_sets_are_resampled_and_studies_of_others(names, unit, numbers):
    assert choose_unit(names) == unit
    assert number_units(names)[0].tolist() == numbers
    studies = [name.rpartition("/")[0] if "/study" in name or "/s5" in name else name for name in names]
    assert choose_unit(studies) == unit
    assert number_units(studies, "study")[0].tolist() == numbers
