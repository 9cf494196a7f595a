"""The audit of a train.csv with the structure and all published totals of CheXpert."""

import numpy as np
import pytest
from helpers.real_csv import write_real_csv

from chexpert.data.audit import audit_copy
from chexpert.data.audit.counting import count_split
from chexpert.data.sources.published_counts import PUBLISHED, find_differences
from chexpert.observations import OBSERVATIONS


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    write_real_csv(folder)
    return folder


@pytest.fixture(scope="module")
def audit(root):
    return audit_copy(root, decode=False)


@pytest.fixture
def frame(audit):
    return audit.frames["train"].copy()


def test_totals_match_the_published_ones(audit):
    assert find_differences(audit.counts["train"], "train") == []
    assert audit.counts["train"]["published"] is PUBLISHED["train"]
    assert audit.passed


def test_totals_match_the_papers(audit):
    """The numbers are copied from the papers again, independently of the package."""
    counts = audit.counts["train"]
    assert (counts["images"], counts["studies"], counts["patients"]) == (223414, 187641, 64540)
    assert list(counts["labels"]["Atelectasis"].values()) == [33376, 33739, 1328, 154971]
    assert list(counts["labels_by_study"]["Pleural Effusion"].values()) == [75696, 9419, 24832, 77694]
    assert list(counts["labels_of_frontals"]["Consolidation"].values()) == [12983, 24381, 19608, 134055]
    assert list(counts["parents_of_positives"]["Cardiomegaly"].values()) == [1901, 311, 172, 24616]


def test_warnings_are_those_of_chexpert(audit):
    found = {(defect.kind, defect.where) for defect in audit.defects}
    assert {("few_negatives", "Atelectasis"), ("few_negatives", "No Finding")} <= found
    assert {kind for kind, _ in found} == {"few_negatives", "hierarchy", "no_table"}


def test_table_has_the_structure_of_chexpert(frame):
    odd = frame[frame["sex"] == "Unknown"]
    assert odd["key"].tolist() == ["train/patient33093/study1/view1_frontal"]
    newborn = frame[frame["age"] == 0]
    assert sorted(newborn["patient"]) == ["patient64538", "patient64539", "patient64540"]
    assert set(newborn["sex"]) == {"Female"}
    assert sorted(frame["patient"].unique()) == [f"patient{i:05d}" for i in range(1, 64541)]
    assert not frame["key"].is_monotonic_increasing


@pytest.mark.slow
def test_seed_determines_the_table(root, tmp_path):
    again = write_real_csv(tmp_path)
    assert again.read_bytes() == (root / again.relative_to(tmp_path)).read_bytes()


def change_labels(frame, count, seed):
    """Change `count` labels of the frame, one at a time, and yield the differences of each."""
    rng = np.random.default_rng(seed)
    states = np.float32([1, 0, -1, np.nan])
    for row, name in zip(rng.integers(len(frame), size=count), rng.choice(OBSERVATIONS, count), strict=True):
        before = frame.at[row, name]
        others = [state for state in states if not np.array_equal(state, before, equal_nan=True)]
        frame.at[row, name] = rng.choice(others)
        yield find_differences(count_split(frame), "train")
        frame.at[row, name] = before


def test_changed_label_is_a_difference(frame):
    assert all(change_labels(frame, 1, seed=0))


@pytest.mark.slow
def test_every_changed_label_is_a_difference(frame):
    assert all(change_labels(frame, 100, seed=1))


def test_lost_row_is_a_difference(frame):
    differences = find_differences(count_split(frame.drop(index=5)), "train")
    assert any("223,413" in difference and "223,414" in difference for difference in differences)


@pytest.mark.parametrize(
    ("column", "value"), [("projection", "frontal_rl"), ("sex", "Unknown"), ("patient", "patient64541"), ("age", 17)]
)
def test_changed_view_sex_patient_or_age_is_a_difference(frame, column, value):
    frame.loc[5, column] = value
    if column == "patient":
        frame.loc[5, "key"] = f"train/{value}/study1/view1_frontal"
    assert find_differences(count_split(frame), "train")
