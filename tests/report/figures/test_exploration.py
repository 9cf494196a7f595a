"""Plots of an exploration: their numbers."""

import re

import numpy as np
import pandas as pd
import pytest

from chexpert.observations import OBSERVATIONS
from chexpert.report.figures.exploration import plot_exploration
from chexpert.report.figures.labels import plot_co_occurrence, plot_label_states, plot_prevalence
from chexpert.report.figures.population import plot_image_sizes, plot_sex_and_age, plot_views

EDEMA, OPACITY = OBSERVATIONS.index("Edema"), OBSERVATIONS.index("Lung Opacity")


@pytest.fixture
def frame():
    """Four images of two patients."""
    labels = pd.DataFrame(np.nan, range(4), list(OBSERVATIONS), dtype="float32")
    labels["Edema"] = [1, 1, -1, 0]
    labels["Lung Opacity"] = [1, 0, 1, np.nan]
    places = ["patient1/study1/view1_frontal", "patient1/study1/view2_lateral", "patient1/study2/view1_frontal"]
    keys = [f"train/{place}" for place in [*places, "patient2/study1/view1_frontal"]]
    return labels.assign(
        key=keys,
        patient=["patient1", "patient1", "patient1", "patient2"],
        projection=["frontal_ap", "lateral", "frontal_ap", "frontal_pa"],
        sex=["Female", "Female", "Female", "Male"],
        age=[50.0, 50.0, 90.0, np.nan],
    )


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_label_states_are_shares_beside_their_counts(frame):
    bars, table = plot_label_states(frame, "train").axes
    widths = [bars.containers[state][EDEMA].get_width() for state in range(4)]
    assert widths == [50, 25, 25, 0]
    numbers = [column[1 + EDEMA] for column in np.array(texts(table)).reshape(4, 15)]
    assert numbers == ["2", "1", "1", "0"]


def test_co_occurrence_is_conditional_on_its_row(frame):
    image = plot_co_occurrence(frame, "train").axes[0].images[0].get_array()
    assert image[EDEMA, OPACITY] == 50  # of two positive for Edema one is positive for Lung Opacity
    assert image[OPACITY, EDEMA] == 50
    assert image.mask[EDEMA, EDEMA]
    assert image.mask[OBSERVATIONS.index("Fracture")].all()  # never positive


def test_views_are_counted_by_image_study_and_patient(frame):
    projections, studies, patients = plot_views({"train": frame}).axes
    assert texts(projections) == ["2 (50.0 %)", "1 (25.0 %)", "1 (25.0 %)"]
    assert texts(studies) == ["2 (66.7 %)", "1 (33.3 %)"]
    assert [bar.get_height() for bar in patients.patches] == [1, 0, 1]
    assert [axes.get_xlabel() for axes in (projections, studies, patients)] == [
        "images",
        "studies",
        "images of a patient",
    ]
    assert all(axes.get_ylabel() for axes in (projections, studies, patients))


def test_ages_are_stacked_by_sex_without_unknown_ages(frame):
    (axes,) = plot_sex_and_age({"train": frame}).axes
    (female,) = axes.containers
    assert {age: bar.get_height() for age, bar in enumerate(female) if bar.get_height()} == {50: 2, 90: 1}
    assert re.findall(r"\d+", axes.get_title()) == ["3", "1", "90"]


def test_tallest_bar_of_ages_has_space_above(frame):
    (axes,) = plot_sex_and_age({"train": frame}).axes
    assert axes.get_ylim() == (0, 2 * 1.25)


@pytest.mark.parametrize(("patients", "scale"), [(20, "linear"), (2000, "log")])
def test_axis_of_many_patients_is_logarithmic(frame, patients, scale):
    many = pd.concat([frame] * patients).assign(patient=[f"p{i // 2}" for i in range(4 * patients)])
    assert plot_views({"train": many}).axes[2].get_yscale() == scale


def test_prevalence_is_the_share_of_positive_labels(frame):
    (axes,) = plot_prevalence({"train": frame, "valid": frame[:1]}).axes
    train, valid = (container.lines[0].get_xdata() for container in axes.containers)
    assert (train[EDEMA], valid[EDEMA]) == (50, 100)


def test_each_image_size_is_one_dot():
    images = pd.DataFrame({"width": [390, 390, 320], "height": [320, 320, 320]})
    (axes,) = plot_image_sizes(images).axes
    assert sorted(map(tuple, axes.collections[0].get_offsets().tolist())) == [(320, 320), (390, 320)]
    assert re.findall(r"\d+", axes.get_title()) == ["3", "2", "390", "320"]


def test_files_are_written_for_known_columns_only(frame, tmp_path):
    bare = frame.assign(sex="", age=np.nan)
    images = pd.DataFrame({"width": [390], "height": [320]})
    files = plot_exploration({"test": bare, "valid": bare[:0]}, images, tmp_path / "figures")
    names = {"label_states_test", "co_occurrence", "views", "prevalence", "image_sizes"}
    assert {file.stem for file in files} == {file.stem for file in (tmp_path / "figures").iterdir()} == names


def test_without_images_no_file_is_written(tmp_path):
    assert plot_exploration({}, None, tmp_path) == []
