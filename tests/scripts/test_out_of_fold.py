"""The out-of-fold AUROC of the benchmark on small data."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "scripts/benchmarks")
    import out_of_fold

    return out_of_fold


def test_rows_of_one_fold_alone_are_compared(benchmark):
    rng = np.random.default_rng(0)
    scores, labels, folds = (
        rng.random((2, 60, 5)).round(1),
        (rng.random((60, 5)) < 0.3) * 1.0,
        rng.integers(3, size=(2, 60)),
    )
    labels[rng.random((60, 5)) < 0.1] = np.nan
    counts = np.vstack([np.ones(60, int), rng.integers(3, size=60)]).astype(np.uint8)

    def slow(seed, column, times):
        ordered = pairs = 0.0
        for a, b in product(range(60), repeat=2):
            if folds[seed, a] == folds[seed, b] and labels[a, column] == 1 and labels[b, column] == 0:
                one, other = scores[seed, a, column], scores[seed, b, column]
                ordered += times[a] * times[b] * ((one > other) + 0.5 * (one == other))
                pairs += float(times[a]) * times[b]
        return ordered / pairs

    expected = [np.mean([slow(s, c, times.astype(float)) for s in range(2) for c in range(5)]) for times in counts]
    assert benchmark.resample(benchmark.Scores(scores, folds), labels, counts) == pytest.approx(expected, abs=1e-12)


def test_another_scale_in_each_fold_changes_nothing(benchmark):
    rng = np.random.default_rng(1)
    scores, labels, folds = rng.random((1, 60, 5)), (rng.random((60, 5)) < 0.3) * 1.0, rng.integers(3, size=(1, 60))
    counts = np.ones((1, 60), np.uint8)
    moved = scores + 10.0 * folds[..., None]
    assert benchmark.resample(benchmark.Scores(moved, folds), labels, counts) == benchmark.resample(
        benchmark.Scores(scores, folds), labels, counts
    )
