"""Counts of a split."""

import numpy as np
import pytest

from chexpert.data.audit.counting import count_labels, count_split


@pytest.fixture
def counts(make_frame):
    """Of three studies of two patients; the second study has no frontal view."""
    frame = make_frame(
        ("patient00001/study1/view1_frontal", {"Edema": 1, "Lung Opacity": 0}),
        ("patient00001/study1/view2_lateral", {"Edema": 1, "Lung Opacity": 0}),
        ("patient00001/study2/view1_lateral", {"Edema": -1, "Fracture": 0}),
        ("patient00002/study1/view1_frontal", {}),
    )
    frame["sex"] = ["Female", "Female", "Female", "Unknown"]
    frame["age"] = [20.0, 20.0, 90.0, 0.0]
    return count_split(frame)


def test_images_studies_and_patients_are_counted(counts):
    assert (counts["images"], counts["studies"], counts["patients"], counts["frontals"]) == (4, 3, 2, 2)


def test_views_are_counted(counts):
    assert counts["views"] == {"frontal_ap": 2, "lateral": 2}
    assert counts["view_files"] == {"view1_frontal": 2, "view1_lateral": 1, "view2_lateral": 1}
    assert counts["views_per_study"] == {"1": 2, "2": 1}
    assert counts["most_images_of_a_patient"] == 3


def test_patient_range_has_first_and_last_number(counts):
    assert (counts["first_patient"], counts["last_patient"]) == (1, 2)


def test_studies_and_patients_without_frontal_are_counted(counts):
    assert (counts["studies_without_frontal"], counts["patients_without_frontal"]) == (1, 0)


def test_labels_are_counted_by_image_frontal_and_study(counts):
    assert counts["labels"]["Edema"] == {"positive": 2, "uncertain": 1, "negative": 0, "blank": 1}
    assert counts["labels_of_frontals"]["Edema"] == {"positive": 1, "uncertain": 0, "negative": 0, "blank": 1}
    assert counts["labels_by_study"]["Edema"] == {"positive": 1, "uncertain": 1, "negative": 0, "blank": 1}


def test_uncertain_and_blank_rows_are_counted(counts):
    expected = {"uncertain_of_all": 1, "blank_in_all": 1, "uncertain_of_five": 1, "blank_in_five": 1}
    assert counts["rows_with"] == expected


def test_parents_of_positives_are_counted(counts):
    parents = counts["parents_of_positives"]
    assert parents["Edema"] == {"positive": 0, "uncertain": 0, "negative": 2, "blank": 0}
    assert parents["Pneumonia"] == {"positive": 0, "uncertain": 0, "negative": 0, "blank": 0}


def test_sex_and_age_are_counted(counts):
    assert counts["sex"] == {"Female": 3, "Unknown": 1}
    expected = {"known": 4, "zero": 1, "from_1_to_17": 0, "least": 20, "median": 20, "greatest": 90, "at_90": 1}
    assert counts["age"] == expected


def test_missing_sex_and_age_are_not_given(make_frame):
    frame = make_frame(("patient64741/study1/view1_frontal", {}), split="test").assign(sex="", age=np.nan)
    counts = count_split(frame)
    assert counts["sex"] == {"not given": 1}
    assert counts["age"] | {"known": 0, "least": None, "median": None} == counts["age"]


def test_states_add_up_to_the_rows_of_a_random_table(make_frame):
    rng = np.random.default_rng(0)
    states = np.array([1, 0, -1, np.nan])
    places = [f"patient{i:05d}/study1/view1_frontal" for i in range(500)]
    frame = make_frame(
        *((place, {"Edema": state}) for place, state in zip(places, rng.choice(states, 500), strict=True))
    )
    counts = count_labels(frame)["Edema"]
    assert sum(counts.values()) == 500
    assert counts["uncertain"] == sum(1 for label in frame["Edema"].tolist() if label == -1)
