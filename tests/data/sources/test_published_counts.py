"""The published totals, and what differs from them."""

import copy

import pytest

from chexpert.data.sources.published_counts import PUBLISHED, find_differences
from chexpert.observations import OBSERVATIONS, STATES

TRAIN = PUBLISHED["train"]


@pytest.mark.parametrize(("table", "total"), [("labels", 223_414), ("labels_by_study", 187_641)])
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_the_states_of_an_observation_add_up_to_all_rows(table, total, observation):
    assert sum(TRAIN[table][observation].values()) == total


@pytest.mark.parametrize("observation", TRAIN["labels_of_frontals"])
def test_the_states_in_frontal_images_add_up_and_are_not_more_than_in_all(observation):
    frontal = TRAIN["labels_of_frontals"][observation]
    assert sum(frontal.values()) == 191_027
    assert all(frontal[state] <= TRAIN["labels"][observation][state] for state in STATES)


@pytest.mark.parametrize("key", ["views", "view_files", "sex"])
def test_every_image_has_one_view_and_one_sex(key):
    assert sum(TRAIN[key].values()) == 223_414


def test_the_views_of_all_studies_are_all_images():
    assert sum(int(views) * studies for views, studies in TRAIN["views_per_study"].items()) == 223_414


def test_the_percentages_of_irvin_2019_follow():
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


def test_a_difference_is_told_with_its_place_and_both_numbers():
    counts = copy.deepcopy(TRAIN)
    counts["labels"]["Edema"]["positive"] -= 1
    assert find_differences(counts, "train") == ["labels, Edema, positive: 52,245, published 52,246"]


def test_a_projection_that_was_not_published_is_a_difference():
    counts = copy.deepcopy(TRAIN)
    counts["views"] |= {"frontal": 1}
    assert find_differences(counts, "train") == ["views, frontal: 1, not published"]


def test_a_count_that_is_wanting_is_a_difference():
    assert find_differences({"images": 234, "studies": 200, "first_patient": 64_541}, "valid") == [
        "patients: none, published 200"
    ]
