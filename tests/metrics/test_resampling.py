"""Bootstrap replicates, compared with scikit-learn on the resampled rows."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from chexpert.metrics.resampling import (
    auroc_sums,
    compute_replicates,
    mean_sums,
    resample_studies,
    sample_studies,
    weighted_aurocs,
    weighted_average_precisions,
    weighted_means,
)


@pytest.fixture(params=[1, 6], ids=["ties", "few ties"])
def rows(request):
    rng = np.random.default_rng(request.param)
    labels = (rng.random(60) < 0.3).astype("float64")
    return (rng.normal(size=60) + labels).round(request.param), labels, resample_studies(np.arange(60), 50, seed=7)


def repeat(counts):
    return [np.repeat(np.arange(counts.shape[1]), row.astype(int)) for row in counts]


@pytest.mark.parametrize(
    ("metric", "theirs"),
    [(weighted_aurocs, roc_auc_score), (weighted_average_precisions, average_precision_score)],
)
def test_replicate_matches_sklearn_on_the_resampled_rows(rows, metric, theirs):
    scores, labels, counts = rows
    expected = [theirs(labels[sample], scores[sample]) for sample in repeat(counts)]
    assert metric(scores, labels, counts) == pytest.approx(expected, abs=1e-12)


def test_replicate_of_one_class_is_undefined():
    counts = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    assert np.isnan(weighted_aurocs([0.1, 0.2], [0, 1], counts)).tolist() == [True, True, False]
    assert np.isnan(weighted_average_precisions([0.1, 0.2], [0, 1], counts)).tolist() == [True, False, False]


def test_views_of_a_study_are_resampled_together():
    counts = resample_studies([0, 1, 0, 2], replicates=200, seed=1)
    assert (counts[:, 0] == counts[:, 2]).all()
    assert (counts[:, [0, 1, 3]].sum(1) == 3).all()  # as many studies as there are
    assert counts.mean() == pytest.approx(1, abs=0.1)


def test_seed_fixes_the_resamples():
    assert (resample_studies(np.arange(9), 5, seed=3) == resample_studies(np.arange(9), 5, seed=3)).all()
    assert (resample_studies(np.arange(9), 5, seed=3) != resample_studies(np.arange(9), 5, seed=4)).any()


def test_chunk_size_does_not_change_results(rows, monkeypatch):
    scores, labels, counts = rows
    whole = weighted_aurocs(scores, labels, counts)
    monkeypatch.setattr("chexpert.metrics.resampling.CHUNK", 60 * 7)
    assert (weighted_aurocs(scores, labels, counts) == whole).all()


def test_mean_of_hand_made_counts():
    means = weighted_means([1.0, 4.0], np.array([[1.0, 1.0], [3.0, 0.0], [0.0, 0.0]]))
    assert means[:2].tolist() == [2.5, 1.0]
    assert np.isnan(means[2])


def test_auroc_of_no_rows_is_undefined():
    assert np.isnan(weighted_aurocs([], [], np.zeros((3, 0)))).all()


@pytest.mark.parametrize("prevalence", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_auroc_of_studies_is_the_share_of_pairs_in_order(monkeypatch, prevalence, precision):
    monkeypatch.setattr("chexpert.metrics.resampling.EXACT", 0 if precision == "float64" else 2**23)
    rng = np.random.default_rng(3)
    labels, scores = rng.random(41) < prevalence, rng.integers(0, 12, 41) / 12  # with ties of both classes
    studies = np.sort(rng.integers(0, 20, 41))
    counts = sample_studies(20, 30, seed=2)
    found = compute_replicates([(auroc_sums(scores, labels), studies)], counts)[0]
    order = (scores[:, None] > scores) + (scores[:, None] == scores) / 2
    for value, rows in zip(found, counts[studies].T.astype("float64"), strict=True):
        up, down = rows * labels, rows * ~labels
        pairs = up.sum() * down.sum()
        assert value == pytest.approx(up @ order @ down / pairs if pairs else np.nan, abs=1e-15, nan_ok=True)


def test_chunks_sample_the_same_studies(monkeypatch):
    expected = np.random.default_rng(5).multinomial(30, np.full(30, 1 / 30), 17)
    monkeypatch.setattr("chexpert.metrics.resampling.CHUNK", 30 * 4)
    sample_studies.cache_clear()
    assert (expected == sample_studies(30, 17, seed=5).T).all()


def test_value_of_sums_is_the_metric_of_the_rows(rows):
    scores, labels, _ = rows
    assert auroc_sums(scores, labels).value() == pytest.approx(roc_auc_score(labels, scores), abs=1e-15)
    assert mean_sums(scores).value() == pytest.approx(scores.mean(), abs=1e-15)
    assert np.isnan(mean_sums([]).value())
