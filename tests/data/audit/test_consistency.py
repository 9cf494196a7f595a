"""What the audit finds wrong with tables."""

import numpy as np
import pandas as pd
import pytest

from chexpert.data.audit import consistency
from chexpert.data.audit.counting import count_split
from chexpert.data.sources.published_counts import PUBLISHED
from chexpert.observations import OBSERVATIONS

ONE, TWO = "patient00001/study1/view1_frontal", "patient00001/study1/view2_lateral"
OTHER = "patient00002/study1/view1_frontal"


def test_a_patient_in_two_splits_is_an_error(make_frame):
    frames = {"train": make_frame((ONE, {}), (OTHER, {})), "valid": make_frame((TWO, {}), split="valid")}
    (defect,) = consistency.find_shared_patients(frames)
    assert (defect.kind, defect.where, defect.severity) == ("shared_patient", "patient00001", "error")
    assert defect.message == "in train and in valid"


def test_splits_without_a_common_patient_pass(make_frame):
    frames = {"train": make_frame((ONE, {})), "valid": make_frame((OTHER, {}), split="valid")}
    assert list(consistency.find_shared_patients(frames)) == []


@pytest.mark.parametrize(("first", "second"), [(1, 0), (1, -1), (0, None), (None, 1)])
def test_views_of_a_study_with_different_labels_are_an_error(make_frame, first, second):
    frame = make_frame((ONE, {"Edema": first, "Fracture": 1}), (TWO, {"Edema": second, "Fracture": 1}))
    (defect,) = consistency.find_label_conflicts(frame)
    assert (defect.kind, defect.where, defect.severity) == ("label_conflict", "train/patient00001/study1", "error")
    assert defect.message == "its views differ in Edema"


def test_studies_may_differ(make_frame):
    frame = make_frame((ONE, {"Edema": 1}), (OTHER, {"Edema": 0}), (TWO, {"Edema": 1}))
    assert list(consistency.find_label_conflicts(frame)) == []


def test_a_positive_child_of_a_negative_parent_is_a_warning_with_its_number(make_frame):
    frame = make_frame((ONE, {"Pneumonia": 1, "Consolidation": 0}), (OTHER, {"Pneumonia": 1, "Consolidation": 0}))
    (defect,) = consistency.find_hierarchy_violations(frame)
    assert (defect.kind, defect.severity) == ("hierarchy", "warning")
    assert defect.message == "Pneumonia is positive and Consolidation negative in 2 images"


@pytest.mark.parametrize("parent", [1, -1, None])
def test_a_parent_that_is_not_negative_passes(make_frame, parent):
    frame = make_frame((ONE, {"Pneumonia": 1, "Consolidation": parent}))
    assert list(consistency.find_hierarchy_violations(frame)) == []


def test_no_finding_beside_a_pathology_is_a_warning(make_frame):
    frame = make_frame((ONE, {"No Finding": 1, "Fracture": 1}), (OTHER, {"No Finding": 1}))
    (defect,) = consistency.find_impossible_no_finding(frame)
    assert (defect.kind, defect.where, defect.severity) == ("no_finding", f"train/{ONE}", "warning")
    assert defect.message == "No Finding is positive beside a positive pathology, in 1 images"


def test_no_finding_beside_a_device_passes(make_frame):
    frame = make_frame((ONE, {"No Finding": 1, "Support Devices": 1}))
    assert list(consistency.find_impossible_no_finding(frame)) == []


def test_no_finding_is_never_negative_in_labels_of_reports(make_frame):
    frame = make_frame((ONE, {"No Finding": 0}), (OTHER, {"Edema": -1}))
    (defect,) = consistency.find_impossible_no_finding(frame)
    assert defect.message.startswith("No Finding is negative or uncertain")


def test_radiologists_may_say_that_something_is_found(make_frame):
    assert list(consistency.find_impossible_no_finding(make_frame((ONE, {"No Finding": 0, "Edema": 1})))) == []


def test_published_atelectasis_is_scarce_in_negatives_and_others_are_not():
    balanced = np.resize([1.0, 0.0, np.nan], 33_376 + 1_328)
    frame = pd.DataFrame(dict.fromkeys(OBSERVATIONS, balanced))
    frame["Atelectasis"] = np.repeat([1.0, 0.0], [33_376, 1_328])
    (defect,) = consistency.find_scarce_labels(frame)
    assert (defect.kind, defect.where, defect.severity) == ("few_negatives", "Atelectasis", "warning")
    assert "33,376 positives and 1,328 negatives" in defect.message


def test_an_observation_without_labels_is_told_once():
    frame = pd.DataFrame({key: [1.0, 0.0, -1.0, np.nan] for key in OBSERVATIONS}).assign(
        Fracture=[-1, -1, np.nan, np.nan]
    )
    (defect,) = consistency.find_scarce_labels(frame)
    assert (defect.kind, defect.where) == ("no_labels", "Fracture")


def test_a_part_of_chexpert_is_a_warning(make_frame):
    (defect,) = consistency.compare_published(count_split(make_frame((ONE, {}))), "train")
    assert (defect.severity, defect.message) == ("warning", "not the whole CheXpert: 1 of 223,414 images")
    assert "none needed" not in defect.hint


def test_a_whole_that_differs_is_an_error():
    counts = PUBLISHED["valid"] | {"images": 233, "patients": 199}
    defects = list(consistency.compare_published(counts, "valid"))
    assert {defect.severity for defect in defects} == {"error"}
    assert [defect.message for defect in defects] == ["images: 233, published 234", "patients: 199, published 200"]


@pytest.mark.parametrize("key", ["images", "studies", "patients"])
def test_a_part_with_one_size_of_the_whole_by_chance_is_a_warning(key):
    counts = {name: 0.9 * size for name, size in PUBLISHED["valid"].items()} | {key: PUBLISHED["valid"][key]}
    assert not consistency.is_whole(counts, "valid")
    assert [defect.severity for defect in consistency.compare_published(counts, "valid")] == ["warning"]
