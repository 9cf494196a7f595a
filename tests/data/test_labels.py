"""Label policies, on hand-made tables and against a loop."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chexpert.data.frame import read_frame
from chexpert.data.labels import LabelPolicy, hard_labels
from chexpert.observations import OBSERVATIONS
from chexpert.problem import ProblemError

BLANK = float("nan")
LSR = [0.55, 0.85]
WORDS = {"zeros": (0.0, 0.0), "ones": (1.0, 1.0), "ignore": None}

labels = st.sampled_from([1.0, 0.0, -1.0, BLANK])
units = st.floats(0, 1, width=16)
rules = st.one_of(st.sampled_from([*WORDS, LSR]), units, st.tuples(units, units).map(sorted))
seeds = st.integers(0, 2**31)


def make_frame(rows, names=("Edema",), start=0):
    """A table of ``rows``, each with a label per name, for patients numbered from ``start``."""
    frame = pd.DataFrame(np.array(rows, dtype="float32").reshape(-1, len(names)), columns=list(names))
    frame["key"] = [f"train/patient{n}/study1/view1_frontal" for n in range(start, start + len(frame))]
    return frame


def uncertain(count, names=("Edema",), start=0):
    return make_frame([[-1] * len(names)] * count, names, start)


def apply(policy, rows):
    """Targets and mask of one column of labels."""
    targets = policy.apply(make_frame(rows), ["Edema"])
    return targets.values[:, 0].tolist(), targets.mask[:, 0].tolist()


def draw(policy, frame, names=("Edema",)):
    """The target values of all rows."""
    return policy.apply(frame, names).values


@pytest.mark.parametrize(
    ("rule", "targets", "mask"),
    [
        ("zeros", [1, 0, 0, 0], [True, True, True, True]),
        ("ones", [1, 0, 1, 0], [True, True, True, True]),
        ("ignore", [1, 0, 0, 0], [True, True, False, True]),
        (0.25, [1, 0, 0.25, 0], [True, True, True, True]),
        (1, [1, 0, 1, 0], [True, True, True, True]),
        ([0.5, 0.5], [1, 0, 0.5, 0], [True, True, True, True]),
    ],
)
def test_each_policy_for_uncertain_labels(rule, targets, mask):
    assert apply(LabelPolicy(rule), [1, 0, -1, BLANK]) == (targets, mask)


@pytest.mark.parametrize(
    ("rule", "targets", "mask"),
    [
        ("zeros", [1, 0, 1, 0], [True, True, True, True]),
        ("ones", [1, 0, 1, 1], [True, True, True, True]),
        ("ignore", [1, 0, 1, 0], [True, True, True, False]),
        (0.25, [1, 0, 1, 0.25], [True, True, True, True]),
    ],
)
def test_each_policy_for_blank_labels(rule, targets, mask):
    assert apply(LabelPolicy("ones", blank=rule), [1, 0, -1, BLANK]) == (targets, mask)


def test_draws_fill_their_bounds_evenly():
    targets = draw(LabelPolicy(LSR), uncertain(2000))
    assert 0.55 <= targets.min() < 0.551
    assert 0.849 < targets.max() <= np.float32(0.85)
    assert targets.mean() == pytest.approx(0.70, abs=0.01)


def test_draws_differ_between_observations():
    names = ["Edema", "Fracture"]
    targets = draw(LabelPolicy(LSR), uncertain(20, names), names)
    assert (targets[:, 0] != targets[:, 1]).all()


def test_draws_do_not_depend_on_which_observations_are_asked_for():
    frame = uncertain(5, ["Edema", "Fracture"])
    both = draw(LabelPolicy(LSR), frame, ["Edema", "Fracture"])
    alone = draw(LabelPolicy(LSR), frame, ["Fracture"])
    assert (alone[:, 0] == both[:, 1]).all()


def test_draws_differ_between_seeds_and_repeat_with_one():
    first, again, other = (draw(LabelPolicy(LSR, seed=seed), uncertain(20)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).all()


@given(order=st.permutations(range(8)), kept=st.integers(1, 8))
def test_draws_do_not_depend_on_order_or_on_other_rows(order, kept):
    frame = uncertain(8)
    targets = draw(LabelPolicy(LSR), frame)
    some = order[:kept]
    shuffled = draw(LabelPolicy(LSR), frame.iloc[some])
    assert (shuffled == targets[some]).all()


def test_draws_are_the_same_for_the_small_and_the_full_copy(tmp_path, write_table, make_row):
    rows = [make_row({"Edema": "-1.0"}, patient=patient) for patient in range(5)]
    full = [row | {"Path": row["Path"].replace("-small", "")} for row in rows]
    small, large = (
        draw(LabelPolicy(LSR), read_frame(write_table(tmp_path / "train.csv", table))) for table in (rows, full)
    )
    assert (small == large).all()


def test_hard_labels_mask_what_is_not_0_or_1():
    targets, mask = hard_labels(make_frame([1, 0, -1, BLANK]), ["Edema"])
    assert targets[:, 0].tolist() == [1, 0, 0, 0]
    assert mask[:, 0].tolist() == [True, True, False, False]


def test_columns_follow_the_observations_asked_for():
    frame = make_frame([[1, 0]], ["Edema", "Fracture"])
    assert hard_labels(frame, ["Fracture", "Edema"])[0].tolist() == [[0, 1]]


def test_applying_a_policy_leaves_the_table_alone():
    frame = make_frame([1, 0, -1, BLANK])
    before = frame.copy()
    LabelPolicy("ones", blank="ones").apply(frame, ["Edema"])
    pd.testing.assert_frame_equal(frame, before)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(st.tuples(labels, labels, labels), max_size=6), rule=rules, blank=rules, seed=seeds)
def test_a_policy_agrees_with_a_loop(rows, rule, blank, seed):
    names = OBSERVATIONS[:3]
    targets, mask, _ = vars(LabelPolicy(rule, blank, seed=seed).apply(make_frame(rows, names), names)).values()
    assert targets.shape == mask.shape == (len(rows), 3)
    assert (targets.dtype, mask.dtype) == (np.float32, bool)
    for row, seen, target in zip(rows, mask, targets, strict=True):
        for c, label in enumerate(row):
            bounds = bounds_by_loop(label, rule, blank)
            assert seen[c] == (bounds is not None)
            low, high = bounds or (0, 0)
            assert 0 <= target[c] <= 1
            assert low - 1e-7 <= target[c] <= high + 1e-7


def bounds_by_loop(label, rule, blank):
    """Where the target of one label may lie, or None where it is masked."""
    if label in (0, 1):
        return label, label
    rule = rule if label == -1 else blank
    if isinstance(rule, str):
        return WORDS[rule]
    return (rule, rule) if isinstance(rule, float) else tuple(rule)


@pytest.mark.parametrize("rule", ["one", 1.5, -0.1, [0.85, 0.55], [0.5], [0, 2], None, True, float("nan"), "ab"])
def test_what_is_not_a_rule_is_refused_with_its_key(rule):
    with pytest.raises(ProblemError, match=r"labels\.uncertain"):
        LabelPolicy(rule)


def test_all_wrong_rules_are_told_at_once():
    problems = LabelPolicy.find_problems(uncertain="one", blank=7)
    assert ["labels.uncertain" in problems[0], "labels.blank" in problems[1]] == [True, True]


def test_good_rules_have_no_problems():
    assert LabelPolicy.find_problems(uncertain=LSR, blank="ignore", seed=3) == []
