"""The members' disagreement of an ensemble, on made-up predictions."""

from pathlib import Path

import numpy as np
import pytest

from chexpert.evaluation.disagreement import NO_PROBABILITIES, SINGLE, evaluate_disagreement
from chexpert.evaluation.predictions import Named
from chexpert.metrics.disagreement import disagreement
from chexpert.report.text.disagreement import describe_disagreement

EDEMA, FLUID = "Edema", "Pleural Effusion"
NAMES = [f"valid/patient{64541 + row:05d}/study1/view1_frontal.jpg" for row in range(6)]
LABELS = np.array([1, 1, 0, 0, 1, 0], float)
SCORES = {"a": [0.9, 0.8, 0.2, 0.6, 0.4, 0.1], "b": [0.7, 0.4, 0.1, 0.9, 0.8, 0.6], "c": [0.9, 0.1, 0.6, 0.2, 0.8, 0.7]}


def make(name: str, observation: str = EDEMA, order=range(6)) -> Named:
    values = np.array(SCORES[name])[list(order)]
    return Named(Path(f"{name}.csv"), "Path", [NAMES[row] for row in order], {observation: values})


def make_labels(**columns) -> Named:
    return Named(Path("L.csv"), "Path", list(NAMES), {EDEMA: LABELS} | columns)


def test_pairs_and_means_are_those_of_the_arrays():
    members = [make("a"), make("b", order=[5, 4, 3, 2, 1, 0]), make("c")]
    content = evaluate_disagreement({EDEMA: members}, make_labels())
    own = content["observations"][EDEMA]
    expected = [disagreement(SCORES[one], SCORES[two], LABELS) for one, two in ("ab", "ac", "bc")]
    assert [pair["q"] for pair in own["pairs"]] == [None if np.isnan(one.q) else one.q for one in expected]
    assert [pair["correlation"] for pair in own["pairs"]] == pytest.approx([one.correlation for one in expected])
    assert own["pairs"][0]["members"] == ["a.csv", "b.csv"]
    assert own["pairs"][0]["both_right"] == 2
    assert own["mean"]["correlation"]["value"] == pytest.approx(np.mean([one.correlation for one in expected]))
    assert own["n"] == own["pairs"][0]["n"] == 6
    assert content["mean"]["q"]["value"] == own["mean"]["q"]["value"]
    assert describe_disagreement(content).count("members 1 and") == 2


def test_undefined_values_are_left_out_of_the_mean_and_counted():
    labels = make_labels(**{EDEMA: np.array([1, 1, np.nan, np.nan, np.nan, np.nan])})
    own = evaluate_disagreement({EDEMA: [make("a"), make("b"), make("c")]}, labels)["observations"][EDEMA]
    assert own["n"] == 2
    assert own["mean"]["q"] == {"value": None, "defined": 0, "of": 3}
    assert all(pair["why"] for pair in own["pairs"])


def test_one_member_and_scores_that_are_no_probabilities_have_a_reason():
    lone = evaluate_disagreement({EDEMA: [make("a")]}, make_labels())["observations"][EDEMA]
    assert (lone["pairs"], lone["why"]) == ([], SINGLE)
    wide = Named(Path("w.csv"), "Path", list(NAMES), {EDEMA: np.arange(6.0)})
    content = evaluate_disagreement({EDEMA: [make("a"), wide]}, make_labels())
    assert content["observations"][EDEMA]["why"] == NO_PROBABILITIES
    assert NO_PROBABILITIES in describe_disagreement(content)
