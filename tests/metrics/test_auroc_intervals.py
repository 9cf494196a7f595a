"""Intervals of AUROCs, and their coverage."""

import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from chexpert.metrics import logit_interval, mean_auroc_interval, percentile_interval
from chexpert.metrics.auroc_intervals import lay_off
from chexpert.metrics.resampling import resample_studies, weighted_aurocs


def test_interval_is_symmetric_in_log_odds():
    low, high = lay_off(0.8, 0.04)
    odds = [math.log(p / (1 - p)) for p in (low, 0.8, high)]
    assert odds[1] - odds[0] == pytest.approx(odds[2] - odds[1])
    assert odds[2] - odds[1] == pytest.approx(norm.ppf(0.975) * 0.04 / (0.8 * 0.2))


def test_few_examples_of_the_rarer_class_widen_the_interval():
    wide, narrow = (lay_off(0.8, 0.04, rarer) for rarer in (5, 500))
    assert wide[0] < narrow[0] < lay_off(0.8, 0.04)[0] + 1e-3
    assert wide[1] > narrow[1]


def test_interval_stays_within_0_and_1():
    low, high = lay_off(0.999, 0.2, 2)
    assert 0 <= low < 0.999 < high <= 1


def test_mean_interval_matches_sklearn_on_the_same_resamples():
    rng = np.random.default_rng(0)
    labels = (rng.random((80, 3)) < 0.3).astype("float64")
    scores = rng.normal(size=(80, 3)) + labels
    counts = resample_studies(np.arange(80), 200, seed=5)
    samples = [np.repeat(np.arange(80), row.astype(int)) for row in counts]
    theirs = np.array([np.mean([roc_auc_score(labels[d, c], scores[d, c]) for c in range(3)]) for d in samples])
    value = np.mean([roc_auc_score(labels[:, c], scores[:, c]) for c in range(3)])
    mine = mean_auroc_interval(scores, labels, np.ones_like(labels), np.arange(80), 200, seed=5)
    reach = norm.ppf(0.975) * theirs.std(ddof=1) / (value * (1 - value))
    odds = math.log(value / (1 - value))
    expected = [1 / (1 + math.exp(-odds - sign * reach)) for sign in (-1, 1)]
    assert mine[:3] == pytest.approx([value, *expected], abs=1e-12)


def test_undefined_replicates_are_left_out_and_counted():
    replicates = np.r_[math.nan, np.linspace(0.5, 0.9, 101)]
    for find in (percentile_interval, logit_interval):
        found = find(0.7, replicates, 9)
        assert (found.n, found.undefined_replicates) == (9, 1)
        assert found.ci_low < 0.7 < found.ci_high


def test_undefined_metric_has_no_interval():
    found = logit_interval(math.nan, np.full(4, math.nan), 9)
    assert [math.isnan(part) for part in found[:3]] == [True, True, True]
    assert found.undefined_replicates == 4


def test_mean_with_an_undefined_observation_is_undefined():
    labels = np.array([[1, 1], [0, 1.0]])
    assert math.isnan(mean_auroc_interval(labels, labels, np.ones_like(labels), [0, 1]).value)


CASES = [(500, 150, 0.90), (500, 29, 0.93), (200, 70, 0.85), (200, 12, 0.85)]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "positives", "truth"), CASES)
def test_interval_covers_the_truth_in_93_to_97_percent(n, positives, truth):
    covered = {"log odds": 0, "percentiles": 0}
    shift = norm.ppf(truth) * math.sqrt(2)  # of two normal distributions with this AUROC
    labels = (np.arange(n) < positives).astype("float64")
    simulations = 2000
    for seed in range(simulations):
        scores = np.random.default_rng(seed).normal(size=n) + shift * labels
        value = roc_auc_score(labels, scores)
        replicates = weighted_aurocs(scores, labels, resample_studies(np.arange(n), 1000, seed))
        found = logit_interval(value, replicates, n, min(positives, n - positives))
        covered["log odds"] += found.ci_low <= truth <= found.ci_high
        plain = percentile_interval(value, replicates, n)
        covered["percentiles"] += plain.ci_low <= truth <= plain.ci_high
    print({name: count / simulations for name, count in covered.items()})
    assert 0.93 <= covered["log odds"] / simulations <= 0.97
