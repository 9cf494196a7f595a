"""Scores and labels of studies, from those of their views."""

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.config import STUDY_SCORES
from chexpert.metrics import reduce_to_studies
from chexpert.metrics.study_aggregation import SCORES

STUDIES = ["b", "a", "b", "b"]
PROBABILITIES = np.array([[0.1, 0.9], [0.5, 0.25], [0.4, 0.3], [0.1, 0.6]])
LABELS = np.array([[1.0, 0], [0, 0], [1, 0], [1, 0]])
MASK = np.array([[True, True], [True, False], [True, True], [True, True]])


@pytest.mark.parametrize(
    ("score", "expected"), [("max", [[0.4, 0.9], [0.5, 0.25]]), ("mean", [[0.2, 0.6], [0.5, 0.25]])]
)
def test_study_score_is_the_maximum_or_mean_of_its_views(score, expected):
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


def test_config_lists_exactly_the_study_scores():
    assert set(SCORES) == set(STUDY_SCORES)
