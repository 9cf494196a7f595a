"""Holding patients out."""

import numpy as np
import pandas as pd
import pytest
from helpers.errors import raises

from chexpert.data.split import check_folds, held_range, hold_out, place_patients


def make_frame(patients):
    return pd.DataFrame({"patient": [f"patient{n:05d}" for n in patients], "row": range(len(patients))})


@pytest.mark.parametrize("seed", range(5))
def test_no_patient_is_in_both_parts(seed):
    rng = np.random.default_rng(seed)
    for _ in range(200):  # 1,000 tables in all
        frame = make_frame(rng.integers(0, 40, rng.integers(20, 80)))
        low = rng.uniform(0, 0.5)
        kept, held = hold_out(frame, low, low + 0.5, int(rng.integers(100)))
        assert not set(kept["patient"]) & set(held["patient"])
        assert sorted([*kept["row"], *held["row"]]) == list(range(len(frame)))


def test_part_of_a_patient_does_not_depend_on_other_rows():
    few, many = make_frame(range(50)), make_frame(range(499, -1, -1))
    held = [set(hold_out(frame, 0, 0.3, 1)[1]["patient"]) for frame in (few, many)]
    assert held[0] == held[1] & set(few["patient"])


def test_patients_are_uniformly_distributed():
    places = place_patients(make_frame(range(20_000))["patient"], seed=0)
    counts = np.histogram(places, bins=10, range=(0, 1))[0]
    assert abs(counts - 2000).max() < 4.5 * np.sqrt(2000 * 0.9)  # binomial


def test_folds_hold_out_every_patient_once():
    frame = make_frame(range(300))
    held = [hold_out(frame, *held_range(None, 5, fold), seed=3)[1] for fold in range(5)]
    assert sorted(row for part in held for row in part["row"]) == list(range(300))


def test_another_seed_holds_out_other_patients():
    frame = make_frame(range(200))
    one, other = (set(hold_out(frame, 0, 0.5, seed)[1]["patient"]) for seed in (0, 1))
    assert one != other


def test_empty_part_is_an_error():
    with raises("too-few", "data.dev, data.folds"):
        hold_out(make_frame([1]), 0.0, 0.5, 0)


def test_more_folds_than_patients_are_an_error():
    check_folds(make_frame([1, 2, 3]), 3)
    check_folds(make_frame([1, 2, 3]), None)
    with raises("too-few", "data.folds") as caught:
        check_folds(make_frame([1, 2, 3]), 4)
    assert "data.folds=3" in caught.value.hint
