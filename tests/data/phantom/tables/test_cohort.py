from collections import Counter, defaultdict

import pytest

from chexpert.data.phantom.options import Options
from chexpert.data.phantom.tables.cohort import Entry, number_patient, plan_split
from chexpert.observations import OBSERVATIONS


@pytest.fixture(scope="module")
def train() -> list[Entry]:
    return plan_split("train", Options(patients=1500))


def test_larger_phantom_starts_with_the_smaller_one(train: list[Entry]) -> None:
    few = plan_split("train", Options(patients=20))
    assert train[: len(few)] == few


def test_view_frequencies_match_chexpert(train: list[Entry]) -> None:
    views = Counter(Counter(entry.study for entry in train).values())
    studies = sum(views.values())
    shares = [views[number] / studies for number in (1, 2, 3)]
    assert shares == pytest.approx([0.82, 0.17, 0.01], abs=0.02)
    assert sum(entry.kind == "Lateral" for entry in train) / len(train) == pytest.approx(0.145, abs=0.015)
    names = Counter(entry.place.rsplit("/", 1)[1] for entry in train)
    assert set(names) == {"view1_frontal", "view2_lateral", "view2_frontal", "view3_lateral", "view1_lateral"}
    assert names["view2_lateral"] > 5 * names["view2_frontal"] > 0
    assert 0 < names["view1_lateral"] < 20


def test_studies_per_patient_have_median_1_and_a_long_tail(train: list[Entry]) -> None:
    counts = sorted(Counter(study.split("/")[1] for study in {entry.study for entry in train}).values())
    assert len(counts) == 1500
    assert counts[750] == 1
    assert sum(counts) / 1500 == pytest.approx(2.9, abs=0.3)
    assert counts[-1] == 20


def test_studies_are_numbered_from_one_in_mixed_order(train: list[Entry]) -> None:
    order = defaultdict(list)
    for entry in train:
        if entry.radiograph.view == 1:
            order[entry.radiograph.patient].append(entry.radiograph.study)
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in order.values())
    assert any(numbers != sorted(numbers) for numbers in order.values())


def test_views_of_a_study_have_the_same_labels(train: list[Entry]) -> None:
    labels = defaultdict(set)
    for entry in train:
        labels[entry.study].add(tuple(entry.labels[name] for name in OBSERVATIONS))
    assert all(len(found) == 1 for found in labels.values())


def test_laterals_have_no_position_and_frontals_have_one(train: list[Entry]) -> None:
    assert {entry.position for entry in train if entry.kind == "Lateral"} == {""}
    frontals = Counter(entry.position for entry in train if entry.kind == "Frontal")
    assert set(frontals) - {"RL"} == {"AP", "PA", "LL"}
    assert frontals["AP"] / frontals.total() == pytest.approx(0.85, abs=0.02)
    assert frontals["LL"] + frontals["RL"] < 20


def test_sex_and_age_have_the_quirks_of_chexpert(train: list[Entry]) -> None:
    assert Counter(entry.sex for entry in train)["Unknown"] == 1
    newborn = {entry.radiograph.patient for entry in train if entry.age == 0}
    assert newborn == {21526, 43030, 14}  # numbers 38, 39 and 40
    assert all(18 <= entry.age <= 90 for entry in train if entry.age)


def test_patient_numbers_match_the_ranges_of_chexpert() -> None:
    assert max(number_patient("train", index) for index in range(64512)) <= 64540
    assert min(number_patient(split, index) for split in ("valid", "test") for index in range(900)) == 64541
    assert number_patient("test", 0) == 64741


def test_train_has_report_labels_and_other_splits_the_truth() -> None:
    for split in ("train", "valid", "test"):
        for entry in plan_split(split, Options(patients=5, valid=5, test=5)):
            assert entry.labels == entry.readings["chexpert" if split == "train" else "truth"]


def test_share_of_laterals_matches_the_option() -> None:
    none = plan_split("train", Options(patients=100, laterals=0))
    assert all(entry.kind == "Frontal" for entry in none)
    many = plan_split("train", Options(patients=600, laterals=0.4))
    assert sum(entry.kind == "Lateral" for entry in many) / len(many) == pytest.approx(0.4, abs=0.03)


def test_counterfactual_entry_removes_one_finding() -> None:
    entry = next(
        e for e in plan_split("valid", Options()) if e.labels["Edema"] == e.labels["Pleural Effusion"] == "1.0"
    )
    off = entry.without("Edema")
    assert off.labels["Edema"] == "0.0"
    assert off.radiograph.severity["Edema"] == 0
    assert off.labels["Pleural Effusion"] == "1.0"
    assert (off.place, off.position) == (entry.place, entry.position)
