import numpy as np
import pytest
from helpers.errors import raises

from chexpert.data import Preprocessing, ViewDataset
from chexpert.explain import choose_rows

PATHS = [f"CheXpert-v1.0-small/valid/patient{k}/study1/view1_frontal.jpg" for k in range(20)]


def make_dataset(positives: int) -> ViewDataset:
    """20 views, of which the last ones show a finding."""
    targets = np.zeros((20, 2), dtype="float32")
    targets[20 - positives :, 1] = 1
    return ViewDataset(PATHS, PATHS, targets, np.ones((20, 2), dtype=bool), Preprocessing(16))


def test_views_are_sampled_by_seed_among_those_with_a_finding():
    dataset = make_dataset(10)
    rows = choose_rows(dataset, None, 4, seed=0)
    assert len(rows) == 4
    assert rows == sorted(set(rows))
    assert min(rows) >= 10
    assert rows == choose_rows(dataset, None, 4, seed=0)
    assert any(rows != choose_rows(dataset, None, 4, seed=seed) for seed in range(1, 4))


def test_too_few_views_with_a_finding_sample_among_all():
    assert len(choose_rows(make_dataset(2), None, 4, seed=0)) == 4
    assert len(choose_rows(make_dataset(2), None, 40, seed=0)) == 20


def test_view_is_named_in_full_or_from_its_patient_on():
    paths = [PATHS[7], "patient3/study1/view1_frontal.jpg"]
    assert choose_rows(make_dataset(0), paths, 4, seed=0) == [7, 3]


@pytest.mark.parametrize(
    ("path", "code"), [("patient99/view.jpg", "unknown-view"), ("view1_frontal.jpg", "ambiguous-image")]
)
def test_unknown_or_ambiguous_view_is_an_error(path, code):
    with raises(code, "explain.views") as error:
        choose_rows(make_dataset(0), [path], 4, seed=0)
    assert path in error.value.message
