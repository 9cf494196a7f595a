"""Two sets of images: effect sizes by hand, permutations against slow loops, p uniform without a difference."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, permutation_test

from chexpert.metrics.two_sample import (
    PatientPermutations,
    classify_sets,
    compare_features,
    compare_means,
    compare_shares,
    compute_kernel,
)


def split(first, second, count=200, seed=0):
    """Permutations of two sets in which each image is a patient of its own."""
    return PatientPermutations(np.repeat([False, True], [first, second]), np.arange(first + second), count, seed)


def make_clusters(rng, patients=(12, 9), most=4):
    """Sides and patients of images, 1 to 4 of each patient."""
    images = rng.integers(1, most + 1, sum(patients))
    numbers = np.repeat(np.arange(sum(patients)), images)
    return numbers >= patients[0], numbers


def measure_slowly(values, second):
    """Cohen's d of sets of equal weight."""
    parts = [values[~second], values[second]]
    parts = [part[np.isfinite(part)] for part in parts]
    return (parts[1].mean() - parts[0].mean()) / np.sqrt((parts[0].var(ddof=1) + parts[1].var(ddof=1)) / 2)


def permute_slowly(statistic, permutations, patients):
    """The p of a statistic of the sides of the images, a loop over the permutations."""
    values = [statistic(sides[patients] == 1) for sides in permutations.sides]
    return np.mean([value >= values[0] - 1e-9 for value in values])


def test_difference_of_means_by_hand():
    (effect,) = compare_means(np.array([[1.0], [3.0], [5.0], [6.0], [8.0], [10.0]]), split(3, 3))
    assert effect.value == pytest.approx(5 / 2)  # means 3 and 8, both of standard deviation 2


def test_total_variation_by_hand():
    assert compare_shares(np.array(["a", "a", "b", "b", "a", "b", "c", "c"]), split(4, 4)).value == pytest.approx(0.5)


def test_discrepancy_by_hand():
    """Two points at distance d: half of the kernel's 1 + 1 - 2 exp(-1), as the median distance is d itself."""
    assert compare_features(np.array([[0.0], [1.0]]), split(1, 1)).value == pytest.approx(2 - 2 * np.exp(-1))


@pytest.mark.parametrize("seed", range(3))
def test_permutations_of_patients_match_a_loop(seed):
    rng = np.random.default_rng(seed)
    second, patients = make_clusters(rng)
    values = rng.normal(size=(len(second), 3)) + rng.normal(size=patients.max() + 1)[patients][:, None]
    values[rng.random(values.shape) < 0.1] = np.nan
    permutations = PatientPermutations(second, patients, 50, seed)
    for effect, column in zip(compare_means(values, permutations), values.T, strict=True):
        assert effect.value == pytest.approx(measure_slowly(column, second))
        expected = permute_slowly(lambda side, v=column: abs(measure_slowly(v, side)), permutations, patients)
        assert effect.p == pytest.approx(expected)


def test_shares_match_a_loop():
    rng = np.random.default_rng(0)
    second, patients = make_clusters(rng)
    letters = rng.choice(list("abc"), len(second))
    permutations = PatientPermutations(second, patients, 50)

    def measure(side):
        return sum(abs((letters[side] == name).mean() - (letters[~side] == name).mean()) for name in "abc") / 2

    effect = compare_shares(letters, permutations)
    assert effect.value == pytest.approx(measure(second))
    assert effect.p == pytest.approx(permute_slowly(measure, permutations, patients))


def test_discrepancy_matches_a_loop():
    rng = np.random.default_rng(0)
    second, patients = make_clusters(rng, (6, 5), 3)
    features = rng.normal(size=(len(second), 4))
    scaled = (features - features.mean(0)) / features.std(0)
    pairs = itertools.combinations(range(len(second)), 2)
    middle = np.median([((scaled[i] - scaled[j]) ** 2).sum() for i, j in pairs])

    def kernel(i, j):
        return np.exp(-((scaled[i] - scaled[j]) ** 2).sum() / middle)

    def measure(side):
        one, two = np.flatnonzero(~side), np.flatnonzero(side)
        mean = [np.mean([kernel(i, j) for i in a for j in b]) for a, b in ((one, one), (two, two), (one, two))]
        return mean[0] + mean[1] - 2 * mean[2]

    permutations = PatientPermutations(second, patients, 20)
    effect = compare_features(features, permutations)
    assert effect.value == pytest.approx(measure(second))
    assert effect.p == pytest.approx(permute_slowly(measure, permutations, patients))


