"""The spread between seeds, and the difference that is a tie."""

import math

import numpy as np
import pytest
from scipy.stats import t

from chexpert.evaluation import find_tie, gather_configurations
from chexpert.report.text.seed_spread import describe_spread


def gather(values):
    """Return the configurations, of which each has as many seeds as values."""
    settings = [{"lr": lr, "seed": seed} for lr, own in enumerate(values) for seed in range(len(own))]
    names = [f"{own['lr']}/{own['seed']}" for own in settings]
    return gather_configurations(settings, [value for own in values for value in own], names)


def gather_folds(values):
    """Return the configurations from values by configuration, fold and seed."""
    settings = [
        {"lr": lr, "data.fold": fold, "seed": seed}
        for lr, folds in values.items()
        for fold, own in folds.items()
        for seed in range(len(own))
    ]
    flat = [value for folds in values.values() for own in folds.values() for value in own]
    return gather_configurations(settings, flat, [str(place) for place in range(len(flat))])


PUBLIC = [[0.8750, 0.8804, 0.8634], [0.9067, 0.9077, 0.9112]]
"""Three seeds each of two public configurations, on 518 frontal test images."""


def test_limit_is_of_the_pooled_standard_deviation_and_its_degrees_of_freedom():
    found = gather(PUBLIC)
    sds = [np.std(own, ddof=1) for own in PUBLIC]
    tie = find_tie(found)
    assert (tie["sd"], tie["degrees"]) == (pytest.approx(math.sqrt(np.mean(np.square(sds)))), 4)
    assert tie["limit"] == pytest.approx(t.ppf(0.975, 4) * math.sqrt(2) * tie["sd"])
    first, second = found
    assert (first["mean"], first["difference"], first["tie"]) == (pytest.approx(np.mean(PUBLIC[1])), 0, True)
    assert second["difference"] == pytest.approx(np.mean(PUBLIC[1]) - np.mean(PUBLIC[0]))
    assert second["limit"] == pytest.approx(tie["limit"] / math.sqrt(3))
    assert not second["tie"]


def test_limit_for_the_best_of_several_holds_for_all_comparisons():
    """By hand: each configuration has sd .01 and 3 seeds; t is 3.038 at 10 degrees and 1 - .025 / 4."""
    found = gather([[mean - 0.01, mean, mean + 0.01] for mean in (0.80, 0.79, 0.78, 0.776, 0.77)])
    assert find_tie(found)["degrees"] == 10
    assert [group["limit"] for group in found] == pytest.approx([3.0382 * 0.01 * math.sqrt(2 / 3)] * 5, rel=1e-4)
    assert [group["tie"] for group in found] == [True, True, True, True, False]


def test_configurations_with_one_seed_or_undefined_values_have_no_spread():
    assert gather([[0.8], [0.9]]) == []
    assert gather([[0.8, math.nan]]) == []
    assert find_tie([]) is None
    (only,) = gather([[0.8, math.nan, 0.9], [0.7]])
    assert (only["n"], only["runs"], only["low"], only["high"]) == (2, ["0/0", "0/2"], 0.8, 0.9)


def test_few_seeds_have_no_limit():
    for values in ([[0.80, 0.82], [0.81, 0.82]], [[0.8, 0.9, 0.7, 0.8]]):
        found = gather(values)
        assert (find_tie(found)["limit"], find_tie(found)["degrees"]) == (None, sum(len(own) - 1 for own in values))
        assert {(group["limit"], group["tie"]) for group in found} == {(None, None)}
    assert find_tie(gather([[0.8, 0.9, 0.7, 0.8, 0.8]]))["degrees"] == 4


@pytest.mark.parametrize("configurations", [2, 5])
def test_equal_configurations_of_three_seeds_rarely_differ_by_more_than_the_limit(configurations):
    rng, tie, differ, runs = np.random.default_rng(0), [], [], []
    for _ in range(2000):
        values = rng.normal(0.9, 0.01, (configurations, 3))
        found = gather(values.tolist())
        tie += [group["tie"] for group in found[1:]]
        differ.append(not all(group["tie"] for group in found))
        runs.append(abs(np.subtract(*rng.normal(0.9, 0.01, 2))) < find_tie(found)["limit"])  # two new ones
    assert 1 - np.mean(tie) < 0.06  # 5 %, and the chance of 2,000 draws
    assert np.mean(differ) < 0.10  # of the best with any of the others: the best was chosen, too
    assert np.mean(runs) == pytest.approx(0.95, abs=0.015)


def test_equal_seeds_tie_with_no_other_value():
    found = gather([[0.9] * 3, [0.8] * 3])
    assert (find_tie(found)["limit"], [group["tie"] for group in found]) == (0, [True, False])
    assert gather([[0.9] * 3, [0.9] * 3])[1]["tie"]


def test_folds_are_not_seeds():
    best = {fold: [value] for fold, value in enumerate((0.80, 0.84, 0.90, 0.86, 0.78))}
    worse = {fold: [value - 0.03] for fold, (value,) in best.items()}
    found = gather_folds({"a": best, "b": worse})
    assert found[1]["difference"] == pytest.approx(0.03)
    assert [group["tie"] for group in found] == [None, None]
    assert find_tie(found) == {"limit": None, "sd": None, "degrees": 0}


def test_seeds_of_one_fold_are_compared_within_it():
    """The folds lie .1 apart, the seeds of a fold .02: by hand, sd is .01 sqrt(2)."""
    best = {0: [0.80, 0.82], 1: [0.90, 0.92]}
    found = gather_folds({"a": best, "b": {fold: [value - 0.03 for value in own] for fold, own in best.items()}})
    tie = find_tie(found)
    assert (tie["degrees"], tie["sd"]) == (4, pytest.approx(0.01 * math.sqrt(2)))
    assert found[1]["limit"] == pytest.approx(t.ppf(0.975, 4) * tie["sd"] * math.sqrt(1 / 4 + 1 / 4))
    assert not found[1]["tie"]
    close = gather_folds({"a": best, "b": {fold: [value - 0.02 for value in own] for fold, own in best.items()}})
    assert close[1]["tie"]
    other = gather_folds({"a": best, "b": {fold + 1: own for fold, own in best.items()}})
    assert find_tie(other)["limit"]
    assert [group["tie"] for group in other] == [True, None]  # of other folds, which have other patients


def test_text_has_mean_spread_range_limit_and_degrees_of_freedom():
    found = gather(PUBLIC)
    tie = find_tie(found)
    *lines, last = describe_spread(found, tie, {name: name for group in found for name in group["runs"]})
    for group, line in zip(found, lines, strict=True):
        assert all(f"{group[key]:.3f}" in line for key in ("mean", "sd", "low", "high"))
    assert f"{found[1]['limit']:.3f}" in lines[1]
    assert f"{tie['limit']:.3f}" in last
    assert "4 degrees of freedom" in last


def test_text_has_no_limit_of_folds_or_few_seeds():
    for found in (gather([[0.8, 0.82], [0.7, 0.71]]), gather_folds({"a": {0: [0.8], 1: [0.9]}})):
        lines = list(describe_spread(found, find_tie(found), {name: name for own in found for name in own["runs"]}))
        assert len(lines) == len(found) + 1
        assert not any("limit for these means" in line or "less than" in line for line in lines)
