"""Label scores against hand-made numbers, cleanlab and a slow reference."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chexpert.metrics.label_issues import (
    METHODS,
    compute_thresholds,
    estimate_errors,
    flag_issues,
    score_labels,
    suggest_labels,
)

CASE = st.integers(0, 10_000).map(np.random.default_rng)


def sample(rng):
    """Labels with both classes, and probabilities that follow them in part."""
    n = int(rng.integers(8, 200))
    labels = (rng.random(n) < rng.uniform(0.1, 0.9)).astype(int)
    labels[:2] = 0, 1
    return labels, np.clip(rng.beta(2, 3, n) + 0.3 * labels, 0, 1)


def import_cleanlab():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("cleanlab")


def test_scores_by_hand():
    labels, probabilities = [0, 0, 1, 1], [0.2, 0.6, 0.7, 0.3]
    assert score_labels(labels, probabilities, "self_confidence") == pytest.approx([0.8, 0.4, 0.7, 0.3])
    # thresholds: mean(.8, .4) = .6 and mean(.7, .3) = .5; p - t + .6, over their sum 1 - 1.1 + 1.2 = 1.1
    assert compute_thresholds(labels, probabilities) == pytest.approx([0.6, 0.5])
    expected = np.array([0.8, 0.4, 0.7 + 0.1, 0.3 + 0.1]) / 1.1
    assert score_labels(labels, probabilities, "adjusted") == pytest.approx(expected)


def test_suggestions_and_errors_by_hand():
    labels, probabilities = [0, 0, 0, 1, 1], [0.1, 0.2, 0.9, 0.8, 0.05]
    thresholds = compute_thresholds(labels, probabilities)  # .6 and .425
    assert thresholds == pytest.approx([0.6, 0.425])
    assert suggest_labels(probabilities, thresholds).tolist() == [0, 0, 1, 1, 0]
    assert flag_issues(labels, probabilities).tolist() == [False, False, True, False, True]
    assert estimate_errors(labels, probabilities) == pytest.approx((1 / 3, 1 / 2))


@given(CASE)
def test_scores_equal_cleanlab(rng):
    import_cleanlab()
    from cleanlab.rank import get_label_quality_scores

    labels, probabilities = sample(rng)
    both = np.column_stack([1 - probabilities, probabilities])
    for method, options in (("self_confidence", {}), ("adjusted", {"adjust_pred_probs": True})):
        theirs = get_label_quality_scores(labels, both, method="self_confidence", **options)
        assert score_labels(labels, probabilities, method) == pytest.approx(theirs, abs=1e-12)
    margin = get_label_quality_scores(labels, both, method="normalized_margin")
    own = score_labels(labels, probabilities, "self_confidence")
    assert margin == pytest.approx(own, abs=1e-12)  # of two classes they are the same


@given(CASE)
def test_flags_and_thresholds_equal_cleanlab(rng):
    import_cleanlab()
    from cleanlab.count import compute_confident_joint, get_confident_thresholds

    labels, probabilities = sample(rng)
    both = np.column_stack([1 - probabilities, probabilities])
    assert compute_thresholds(labels, probabilities) == pytest.approx(get_confident_thresholds(labels, both))
    _, theirs = compute_confident_joint(labels, both, calibrate=False, return_indices_of_off_diagonals=True)
    assert np.flatnonzero(flag_issues(labels, probabilities)).tolist() == sorted(np.asarray(theirs).tolist())


def test_errors_and_issues_equal_cleanlab():
    import_cleanlab()
    from cleanlab.count import compute_confident_joint, estimate_joint
    from cleanlab.filter import find_label_issues

    labels, probabilities = sample(np.random.default_rng(7))
    both = np.column_stack([1 - probabilities, probabilities])
    counts = compute_confident_joint(labels, both, calibrate=False)
    shares = counts[0, 1] / counts[0].sum(), counts[1, 0] / counts[1].sum()
    assert estimate_errors(labels, probabilities) == pytest.approx(shares)
    joint = estimate_joint(labels, both)  # of counts that are rounded to whole labels
    shares = joint[0, 1] / joint[0].sum(), joint[1, 0] / joint[1].sum()
    assert estimate_errors(labels, probabilities) == pytest.approx(shares, abs=1 / min(np.bincount(labels)))
    theirs = find_label_issues(labels, both, filter_by="confident_learning", min_examples_per_class=0, n_jobs=1)
    assert (flag_issues(labels, probabilities) == theirs).all()


@given(CASE)
def test_scores_equal_a_slow_reference(rng):
    labels, probabilities = sample(rng)
    sums, counts = [0.0, 0.0], [0, 0]
    for label, p in zip(labels.tolist(), probabilities.tolist(), strict=True):
        sums[label] += p if label else 1 - p
        counts[label] += 1
    thresholds = [total / count for total, count in zip(sums, counts, strict=True)]
    for row, (label, p) in enumerate(zip(labels.tolist(), probabilities.tolist(), strict=True)):
        own = (p if label else 1 - p) - thresholds[label] + max(thresholds)
        expected = own / (1 - sum(thresholds) + 2 * max(thresholds))
        assert score_labels(labels, probabilities, "adjusted")[row] == pytest.approx(expected)


@given(CASE)
def test_scores_are_in_range_and_follow_the_probability(rng):
    labels, probabilities = sample(rng)
    for method in METHODS:
        scores = score_labels(labels, probabilities, method)
        assert ((scores >= 0) & (scores <= 1)).all()
        for k in (0, 1):
            own = probabilities[labels == k] if k else 1 - probabilities[labels == k]
            order = np.argsort(own, kind="stable")
            assert (np.diff(scores[labels == k][order]) >= -1e-12).all()


def test_one_class_has_no_errors_to_expect():
    assert compute_thresholds([0, 0], [0.1, 0.3]).tolist() == [0.8, 1.0]
    assert not flag_issues([0, 0], [0.1, 0.3]).any()
    assert np.isnan(estimate_errors([0, 0], [0.1, 0.3]).share_wrong_positives)


@pytest.mark.parametrize(
    ("labels", "probabilities", "method"),
    [([0, 1], [0.5], "adjusted"), ([0, 2], [0.5, 0.5], "adjusted"), ([0, 1], [0.5, 1.5], "adjusted"),
     ([0, 1], [0.5, 0.5], "loss"), ([0, 1], [0.5, np.nan], "adjusted")],
)  # fmt: skip
def test_wrong_arguments(labels, probabilities, method):
    with pytest.raises(ValueError, match=r"\w"):
        score_labels(labels, probabilities, method)