def test_p_matches_scipy():
    """All 252 divisions of ten values, against 20,000 of them."""
    rng = np.random.default_rng(4)
    first, second = rng.normal(size=5), rng.normal(1, 1, 5)

    def statistic(one, two, axis):
        spread = np.sqrt((one.var(axis, ddof=1) + two.var(axis, ddof=1)) / 2)
        return np.abs(two.mean(axis) - one.mean(axis)) / spread

    exact = permutation_test((first, second), statistic, n_resamples=np.inf, alternative="greater", vectorized=True)
    (effect,) = compare_means(np.concatenate([first, second])[:, None], split(5, 5, 20_000))
    assert effect.p == pytest.approx(exact.pvalue, abs=0.015)  # four standard errors


def simulate(seed, shift=0.0):
    """The p values of means, shares and features of two sets of clustered patients."""
    rng = np.random.default_rng(seed)
    second, patients = make_clusters(rng, (15, 15))
    noise = rng.normal(size=(patients.max() + 1, 5))[patients]  # alike within a patient
    features = noise + 0.2 * rng.normal(size=noise.shape) + shift * second[:, None]
    permutations = PatientPermutations(second, patients, 199, seed)
    shares = compare_shares(np.digitize(features[:, 0], [-1, 0, 1]), permutations)
    return [compare_means(features[:, :1], permutations)[0].p, shares.p, compare_features(features, permutations).p]


def test_p_is_uniform_without_a_difference():
    """400 pairs of sets; permutations of single images would find differences in most of them."""
    for ps in np.array([simulate(seed) for seed in range(400)]).T:
        assert kstest(ps, "uniform").pvalue > 0.001
        assert np.mean(ps <= 0.05) == pytest.approx(0.05, abs=0.035)


def test_p_is_small_with_a_difference():
    assert np.mean(np.array([simulate(seed, 1.5) for seed in range(20)]) <= 0.05, axis=0).min() > 0.7


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10), st.floats(-100, 100))
def test_effects_do_not_depend_on_scale_or_order(seed, scale, shift):
    rng = np.random.default_rng(seed)
    second, patients = make_clusters(rng, (4, 4), 3)
    features = rng.normal(size=(len(second), 2))
    order = rng.permutation(len(second))
    one = PatientPermutations(second, patients, 20)
    two = PatientPermutations(second[order], patients[order], 20)
    moved = (features * scale + shift)[order]
    for before, after in zip(compare_means(features, one), compare_means(moved, two), strict=True):
        assert after.value == pytest.approx(before.value, rel=1e-6)
        assert after.p == before.p
    assert compare_features(moved, two).value == pytest.approx(compare_features(features, one).value, rel=1e-6)


def test_classifier_of_equal_sets_is_near_chance_and_of_shifted_ones_near_1():
    rng = np.random.default_rng(0)
    second, patients = make_clusters(rng, (100, 100))
    features = rng.normal(size=(len(second), 20))
    assert classify_sets(features, second, patients) == pytest.approx(0.5, abs=0.1)
    assert classify_sets(features + 3 * second[:, None], second, patients) > 0.99


def test_classifier_learns_nothing_from_images_of_the_same_patient():
    """Patients differ, the sets do not: folds that part the images of a patient would reach 1."""
    rng = np.random.default_rng(1)
    second, patients = make_clusters(rng, (40, 40))
    features = rng.normal(size=(80, 30))[patients]
    assert classify_sets(features, second, patients) < 0.7


def test_undefined_effects_are_nan():
    permutations = split(3, 3)
    constant = np.ones((6, 1))
    unknown = np.array([[1.0], [np.nan], [np.nan], [1.0], [2.0], [3.0]])
    for effect in (*compare_means(constant, permutations), *compare_means(unknown, permutations)):
        assert np.isnan(effect).all()
    assert np.isnan(compare_shares(np.array(["a"] * 6), permutations)).all()
    assert np.isnan(compare_features(constant, permutations)).all()
    assert compute_kernel(constant) is None
    assert np.isnan(classify_sets(np.eye(3), np.array([False, False, True]), np.arange(3)))


@pytest.mark.parametrize(("second", "patients"), [([0, 1], [0, 0]), ([0, 0], [0, 1]), ([1, 1], [0, 1])])
def test_patient_in_both_sets_and_empty_set_are_errors(second, patients):
    with pytest.raises(ValueError, match="set"):
        PatientPermutations(np.array(second, bool), np.array(patients))
