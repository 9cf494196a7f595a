"""How sure a model is of a row: by its probability, and by the spread of several."""

from pathlib import Path

import numpy as np
import pytest
from helpers.errors import raises
from hypothesis import given
from hypothesis import strategies as st

from chexpert.evaluation import Calibration, Named
from chexpert.evaluation.selective.confidence import compute_confidences, plain_confidence

NAMES = ["patient00001/study1/view1_frontal.jpg", "patient00001/study1/view2_lateral.jpg", "patient00002/study1/v.jpg"]


def make_table(values, path="p.csv", names=NAMES, key="Path"):
    return Named(Path(path), key, list(names), {"Edema": np.array(values)})


def compute(predictions, spreads=None, level="study", calibration=None):
    return compute_confidences(predictions, spreads or {}, ["Edema"], level, "max", calibration)


def test_plain_confidence_by_hand():
    assert plain_confidence(np.array([0.1, 0.5, 0.8])).tolist() == [0.9, 0.5, 0.8]


@given(st.lists(st.floats(0.001, 0.999).map(lambda p: round(p, 3)), min_size=2, max_size=20))
def test_entropy_gives_the_same_order(probabilities):
    p = np.array(probabilities)
    entropy = -p * np.log(p) - (1 - p) * np.log(1 - p)
    surety = plain_confidence(p)
    first, second = np.subtract.outer(surety, surety).round(9), np.subtract.outer(entropy, entropy)
    assert (second[first > 0] < 0).all()


def test_score_of_a_study_is_computed_of_each_table_before_the_spread():
    tables = [make_table([0.1, 0.5, 0.2], "a.csv"), make_table([0.7, 0.3, 0.4], "b.csv")]
    found = compute(make_table([0.2, 0.4, 0.3]), {"ensemble": tables})
    assert found.names == ["patient00001/study1", "patient00002/study1"]
    assert found.probabilities[:, 0].tolist() == [0.4, 0.3]
    assert found.values["plain"][:, 0].tolist() == [0.6, 0.7]
    # of the first study the maxima are .5 and .7, of the second the scores .2 and .4: standard deviations of .1
    assert found.values["ensemble"][:, 0].tolist() == pytest.approx([-0.1, -0.1])


def test_order_of_a_table_changes_nothing():
    spread = [make_table([0.1, 0.5, 0.2]), make_table([0.4, 0.3, 0.7], "b.csv", [NAMES[2], NAMES[1], NAMES[0]])]
    found = compute(make_table([0.2, 0.4, 0.3]), {"ensemble": spread}, level="image")
    assert found.values["ensemble"][:, 0].tolist() == pytest.approx([-0.3, -0.1, -0.1])


def test_calibrated_where_it_was_fitted():
    levels = {"study": {"Edema": {"slope": 1.0, "intercept": 0.0}}}
    found = compute(make_table([0.2, 0.4, 0.3]), calibration=Calibration("platt", "dev", "max", levels))
    assert found.uncalibrated == []
    other = Calibration("platt", "dev", "max", {"study": {"Edema": None}})
    assert compute(make_table([0.2, 0.4, 0.3]), calibration=other).uncalibrated == ["Edema"]


@pytest.mark.parametrize(
    ("table", "code"),
    [
        (make_table([0.1], "b.csv", NAMES[:1]), "other-rows"),  # other views of the same studies
        (make_table([0.1, 0.2], "b.csv", ["patient00001/study1", "patient00009/study1"], "Study"), "other-rows"),
        (make_table([1.1, 0.2, 0.3], "b.csv"), "not-probability"),
        (Named(Path("b.csv"), "Path", NAMES, {"Fracture": np.array([0.1, 0.2, 0.3])}), "missing-observation"),
    ],
)
def test_table_that_does_not_fit_is_refused(table, code):
    own = make_table([0.2, 0.4, 0.3])
    with raises(code) as caught:
        compute(own, {"ensemble": [own, table]})
    assert "b.csv" in caught.value.where


def test_one_table_has_no_spread():
    own = make_table([0.2, 0.4, 0.3])
    with raises("too-few", "p.csv"):
        compute(own, {"ensemble": [own]})


def test_studies_have_no_single_views():
    own = make_table([0.2], names=["patient00001/study1"], key="Study")
    with raises("level", "p.csv"):
        compute(own, level="image")
    views = make_table([0.2, 0.4, 0.3])
    with raises("level", "p.csv"):
        compute(views, {"ensemble": [views, own]}, level="image")
