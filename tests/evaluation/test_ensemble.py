"""Averages of predictions, by hand."""

from pathlib import Path

import numpy as np
import pytest

from chexpert.errors import UserError
from chexpert.evaluation.ensemble import average
from chexpert.evaluation.predictions import Named

A = "CheXpert-v1.0-small/valid/patient00001/study1/view1_frontal.jpg"
B = "CheXpert-v1.0-small/valid/patient00002/study1/view1_frontal.jpg"
C = "CheXpert-v1.0-small/valid/patient00003/study1/view1_frontal.jpg"


def make(name, rows, key="Path", **columns):
    return Named(Path(name), key, list(rows), {one.replace("_", " "): np.array(own) for one, own in columns.items()})


def test_the_mean_takes_rows_by_name_in_the_order_of_the_first_member():
    first = make("one.csv", (A, B, C), Edema=[0.1, 0.2, 0.3])
    other = make("two.csv", (C, A, B), Edema=[0.9, 0.5, 0.0])
    averaged = average({"Edema": [first, other]})
    assert averaged.names == [A, B, C]
    assert averaged.columns["Edema"].tolist() == pytest.approx([0.3, 0.1, 0.6], abs=1e-15)


@pytest.mark.parametrize("how", ["mean", "rank"])
def test_the_order_of_the_members_makes_no_difference_to_the_last_digit(how):
    rng = np.random.default_rng(0)
    members = [make(f"{n}.csv", map(str, range(500)), Edema=rng.random(500)) for n in range(7)]
    averaged = average({"Edema": members}, how).columns["Edema"]
    assert averaged.tolist() == average({"Edema": members[::-1]}, how).columns["Edema"].tolist()


def test_rows_are_the_same_in_another_copy_of_the_data():
    other = make("two.csv", [name.replace("-small", "") for name in (B, A)], Edema=[1.0, 0.0])
    assert average({"Edema": [make("one.csv", (A, B), Edema=[0.0, 0.5]), other]}).columns["Edema"].tolist() == [0, 0.75]


def test_ranks_put_ties_at_their_middle_and_forget_scale():
    first = make("one.csv", (A, B, C), Edema=[0.1, 0.2, 0.2])  # 1, 2.5, 2.5
    other = make("two.csv", (A, B, C), Edema=[-40.0, 900.0, 0.0])  # 1, 3, 2
    averaged = average({"Edema": [first, other]}, "rank").columns["Edema"]
    assert averaged.tolist() == [1, 2.75, 2.25]


def test_each_observation_has_members_of_its_own():
    first = make("one.csv", (A, B), Edema=[0.2, 0.4], Consolidation=[0.1, 0.1])
    other = make("two.csv", (A, B), Consolidation=[0.3, 0.5])
    averaged = average({"Edema": [first], "Consolidation": [first, other]}).columns
    assert averaged["Edema"].tolist() == [0.2, 0.4]
    assert averaged["Consolidation"].tolist() == pytest.approx([0.2, 0.3], abs=1e-15)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (make("two.csv", (B,), Edema=[0.1]), "members of different rows: the second lacks 1 of the first's 2"),
        (make("two.csv", (C,), Edema=[0.1]), "members without one row in common"),
        (make("two.csv", (A, B), Fracture=[0.1, 0.2]), "no Edema"),
        (make("two.csv", (A, B), Edema=[0.1, 1.2]), "scores outside"),
    ],
)
def test_what_has_no_average_is_refused_by_the_names_of_the_files(other, message):
    with pytest.raises(UserError, match=message) as error:
        average({"Edema": [make("one.csv", (A, B), Edema=[0.1, 0.2]), other]})
    assert "two.csv" in error.value.where


def test_scores_that_are_all_no_probabilities_have_a_mean():
    pair = [make(f"{name}.csv", (A, B), Edema=own) for name, own in (("one", [-2.0, 2.0]), ("two", [0.0, 4.0]))]
    assert average({"Edema": pair}).columns["Edema"].tolist() == [-1.0, 3.0]
