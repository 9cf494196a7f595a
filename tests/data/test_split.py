"""Holding patients out."""

import numpy as np
import pandas as pd
import pytest

from chexpert.data.split import check_folds, held_range, hold_out, place_patients
from chexpert.errors import UserError


def make_frame(patients):
    return pd.DataFrame({"patient": [f"patient{n:05d}" for n in patients], "row": range(len(patients))})


@pytest.mark.parametrize("seed", range(5))
def test_a_split_never_divides_a_patient(seed):
    rng = np.random.default_rng(seed)
    for _ in range(200):  # 1,000 tables in all
        frame = make_frame(rng.integers(0, 40, rng.integers(20, 80)))
        low = rng.uniform(0, 0.5)
        kept, held = hold_out(frame, low, low + 0.5, int(rng.integers(100)))
        assert not set(kept["patient"]) & set(held["patient"])
        assert sorted([*kept["row"], *held["row"]]) == list(range(len(frame)))


def test_a_patient_stays_where_it_is_when_rows_are_added_or_reordered():
    few, many = make_frame(range(50)), make_frame(range(499, -1, -1))
    held = [set(hold_out(frame, 0, 0.3, 1)[1]["patient"]) for frame in (few, many)]
    assert held[0] == held[1] & set(few["patient"])


def test_shares_are_met_on_average():
    places = place_patients(make_frame(range(20_000))["patient"], seed=0)
    counts = np.histogram(places, bins=10, range=(0, 1))[0]
    assert abs(counts - 2000).max() < 4.5 * np.sqrt(2000 * 0.9)  # binomial


def test_folds_hold_out_every_patient_once():
    frame = make_frame(range(300))
    held = [hold_out(frame, *held_range(None, 5, fold), seed=3)[1] for fold in range(5)]
    assert sorted(row for part in held for row in part["row"]) == list(range(300))


def test_another_seed_holds_out_others():
    frame = make_frame(range(200))
    one, other = (set(hold_out(frame, 0, 0.5, seed)[1]["patient"]) for seed in (0, 1))
    assert one != other


def test_nothing_held_out_is_told():
    with pytest.raises(UserError) as caught:
        hold_out(make_frame([1]), 0.0, 0.5, 0)
    assert caught.value.where == "data.dev, data.folds"


def test_more_folds_than_patients_are_refused():
    check_folds(make_frame([1, 2, 3]), 3)
    check_folds(make_frame([1, 2, 3]), None)
    with pytest.raises(UserError) as caught:
        check_folds(make_frame([1, 2, 3]), 4)
    assert caught.value.where == "data.folds"
    assert "data.folds=3" in caught.value.hint
