import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from chexpert.metrics.auroc_intervals import RankedScores


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    labels = (rng.random(80) < 0.3).astype(int)
    scores = np.stack([labels + rng.normal(size=80), rng.integers(0, 4, 80)])  # the second has ties
    return scores, labels


def test_auroc_matches_sklearn_with_ties(rows):
    scores, labels = rows
    ranked = RankedScores(scores, labels)
    for place, own in enumerate(scores):
        assert ranked.auroc(place).value == pytest.approx(roc_auc_score(labels, own), abs=1e-12)


def test_difference_interval_matches_sklearn_on_resamples(rows):
    scores, labels = rows
    ranked = RankedScores(scores, labels, replicates=20, seed=3)
    counts = np.random.default_rng(3).multinomial(80, np.full(80, 1 / 80), 20)
    picks = [np.repeat(np.arange(80), count) for count in counts]
    theirs = [roc_auc_score(labels[own], scores[0][own]) - roc_auc_score(labels[own], scores[1][own]) for own in picks]
    ordered = sorted(theirs)
    assert ranked.difference(0, 1)[1:3] == pytest.approx((ordered[0], ordered[18]))  # as bootstrap_mean has it


def test_score_minus_itself_is_0(rows):
    scores, labels = rows
    assert RankedScores(np.stack([scores[0], scores[0]]), labels).difference(0, 1)[:3] == (0, 0, 0)


def test_auroc_without_both_classes_is_undefined():
    interval = RankedScores(np.zeros((1, 5)), np.ones(5), replicates=10).auroc(0)
    assert np.isnan(interval.value)
    assert (interval.n, interval.undefined_replicates) == (5, 10)


def test_replicates_without_both_classes_are_counted():
    interval = RankedScores(np.array([[0.0, 1.0]]), np.array([0, 1]), replicates=100).auroc(0)
    assert interval[:3] == (1, 1, 1)
    assert 20 < interval.undefined_replicates < 80  # half of the picks of two rows take one of them twice
