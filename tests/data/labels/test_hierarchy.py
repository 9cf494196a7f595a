"""The tree of observations, on rows made by hand."""

import numpy as np
import pandas as pd
import pytest

from chexpert.data.labels.hierarchy import find_ancestors, find_parents, propagate
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS, PARENTS

BLANK = float("nan")
LINE = ["Lung Opacity", "Consolidation", "Pneumonia"]


def close(*row, names=LINE):
    closed = propagate(pd.DataFrame([row], columns=names, dtype="float32"))
    return [None if np.isnan(label) else int(label) for label in closed.iloc[0]]


def test_the_tree_is_of_chexperts_observations_and_ends_in_roots():
    assert set(PARENTS) | set(PARENTS.values()) <= set(OBSERVATIONS)
    roots = {list(find_ancestors(name))[-1] for name in PARENTS}
    assert roots == {"Lung Opacity", "Enlarged Cardiomediastinum"}


@pytest.mark.parametrize(
    ("row", "closed"),
    [
        ((BLANK, BLANK, 1), [1, 1, 1]),
        ((0, -1, 1), [1, 1, 1]),
        ((BLANK, BLANK, -1), [-1, -1, -1]),
        ((0, BLANK, -1), [0, -1, -1]),
        ((BLANK, 0, -1), [-1, 0, -1]),
        ((1, BLANK, -1), [1, -1, -1]),
        ((BLANK, 1, -1), [1, 1, -1]),
        ((BLANK, BLANK, 0), [None, None, 0]),
        ((1, BLANK, BLANK), [1, None, None]),
        ((-1, 0, BLANK), [-1, 0, None]),
    ],
)
def test_children_speak_for_their_ancestors_and_never_the_reverse(row, closed):
    assert close(*row) == closed


@pytest.mark.parametrize("row", [(-1, 1), (1, -1)])
def test_a_positive_child_outweighs_an_uncertain_sibling(row):
    assert close(*row, BLANK, names=["Edema", "Atelectasis", "Lung Opacity"]) == [*row, 1]


def test_an_absent_column_in_between_is_no_gap():
    assert close(BLANK, 1, names=["Lung Opacity", "Pneumonia"]) == [1, 1]


def test_unrelated_columns_stay_as_they_are():
    assert close(1, BLANK, names=["Fracture", "No Finding"]) == [1, None]


def test_the_table_itself_is_left_alone():
    frame = pd.DataFrame([[BLANK, 1]], columns=["Lung Opacity", "Edema"])
    propagate(frame)
    assert np.isnan(frame.loc[0, "Lung Opacity"])


def test_parents_are_found_by_name_in_any_order():
    names = ["Pneumonia", "Fracture", "Consolidation", "Lung Opacity"]
    assert find_parents(names) == [2, -1, 3, -1]


def test_a_parent_that_is_not_put_out_is_told_with_the_mend():
    with pytest.raises(UserError, match=r"depend on it: Lung Opacity, Consolidation(?s:.*)observations=all"):
        find_parents(["Edema", "Pneumonia"])
