"""The published totals, and differences from them."""

import re

import pytest

from chexpert.data.sources.published_counts import PUBLISHED, find_differences
from chexpert.observations import OBSERVATIONS, STATES

TRAIN = PUBLISHED["train"]


@pytest.mark.parametrize(("table", "total"), [("labels", 223_414), ("labels_by_study", 187_641)])
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_states_of_an_observation_add_up_to_all_rows(table, total, observation):
    assert sum(TRAIN[table][observation].values()) == total


@pytest.mark.parametrize("observation", TRAIN["labels_of_frontals"])
def test_states_in_frontal_images_are_at_most_those_in_all(observation):
    frontal = TRAIN["labels_of_frontals"][observation]
    assert sum(frontal.values()) == 191_027
    assert all(frontal[state] <= TRAIN["labels"][observation][state] for state in STATES)


@pytest.mark.parametrize("key", ["views", "view_files", "sex"])
def test_views_and_sexes_add_up_to_all_images(key):
    assert sum(TRAIN[key].values()) == 223_414


def test_views_of_all_studies_add_up_to_all_images():
    assert sum(int(views) * studies for views, studies in TRAIN["views_per_study"].items()) == 223_414


def test_percentages_match_irvin_2019():
    shares = {
        name: round(100 * TRAIN["labels_by_study"][name]["positive"] / 187_641, 2)
        for name in ("No Finding", "Cardiomegaly", "Edema", "Atelectasis", "Pleural Effusion")
    }
    expected = {
        "No Finding": 8.86,
        "Cardiomegaly": 12.26,
        "Edema": 26.06,
        "Atelectasis": 15.63,
        "Pleural Effusion": 40.34,
    }
    assert shares == expected


def test_equal_counts_have_no_difference():
    assert find_differences(TRAIN, "train") == []


VALID = {"images": 234, "studies": 200, "first_patient": 64_541}
LABELS = TRAIN["labels"]


@pytest.mark.parametrize(
    ("split", "counts", "facts"),
    [
        (
            "train",
            TRAIN | {"labels": LABELS | {"Edema": LABELS["Edema"] | {"positive": 52_245}}},
            ("labels, Edema, positive", "52,245", "52,246"),
        ),
        ("train", TRAIN | {"views": TRAIN["views"] | {"frontal": 1}}, ("views, frontal", "1")),  # no published view
        ("valid", VALID, ("patients", "200")),  # not counted
    ],
)
def test_difference_has_its_place_and_both_counts(split, counts, facts):
    (difference,) = find_differences(counts, split)
    assert re.findall(r"[\d,]*\d", difference) == [fact for fact in facts if fact[0].isdigit()]
    assert difference.startswith(f"{facts[0]}: ")
