"""Averages of predictions, computed by hand."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.evaluation.ensemble import average
from chexpert.evaluation.predictions import Named
from chexpert.runs.anonymize import hash_name

A = "CheXpert-v1.0-small/valid/patient00001/study1/view1_frontal.jpg"
B = "CheXpert-v1.0-small/valid/patient00002/study1/view1_frontal.jpg"
C = "CheXpert-v1.0-small/valid/patient00003/study1/view1_frontal.jpg"


def make(name, rows, key="Path", **columns):
    return Named(Path(name), key, list(rows), {one.replace("_", " "): np.array(own) for one, own in columns.items()})


def test_mean_aligns_rows_by_name_to_the_first_member():
    first = make("one.csv", (A, B, C), Edema=[0.1, 0.2, 0.3])
    other = make("two.csv", (C, A, B), Edema=[0.9, 0.5, 0.0])
    averaged = average({"Edema": [first, other]})
    assert averaged.names == [A, B, C]
    assert averaged.columns["Edema"].tolist() == pytest.approx([0.3, 0.1, 0.6], abs=1e-15)


@pytest.mark.parametrize("how", ["mean", "rank"])
def test_average_does_not_depend_on_the_order_of_members(how):
    rng = np.random.default_rng(0)
    members = [make(f"{n}.csv", map(str, range(500)), Edema=rng.random(500)) for n in range(7)]
    averaged = average({"Edema": members}, how).columns["Edema"]
    assert averaged.tolist() == average({"Edema": members[::-1]}, how).columns["Edema"].tolist()


def test_rows_of_another_dataset_folder_are_the_same():
    other = make("two.csv", [name.replace("-small", "") for name in (B, A)], Edema=[1.0, 0.0])
    assert average({"Edema": [make("one.csv", (A, B), Edema=[0.0, 0.5]), other]}).columns["Edema"].tolist() == [0, 0.75]


def test_ranks_average_ties_and_ignore_scale():
    first = make("one.csv", (A, B, C), Edema=[0.1, 0.2, 0.2])  # 1, 2.5, 2.5
    other = make("two.csv", (A, B, C), Edema=[-40.0, 900.0, 0.0])  # 1, 3, 2
    averaged = average({"Edema": [first, other]}, "rank").columns["Edema"]
    assert averaged.tolist() == [1, 2.75, 2.25]


def test_each_observation_has_its_own_members():
    first = make("one.csv", (A, B), Edema=[0.2, 0.4], Consolidation=[0.1, 0.1])
    other = make("two.csv", (A, B), Consolidation=[0.3, 0.5])
    averaged = average({"Edema": [first], "Consolidation": [first, other]}).columns
    assert averaged["Edema"].tolist() == [0.2, 0.4]
    assert averaged["Consolidation"].tolist() == pytest.approx([0.2, 0.3], abs=1e-15)


def test_hashes_by_two_runs_have_no_row_in_common():
    members = [make(f"{salt}.csv", [hash_name(one, salt) for one in "ab"], Edema=[0.1, 0.2]) for salt in ("x", "y")]
    with raises("other-rows", "x.csv and y.csv") as caught:
        average({"Edema": members})
    assert "--ids path" in caught.value.hint


@pytest.mark.parametrize(
    ("other", "code", "where", "numbers"),
    [
        (make("two.csv", (B,), Edema=[0.1]), "other-rows", "one.csv and two.csv", ["1", "2", "0"]),
        (make("two.csv", (C,), Edema=[0.1]), "other-rows", "one.csv and two.csv", ["2", "2", "1"]),
        (make("two.csv", (A, B), Fracture=[0.1, 0.2]), "missing-observation", "two.csv", []),
        (make("two.csv", (A, B), Edema=[0.1, 1.2]), "not-probability", "two.csv beside one.csv", ["0", "1"]),
    ],
)
def test_members_that_do_not_match_are_an_error(other, code, where, numbers):
    with raises(code, where) as caught:
        average({"Edema": [make("one.csv", (A, B), Edema=[0.1, 0.2]), other]})
    assert re.findall(r"\d+", caught.value.message) == numbers


def test_scores_of_any_scale_have_a_mean():
    pair = [make(f"{name}.csv", (A, B), Edema=own) for name, own in (("one", [-2.0, 2.0]), ("two", [0.0, 4.0]))]
    assert average({"Edema": pair}).columns["Edema"].tolist() == [-1.0, 3.0]
