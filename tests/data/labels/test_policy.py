"""Label policies, on hand-made tables."""

import numpy as np
import pandas as pd
import pytest
from helpers.errors import raises
from hypothesis import given
from hypothesis import strategies as st

from chexpert.data.labels import LabelPolicy, find_scarce, hard_labels
from chexpert.data.sources.frame import read_frame

BLANK = float("nan")
LSR = [0.55, 0.85]


def make_frame(rows, names=("Edema",), start=0):
    """Return a table of ``rows``, each with a label per name, for patients numbered from ``start``."""
    frame = pd.DataFrame(np.array(rows, dtype="float32").reshape(-1, len(names)), columns=list(names))
    frame["key"] = [f"train/patient{n}/study1/view1_frontal" for n in range(start, start + len(frame))]
    return frame


def uncertain(count, names=("Edema",), start=0):
    return make_frame([[-1] * len(names)] * count, names, start)


def apply(policy, rows):
    """Return targets and mask of one column of labels."""
    targets, mask, _ = policy.apply(make_frame(rows), ["Edema"])
    return targets[:, 0].tolist(), mask[:, 0].tolist()


def sample(policy, frame, names=("Edema",)):
    """Return the targets of all rows."""
    return policy.apply(frame, names)[0]


@pytest.mark.parametrize(
    ("rules", "targets", "masked"),
    [
        (("zeros",), [1, 0, 0, 0], None),
        (("ones",), [1, 0, 1, 0], None),
        (("ignore",), [1, 0, 0, 0], 2),
        ((0.25,), [1, 0, 0.25, 0], None),
        ((1,), [1, 0, 1, 0], None),
        (([0.5, 0.5],), [1, 0, 0.5, 0], None),
        (("ones", "zeros"), [1, 0, 1, 0], None),
        (("ones", "ones"), [1, 0, 1, 1], None),
        (("ones", "ignore"), [1, 0, 1, 0], 3),
        (("ones", 0.25), [1, 0, 1, 0.25], None),
    ],
)
def test_rules_set_targets_of_uncertain_and_blank_labels(rules, targets, masked):
    assert apply(LabelPolicy(*rules), [1, 0, -1, BLANK]) == (targets, [n != masked for n in range(4)])


def test_samples_are_uniform_in_their_bounds():
    targets = sample(LabelPolicy(LSR), uncertain(2000))
    assert 0.55 <= targets.min() < 0.551
    assert 0.849 < targets.max() <= np.float32(0.85)
    assert targets.mean() == pytest.approx(0.70, abs=0.01)


def test_samples_differ_between_observations():
    names = ["Edema", "Fracture"]
    targets = sample(LabelPolicy(LSR), uncertain(20, names), names)
    assert (targets[:, 0] != targets[:, 1]).all()


def test_samples_do_not_depend_on_the_other_observations():
    frame = uncertain(5, ["Edema", "Fracture"])
    both = sample(LabelPolicy(LSR), frame, ["Edema", "Fracture"])
    alone = sample(LabelPolicy(LSR), frame, ["Fracture"])
    assert (alone[:, 0] == both[:, 1]).all()


def test_samples_depend_on_the_seed():
    first, again, other = (sample(LabelPolicy(LSR, seed=seed), uncertain(20)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).all()


@given(order=st.permutations(range(8)), kept=st.integers(1, 8))
def test_samples_do_not_depend_on_order_or_other_rows(order, kept):
    frame = uncertain(8)
    targets = sample(LabelPolicy(LSR), frame)
    some = order[:kept]
    shuffled = sample(LabelPolicy(LSR), frame.iloc[some])
    assert (shuffled == targets[some]).all()


def test_samples_are_the_same_for_small_and_full(tmp_path, write_table, make_row):
    rows = [make_row({"Edema": "-1.0"}, patient=patient) for patient in range(5)]
    full = [row | {"Path": row["Path"].replace("-small", "")} for row in rows]
    small, large = (
        sample(LabelPolicy(LSR), read_frame(write_table(tmp_path / "train.csv", table))) for table in (rows, full)
    )
    assert (small == large).all()


def test_hard_labels_mask_uncertain_and_blank():
    targets, mask = hard_labels(make_frame([1, 0, -1, BLANK]), ["Edema"])
    assert targets[:, 0].tolist() == [1, 0, 0, 0]
    assert mask[:, 0].tolist() == [True, True, False, False]


def test_columns_have_the_order_of_the_observations():
    frame = make_frame([[1, 0]], ["Edema", "Fracture"])
    assert hard_labels(frame, ["Fracture", "Edema"])[0].tolist() == [[0, 1]]


def test_policy_does_not_change_the_table():
    frame = make_frame([1, 0, -1, BLANK])
    before = frame.copy()
    LabelPolicy("ones", blank="ones").apply(frame, ["Edema"])
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("rule", ["one", 1.5, -0.1, [0.85, 0.55], [0.5], [0, 2], None, True, float("nan"), "ab"])
def test_unknown_rule_is_an_error(rule):
    with raises("label-rule", "labels.uncertain"):
        LabelPolicy(rule)


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        ({"uncertain": LSR, "blank": "ignore", "seed": 3}, []),
        ({"uncertain": "one", "blank": 7}, [("label-rule", "labels.uncertain"), ("label-rule", "labels.blank")]),
        (
            {
                "uncertain": {"Edema": "ones", "Fracture": "self_trained"},
                "blank": "three_class",
                "conditional": True,
                "conditional_rows": "some",
                "observations": ["Edema", "Fracture", "Cardiomegaly"],
            },
            [
                ("label-rule", "labels.uncertain"),
                ("conflict", "labels.blank"),
                ("choice", "labels.conditional_rows"),
                ("missing-observation", "labels.conditional"),
                ("missing-argument", "labels.predictions"),
            ],
        ),
    ],
)
def test_all_errors_in_arguments_are_returned(arguments, errors):
    assert [(error.code, error.where) for error in LabelPolicy.validate_args(**arguments)] == errors


