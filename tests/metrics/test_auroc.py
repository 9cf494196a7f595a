"""AUROC against scikit-learn, and where it is undefined."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from chexpert.metrics import Auroc, auroc_mean, multilabel_auroc


def column(*values):
    return np.array(values)[:, None]


def evaluate(probabilities, labels, mask=None):
    """The AUROC of one observation from plain numbers."""
    mask = [True] * len(labels) if mask is None else mask
    return multilabel_auroc(column(*probabilities), column(*labels), column(*mask))[0]


@pytest.mark.parametrize("first", range(0, 1000, 200))
def test_auroc_matches_sklearn_with_ties_and_masks(first):
    for case in range(first, first + 200):
        rng = np.random.default_rng(case)
        shape = int(rng.integers(4, 60)), 3
        probabilities = rng.random(shape).round(int(rng.integers(1, 4))).astype("float32")
        labels = rng.integers(0, 2, shape)
        mask = rng.random(shape) < 0.8
        for c, auroc in enumerate(multilabel_auroc(probabilities, labels, mask)):
            rows = mask[:, c]
            positives = int(labels[rows, c].sum())
            assert (auroc.positives, auroc.negatives) == (positives, int(rows.sum()) - positives), case
            if 0 < positives < rows.sum():
                expected = roc_auc_score(labels[rows, c], probabilities[rows, c])
                assert auroc.value == pytest.approx(expected, abs=1e-9), case
            else:
                assert math.isnan(auroc.value), case


def test_tie_counts_half():
    assert evaluate([0.5, 0.5, 0.5], [0, 1, 1]) == Auroc(0.5, 2, 1)


def test_masked_rows_are_ignored():
    assert evaluate([0.1, 0.9, 0.99, 0.01], [0, 1, 0, 1], [True, True, False, False]) == Auroc(1.0, 1, 1)


@pytest.mark.parametrize(
    ("labels", "mask", "counts"),
    [([1, 1, 1], None, (3, 0)), ([0, 0, 0], None, (0, 3)), ([0, 1, 1], [False] * 3, (0, 0))],
)
def test_auroc_without_both_classes_is_nan_with_its_counts(labels, mask, counts):
    auroc = evaluate([0.1, 0.2, 0.3], labels, mask)
    assert math.isnan(auroc.value)
    assert (auroc.positives, auroc.negatives) == counts


def test_undefined_column_does_not_affect_the_others():
    probabilities = np.array([[0.1, 0.1], [0.2, 0.9]])
    labels = np.array([[1, 0], [1, 1]])
    undefined, defined = multilabel_auroc(probabilities, labels, np.ones((2, 2)))
    assert math.isnan(undefined.value)
    assert defined == Auroc(1.0, 1, 1)


def test_mean_is_over_the_listed_defined_observations():
    aurocs = {"A": Auroc(0.5, 1, 1), "B": Auroc(math.nan, 0, 2), "C": Auroc(1.0, 1, 1), "D": Auroc(0.0, 1, 1)}
    assert auroc_mean(aurocs, ["A", "B", "C"]) == (0.75, ["A", "C"])


def test_mean_of_no_defined_observation_is_nan():
    mean, used = auroc_mean({"B": Auroc(math.nan, 0, 2)}, ["B"])
    assert math.isnan(mean)
    assert used == []
