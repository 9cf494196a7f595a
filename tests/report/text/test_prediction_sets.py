"""Prediction sets of an evaluation as text."""

import numpy as np
import pytest

from chexpert.evaluation import LabeledScores, PredictionSets, evaluate, evaluate_sets
from chexpert.report import describe_evaluation
from chexpert.report.text.prediction_sets import describe_sets, summarize_sets

NAMES = ["Edema", "Fracture"]


def make_labeled(seed):
    rng = np.random.default_rng(seed)
    labels = np.column_stack([np.arange(80) % 2, np.arange(80) < 5]).astype(float)
    names = [f"patient{n}/study1" for n in range(80)]
    return LabeledScores(names, np.arange(80), NAMES, rng.random((80, 2)) * (1 + labels) / 2, labels, "study", "max")


@pytest.fixture(scope="module")
def content():
    labeled, sets = make_labeled(1), PredictionSets.fit("dev", [make_labeled(0)])
    return evaluate(labeled, mean_over=NAMES, replicates=10) | {"prediction_sets": evaluate_sets(labeled, sets)}


def test_table_has_coverage_size_and_shares_or_the_count(content):
    head, edema, fracture = describe_sets(content)
    own = content["prediction_sets"]["error_rates"]["0.1"]["Edema"]
    assert "dev" in head
    assert "0.1" in head
    for metric in (own["coverage"]["present"], own["coverage"]["absent"], own["size"]):
        assert f"{metric['value']:.2f} [{metric['ci_low']:.2f}, {metric['ci_high']:.2f}]" in edema
    assert edema.endswith(" / ".join(f"{share:.2f}"[1:] if share < 1 else "1.00" for share in (
        own["shares"][kind] for kind in ("present", "absent", "both", "neither"))))  # fmt: skip
    assert fracture.split(": ") == ["Fracture                    no set", "5 patients present, 9 needed"]
    assert {head, edema, fracture} <= {*describe_evaluation(content, "made up").splitlines()}


def test_summary_is_one_line(content):
    (line,) = summarize_sets(content)
    assert f"{content['prediction_sets']['error_rates']['0.1']['Edema']['size']['value']:.2f}" in line
    assert "Fracture: 5 patients present, 9 needed" in line


@pytest.mark.parametrize("content", [{}, {"prediction_sets": None}])
def test_without_sets_nothing_is_said(content):
    assert [*describe_sets(content), *summarize_sets(content)] == []