def test_rules_can_differ_by_observation():
    names = ["Edema", "Fracture", "Pneumonia"]
    policy = LabelPolicy({"default": 0.3, "Fracture": "ignore"}, blank={"default": "ignore", "Pneumonia": "ones"})
    targets, mask, _ = policy.apply(make_frame([[-1] * 3, [BLANK] * 3], names), names)
    assert targets.tolist() == np.array([[0.3, 0, 0.3], [0, 0, 1]], "float32").tolist()
    assert mask.tolist() == [[True, False, True], [False, False, True]]


def test_three_class_appends_a_column_and_masks_blanks():
    names = ["Edema", "Fracture"]
    frame = make_frame([[1, 1], [0, 0], [-1, -1], [BLANK, BLANK]], names)
    policy = LabelPolicy({"default": "ones", "Fracture": "three_class"}, blank="ignore")
    targets, mask, _ = policy.apply(frame, names)
    assert policy.three_class(names) == [1]
    assert targets.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert mask.astype(int).tolist() == [[1, 1, 1], [1, 1, 1], [1, 0, 1], [0, 0, 0]]


def test_propagation_comes_before_the_rules():
    names = ["Edema", "Lung Opacity"]
    frame = make_frame([[1, 0], [-1, BLANK], [-1, 0]], names)
    targets, mask, _ = LabelPolicy(0.7, propagate=True).apply(frame, names)
    assert targets.tolist() == np.array([[1, 1], [0.7, 0.7], [0.7, 0]], "float32").tolist()
    assert mask.all()


def test_unselected_child_propagates_to_its_ancestors():
    frame = make_frame([[1, BLANK]], ["Pneumonia", "Consolidation"])
    assert LabelPolicy("zeros", propagate=True).apply(frame, ["Consolidation"])[0].tolist() == [[1]]


def test_conditional_mask_needs_a_positive_parent():
    names = ["Pneumonia", "Consolidation", "Lung Opacity", "Fracture"]
    rows = [[0, 1, 0, 0], [1, BLANK, BLANK, 0], [-1, 0, 1, 0], [BLANK, BLANK, 0, BLANK]]
    targets, mask, _ = LabelPolicy("ones", conditional=True).apply(make_frame(rows, names), names)
    assert mask.astype(int).tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert targets[:2].tolist() == [[0, 1, 1, 0], [1, 1, 1, 0]]


def test_conditional_rows_all_masks_nothing():
    names = ["Edema", "Lung Opacity"]
    policy = LabelPolicy("ones", conditional=True, conditional_rows="all")
    assert policy.apply(make_frame([[0, 0], [BLANK, -1]], names), names)[1].all()
    assert policy.parents(names) == [1, -1]
    assert LabelPolicy("ones", propagate=True).parents(names) is None


def columns(*counts):
    """Return targets and mask of columns with these counts of positives and negatives; the rest is masked."""
    length = max(sum(count) for count in counts)
    targets, mask = np.zeros((length, len(counts)), "float32"), np.zeros((length, len(counts)), bool)
    for c, (positives, negatives) in enumerate(counts):
        targets[:positives, c] = 1
        mask[: positives + negatives, c] = True
    return targets, mask


def test_atelectasis_is_scarce_with_masked_blanks():
    names = ["Atelectasis", "Edema", "Consolidation"]
    counts = (33376, 1328), (52246, 20726), (14783, 28097)  # CheXpert's own 1 and 0
    assert find_scarce(*columns(*counts), names) == {"Atelectasis": (33376, 1328)}


def test_rare_finding_is_not_scarce_but_a_missing_one_is():
    names = ["Pleural Other", "Fracture", "Edema"]
    counts = (3523, 216922 + 316 + 2653), (0, 500), (0, 0)
    assert find_scarce(*columns(*counts), names) == {"Fracture": (0, 500), "Edema": (0, 0)}


def test_soft_targets_count_in_parts_and_third_classes_not():
    targets = np.array([[0.75, 1], [0.25, 0]] * 5, "float32")
    assert find_scarce(targets, np.ones((10, 2), bool), ["Edema"]) == {}
    assert find_scarce(targets[::2] + 0.25, np.ones((5, 1), bool), ["Edema"]) == {"Edema": (5, 0)}
