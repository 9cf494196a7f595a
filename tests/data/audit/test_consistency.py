"""Defects that the audit finds in tables."""

import re

import numpy as np
import pandas as pd
import pytest

from chexpert.data.audit import consistency
from chexpert.data.audit.counting import count_split
from chexpert.data.sources.published_counts import PUBLISHED
from chexpert.observations import OBSERVATIONS

ONE, TWO = "patient00001/study1/view1_frontal", "patient00001/study1/view2_lateral"
OTHER = "patient00002/study1/view1_frontal"


@pytest.mark.parametrize(("first", "second"), [(1, 0), (1, -1), (0, None), (None, 1)])
def test_different_labels_within_a_study_are_an_error(make_frame, first, second):
    frame = make_frame((ONE, {"Edema": first, "Fracture": 1}), (TWO, {"Edema": second, "Fracture": 1}))
    (defect,) = consistency.find_label_conflicts(frame)
    assert (defect.kind, defect.where, defect.severity) == ("label_conflict", "train/patient00001/study1", "error")
    assert [name for name in OBSERVATIONS if name in defect.message] == ["Edema"]


def test_different_labels_between_studies_pass(make_frame):
    frame = make_frame((ONE, {"Edema": 1}), (OTHER, {"Edema": 0}), (TWO, {"Edema": 1}))
    assert list(consistency.find_label_conflicts(frame)) == []


def test_positive_child_of_a_negative_parent_is_a_warning(make_frame):
    frame = make_frame((ONE, {"Pneumonia": 1, "Consolidation": 0}), (OTHER, {"Pneumonia": 1, "Consolidation": 0}))
    (defect,) = consistency.find_hierarchy_violations(frame)
    assert (defect.kind, defect.severity) == ("hierarchy", "warning")
    assert {"Pneumonia", "Consolidation", "2"} <= set(defect.message.split())


@pytest.mark.parametrize("parent", [1, -1, None])
def test_parent_that_is_not_negative_passes(make_frame, parent):
    frame = make_frame((ONE, {"Pneumonia": 1, "Consolidation": parent}))
    assert list(consistency.find_hierarchy_violations(frame)) == []


def test_no_finding_beside_a_pathology_is_a_warning(make_frame):
    frame = make_frame((ONE, {"No Finding": 1, "Fracture": 1}), (OTHER, {"No Finding": 1}))
    (defect,) = consistency.find_impossible_no_finding(frame)
    assert (defect.kind, defect.where, defect.severity) == ("no_finding", f"train/{ONE}", "warning")
    assert re.findall(r"\d+", defect.message) == ["1"]


def test_no_finding_beside_a_device_passes(make_frame):
    frame = make_frame((ONE, {"No Finding": 1, "Support Devices": 1}))
    assert list(consistency.find_impossible_no_finding(frame)) == []


def test_negative_no_finding_of_reports_is_a_warning(make_frame):
    frame = make_frame((ONE, {"No Finding": 0}), (OTHER, {"Edema": -1}))
    (defect,) = consistency.find_impossible_no_finding(frame)
    assert (defect.kind, defect.where, defect.severity) == ("no_finding", f"train/{ONE}", "warning")


def test_negative_no_finding_of_radiologists_passes(make_frame):
    assert list(consistency.find_impossible_no_finding(make_frame((ONE, {"No Finding": 0, "Edema": 1})))) == []


def test_few_negatives_of_atelectasis_are_a_warning():
    balanced = np.resize([1.0, 0.0, np.nan], 33_376 + 1_328)
    frame = pd.DataFrame(dict.fromkeys(OBSERVATIONS, balanced))
    frame["Atelectasis"] = np.repeat([1.0, 0.0], [33_376, 1_328])
    (defect,) = consistency.find_scarce_labels(frame)
    assert (defect.kind, defect.where, defect.severity) == ("few_negatives", "Atelectasis", "warning")
    assert re.findall(r"[\d,]+", defect.message) == ["33,376", "1,328"]


def test_observation_without_labels_has_one_warning():
    frame = pd.DataFrame({key: [1.0, 0.0, -1.0, np.nan] for key in OBSERVATIONS})
    frame["Fracture"] = [-1, -1, np.nan, np.nan]
    (defect,) = consistency.find_scarce_labels(frame)
    assert (defect.kind, defect.where) == ("no_labels", "Fracture")


def test_part_of_chexpert_is_a_warning(make_frame):
    (defect,) = consistency.compare_published(count_split(make_frame((ONE, {}))), "train")
    assert (defect.kind, defect.where, defect.severity) == ("counts", "train", "warning")
    assert re.findall(r"[\d,]+", defect.message) == ["1", "223,414"]


def test_differences_of_the_whole_chexpert_are_errors():
    counts = PUBLISHED["valid"] | {"images": 233, "patients": 199}
    defects = list(consistency.compare_published(counts, "valid"))
    assert {defect.severity for defect in defects} == {"error"}
    found = [re.findall(r"images|patients|\d+", defect.message) for defect in defects]
    assert found == [["images", "233", "234"], ["patients", "199", "200"]]


@pytest.mark.parametrize("key", ["images", "studies", "patients"])
def test_part_with_one_total_of_the_whole_is_a_warning(key):
    counts = {name: 0.9 * size for name, size in PUBLISHED["valid"].items()} | {key: PUBLISHED["valid"][key]}
    assert not consistency.is_whole(counts, "valid")
    assert [defect.severity for defect in consistency.compare_published(counts, "valid")] == ["warning"]
