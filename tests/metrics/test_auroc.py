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


@pytest.mark.parametrize("case", range(1000))
def test_it_agrees_with_scikit_learn_with_ties_and_masks(case):
    rng = np.random.default_rng(case)
    shape = int(rng.integers(4, 60)), 3
    probabilities = rng.random(shape).round(int(rng.integers(1, 4))).astype("float32")
    labels = rng.integers(0, 2, shape)
    mask = rng.random(shape) < 0.8
    found = multilabel_auroc(probabilities, labels, mask)
    for c, auroc in enumerate(found):
        rows = mask[:, c]
        positives = int(labels[rows, c].sum())
        assert (auroc.positives, auroc.negatives) == (positives, int(rows.sum()) - positives)
        if 0 < positives < rows.sum():
            assert auroc.value == pytest.approx(roc_auc_score(labels[rows, c], probabilities[rows, c]), abs=1e-9)
        else:
            assert math.isnan(auroc.value)


def test_ties_count_half():
    assert evaluate([0.5, 0.5, 0.5], [0, 1, 1]) == Auroc(0.5, 2, 1)


def test_masked_rows_play_no_part():
    assert evaluate([0.1, 0.9, 0.99, 0.01], [0, 1, 0, 1], [True, True, False, False]) == Auroc(1.0, 1, 1)


@pytest.mark.parametrize(("labels", "counts"), [([1, 1, 1], (3, 0)), ([0, 0, 0], (0, 3))])
def test_one_class_alone_is_undefined_with_its_counts(labels, counts):
    auroc = evaluate([0.1, 0.2, 0.3], labels)
    assert math.isnan(auroc.value)
    assert (auroc.positives, auroc.negatives) == counts


def test_a_wholly_masked_column_is_undefined_without_support():
    auroc = evaluate([0.1, 0.2], [0, 1], [False, False])
    assert math.isnan(auroc.value)
    assert (auroc.positives, auroc.negatives) == (0, 0)


def test_an_undefined_column_leaves_the_others_alone():
    probabilities = np.array([[0.1, 0.1], [0.2, 0.9]])
    labels = np.array([[1, 0], [1, 1]])
    undefined, defined = multilabel_auroc(probabilities, labels, np.ones((2, 2)))
    assert math.isnan(undefined.value)
    assert defined == Auroc(1.0, 1, 1)


def test_the_mean_is_over_the_defined_of_those_listed():
    aurocs = {"A": Auroc(0.5, 1, 1), "B": Auroc(math.nan, 0, 2), "C": Auroc(1.0, 1, 1), "D": Auroc(0.0, 1, 1)}
    assert auroc_mean(aurocs, ["A", "B", "C"]) == (0.75, ["A", "C"])


def test_the_mean_of_none_is_undefined():
    mean, used = auroc_mean({"B": Auroc(math.nan, 0, 2)}, ["B"])
    assert math.isnan(mean)
    assert used == []
