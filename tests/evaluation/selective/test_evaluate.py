"""Risks and areas of labeled rows, with paired differences: by hand, and against a slow reference."""

import math
from itertools import pairwise

import numpy as np
import pytest

from chexpert.evaluation.selective import evaluate
from chexpert.evaluation.selective.confidence import Confidences, plain_confidence
from chexpert.evaluation.selective.evaluate import (
    average_observations,
    choose_replicates,
    compute_losses,
    evaluate_kept,
    evaluate_selective,
    find_better,
)
from chexpert.evaluation.selective.labeled import LabeledConfidences
from chexpert.metrics.resampling import sample_studies
from chexpert.metrics.risk_coverage import risk_coverage

NAN = math.nan
HALF = np.array([0.5, 0.5])


def make(probabilities, labels, studies=None, **others):
    probabilities, labels = np.array(probabilities), np.array(labels, "float64")
    n = len(probabilities)
    values = {"plain": plain_confidence(probabilities)} | {kind: np.array(own) for kind, own in others.items()}
    own = Confidences([f"s{row}" for row in range(n)], ["A", "B"], probabilities, values, [])
    return LabeledConfidences(own, labels, np.arange(n) if studies is None else np.array(studies), np.arange(n))


def test_losses_by_hand():
    losses = compute_losses(np.array([[0.5, 0.2], [0.4, 0.9]]), np.array([[0, 0], [1, NAN]]), HALF)
    assert losses["error"].tolist()[0] == [1, 0]  # from the threshold on it is a yes
    assert losses["error"][1, 0] == 1
    assert np.isnan(losses["error"][1, 1])
    assert losses["brier"][:, 0].tolist() == pytest.approx([0.25, 0.36])
    assert average_observations(losses["error"]).tolist() == [0.5, 1.0]


def test_rows_without_a_label_are_left_out_of_the_risk():
    content = evaluate_selective(make([[0.9, 0.8], [0.6, 0.2], [0.7, 0.7]], [[1, NAN], [0, NAN], [NAN, NAN]]), HALF, 20)
    assert content["unlabeled"] == ["B"]
    own = content["confidences"]["plain"]
    assert set(own) == {"mean", "A"}
    assert own["A"]["error"]["n"] == own["mean"]["error"]["n"] == 2
    assert own["A"]["error"]["risk"]["value"] == 0.5
    assert own["A"]["error"]["aurc"]["value"] == pytest.approx((0 + 0.5) / 2)


def test_area_and_differences_against_a_slow_reference():
    rng = np.random.default_rng(3)
    probabilities, labels = rng.random((30, 2)), (rng.random((30, 2)) < 0.4).astype(float)
    labels[4, 0] = NAN
    studies = np.repeat(np.arange(15), 2)
    other = rng.normal(size=(30, 2))
    content = evaluate_selective(make(probabilities, labels, studies, tta=other), HALF, 50, seed=2)
    losses = average_observations(compute_losses(probabilities, labels, HALF)["brier"])
    suretys = {"plain": plain_confidence(probabilities).mean(1), "tta": other.mean(1)}
    areas = {kind: risk_coverage(own, losses).aurc() for kind, own in suretys.items()}
    counts = sample_studies(15, 50, 2)
    replicates = {"plain": [], "tta": [], "random": []}
    for r in range(50):
        rows = [row for row in range(30) for _ in range(counts[studies[row], r])]
        for kind, own in suretys.items():
            replicates[kind].append(risk_coverage(own[rows], losses[rows]).aurc())
        replicates["random"].append(losses[rows].mean())
    own = content["confidences"]["tta"]["mean"]["brier"]
    assert own["aurc"]["value"] == pytest.approx(areas["tta"])
    for than, value in (("random", losses.mean()), ("plain", areas["plain"])):
        difference = own[f"over_{than}"]
        assert difference["value"] == pytest.approx(areas["tta"] - value)
        reach = 1.959964 * np.std(np.subtract(replicates["tta"], replicates[than]), ddof=1)
        assert difference["ci_high"] - difference["value"] == pytest.approx(reach, rel=1e-5)
    assert "over_plain" not in content["confidences"]["plain"]["mean"]["brier"]


def test_confidence_that_knows_the_errors_is_better_than_the_plain_one():
    rng = np.random.default_rng(0)
    probabilities, labels = rng.random((300, 2)), (rng.random((300, 2)) < 0.5).astype(float)
    wrong = (probabilities >= 0.5) != (labels == 1)
    content = evaluate_selective(make(probabilities, labels, tta=0 - wrong, members=rng.random((300, 2))), HALF, 200)
    assert find_better(content, "plain", "error") == ["tta"]
    assert find_better(content, "random", "error") == ["tta"]
    assert content["confidences"]["tta"]["mean"]["error"]["over_plain"]["p_holm"] < 1e-6


def test_risk_of_the_rows_that_are_kept():
    rows = make([[0.9, 0.8], [0.6, 0.2], [0.1, 0.9]], [[1, 0], [0, 0], [0, 1]])
    kept = evaluate_kept(rows, HALF, np.array([True, False, True]), 50)
    assert (kept["n"], kept["coverage"]) == (2, pytest.approx(2 / 3))
    assert kept["error"]["value"] == pytest.approx(0.25)
    assert kept["error"]["ci_low"] <= 0.25 <= kept["error"]["ci_high"]
    assert math.isnan(evaluate_kept(rows, HALF, np.zeros(3, bool), 50)["error"]["value"])


def test_replicates_fall_steadily_with_the_rows():
    counts = [choose_replicates(rows) for rows in range(1, 20_001)]
    assert (counts[0], counts[999], counts[4999], counts[-1]) == (1000, 1000, 200, 100)
    assert all(0 <= before - now <= 1 for before, now in pairwise(counts))


def test_no_curve_keeps_its_own_copy_of_the_counts(monkeypatch):
    kept, describe = [], evaluate._Curve.describe
    monkeypatch.setattr(evaluate._Curve, "describe", lambda own, plain: kept.append(own.counts) or describe(own, plain))
    evaluate_selective(make([[0.9, 0.8], [0.6, 0.2]], [[1, NAN], [0, NAN]]), HALF, 20)
    assert len({id(own) for own in kept}) == 1
