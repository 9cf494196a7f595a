"""The tree of observations, on hand-made rows."""

import numpy as np
import pandas as pd
import pytest
from helpers.errors import raises

from chexpert.data.labels.hierarchy import find_ancestors, find_parents, propagate
from chexpert.observations import OBSERVATIONS, PARENTS

BLANK = float("nan")
LINE = ["Lung Opacity", "Consolidation", "Pneumonia"]


def close(*row, names=LINE):
    closed = propagate(pd.DataFrame([row], columns=names, dtype="float32"))
    return [None if np.isnan(label) else int(label) for label in closed.iloc[0]]


def test_tree_has_known_observations_and_two_roots():
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
def test_labels_propagate_to_ancestors_only(row, closed):
    assert close(*row) == closed


@pytest.mark.parametrize("row", [(-1, 1), (1, -1)])
def test_positive_child_outweighs_an_uncertain_sibling(row):
    assert close(*row, BLANK, names=["Edema", "Atelectasis", "Lung Opacity"]) == [*row, 1]


def test_missing_column_does_not_stop_propagation():
    assert close(BLANK, 1, names=["Lung Opacity", "Pneumonia"]) == [1, 1]


def test_unrelated_columns_do_not_change():
    assert close(1, BLANK, names=["Fracture", "No Finding"]) == [1, None]


def test_propagation_does_not_change_its_argument():
    frame = pd.DataFrame([[BLANK, 1]], columns=["Lung Opacity", "Edema"])
    propagate(frame)
    assert np.isnan(frame.loc[0, "Lung Opacity"])


def test_parents_are_found_by_name_in_any_order():
    names = ["Pneumonia", "Fracture", "Consolidation", "Lung Opacity"]
    assert find_parents(names) == [2, -1, 3, -1]


def test_missing_parent_is_an_error():
    with raises("missing-observation", "labels.conditional") as caught:
        find_parents(["Edema", "Pneumonia"])
    assert all(name in caught.value.message for name in ("Lung Opacity", "Consolidation"))
    assert caught.value.hint == "observations=all"
