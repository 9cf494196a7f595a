"""Label policies, on hand-made tables and against a loop."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chexpert.data.labels import LabelPolicy, find_scarce, hard_labels
from chexpert.data.sources.frame import read_frame
from chexpert.errors import UserError

BLANK = float("nan")
LSR = [0.55, 0.85]


def make_frame(rows, names=("Edema",), start=0):
    """A table of ``rows``, each with a label per name, for patients numbered from ``start``."""
    frame = pd.DataFrame(np.array(rows, dtype="float32").reshape(-1, len(names)), columns=list(names))
    frame["key"] = [f"train/patient{n}/study1/view1_frontal" for n in range(start, start + len(frame))]
    return frame


def uncertain(count, names=("Edema",), start=0):
    return make_frame([[-1] * len(names)] * count, names, start)


def apply(policy, rows):
    """Targets and mask of one column of labels."""
    targets, mask, _ = policy.apply(make_frame(rows), ["Edema"])
    return targets[:, 0].tolist(), mask[:, 0].tolist()


def draw(policy, frame, names=("Edema",)):
    """The target values of all rows."""
    return policy.apply(frame, names)[0]


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


@pytest.mark.parametrize("rule", ["one", 1.5, -0.1, [0.85, 0.55], [0.5], [0, 2], None, True, float("nan"), "ab"])
def test_what_is_not_a_rule_is_refused_with_its_key(rule):
    with pytest.raises(UserError, match=r"labels\.uncertain"):
        LabelPolicy(rule)


def test_all_wrong_rules_are_told_at_once():
    errors = LabelPolicy.validate_args(uncertain="one", blank=7)
    assert ["labels.uncertain" in errors[0], "labels.blank" in errors[1]] == [True, True]


def test_arguments_that_do_not_fit_the_observations_are_told_at_once():
    errors = LabelPolicy.validate_args(
        uncertain={"Edema": "ones", "Fracture": "self_trained"},
        blank="three_class",
        conditional=True,
        conditional_rows="some",
        observations=["Edema", "Fracture", "Cardiomegaly"],
    )
    assert [error.splitlines()[0] for error in errors] == [
        "no rule for Cardiomegaly",
        "three_class is for uncertain labels",
        "unknown rows: 'some'",
        "not among the observations, although others depend on it: Lung Opacity, Enlarged Cardiomediastinum",
        "self_trained needs the predictions of a first run",
    ]


def test_good_rules_have_no_problems():
    assert LabelPolicy.validate_args(uncertain=LSR, blank="ignore", seed=3) == []


def test_rules_differ_by_observation():
    names = ["Edema", "Fracture", "Pneumonia"]
    policy = LabelPolicy({"default": 0.3, "Fracture": "ignore"}, blank={"default": "ignore", "Pneumonia": "ones"})
    targets, mask, _ = policy.apply(make_frame([[-1] * 3, [BLANK] * 3], names), names)
    assert targets.tolist() == np.array([[0.3, 0, 0.3], [0, 0, 1]], "float32").tolist()
    assert mask.tolist() == [[True, False, True], [False, False, True]]


def test_three_classes_append_a_column_and_mask_what_was_not_said():
    names = ["Edema", "Fracture"]
    frame = make_frame([[1, 1], [0, 0], [-1, -1], [BLANK, BLANK]], names)
    policy = LabelPolicy({"default": "ones", "Fracture": "three_class"}, blank="ignore")
    targets, mask, _ = policy.apply(frame, names)
    assert policy.three_class(names) == [1]
    assert targets.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert mask.astype(int).tolist() == [[1, 1, 1], [1, 1, 1], [1, 0, 1], [0, 0, 0]]


def test_propagation_comes_before_the_policy():
    names = ["Edema", "Lung Opacity"]
    frame = make_frame([[1, 0], [-1, BLANK], [-1, 0]], names)
    targets, mask, _ = LabelPolicy(0.7, propagate=True).apply(frame, names)
    assert targets.tolist() == np.array([[1, 1], [0.7, 0.7], [0.7, 0]], "float32").tolist()
    assert mask.all()


def test_a_child_that_is_not_put_out_speaks_for_its_ancestors_too():
    frame = make_frame([[1, BLANK]], ["Pneumonia", "Consolidation"])
    assert LabelPolicy("zeros", propagate=True).apply(frame, ["Consolidation"])[0].tolist() == [[1]]


def test_conditional_learning_asks_where_the_parent_is_positive():
    names = ["Pneumonia", "Consolidation", "Lung Opacity", "Fracture"]
    rows = [[0, 1, 0, 0], [1, BLANK, BLANK, 0], [-1, 0, 1, 0], [BLANK, BLANK, 0, BLANK]]
    targets, mask, _ = LabelPolicy("ones", conditional=True).apply(make_frame(rows, names), names)
    assert mask.astype(int).tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert targets[:2].tolist() == [[0, 1, 1, 0], [1, 1, 1, 0]]


def test_the_second_stage_asks_everywhere():
    names = ["Edema", "Lung Opacity"]
    policy = LabelPolicy("ones", conditional=True, conditional_rows="all")
    assert policy.apply(make_frame([[0, 0], [BLANK, -1]], names), names)[1].all()
    assert policy.parents(names) == [1, -1]
    assert LabelPolicy("ones", propagate=True).parents(names) is None


def columns(*counts):
    """Targets and mask of columns with so many positives, negatives and masked entries."""
    length = max(sum(count) for count in counts)
    targets, mask = np.zeros((length, len(counts)), "float32"), np.zeros((length, len(counts)), bool)
    for c, (positives, negatives) in enumerate(counts):
        targets[:positives, c] = 1
        mask[: positives + negatives, c] = True
    return targets, mask


def test_masked_blanks_leave_atelectasis_almost_no_negatives():
    names = ["Atelectasis", "Edema", "Consolidation"]
    counts = (33376, 1328), (52246, 20726), (14783, 28097)  # CheXpert's own 1 and 0
    assert find_scarce(*columns(*counts), names) == {"Atelectasis": (33376, 1328)}


def test_a_rare_finding_is_not_scarce_but_an_absent_one_is():
    names = ["Pleural Other", "Fracture", "Edema"]
    counts = (3523, 216922 + 316 + 2653), (0, 500), (0, 0)
    assert find_scarce(*columns(*counts), names) == {"Fracture": (0, 500), "Edema": (0, 0)}


def test_soft_targets_count_in_parts_and_third_classes_do_not():
    targets = np.array([[0.75, 1], [0.25, 0]] * 5, "float32")
    assert find_scarce(targets, np.ones((10, 2), bool), ["Edema"]) == {}
    assert find_scarce(targets[::2] + 0.25, np.ones((5, 1), bool), ["Edema"]) == {"Edema": (5, 0)}
