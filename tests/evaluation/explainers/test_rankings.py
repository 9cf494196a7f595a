"""Kendall's tau between rankings, by hand."""

import math

import pytest

from chexpert.evaluation.explainers.rankings import compare_rankings, rank_explainers

MEANS = {
    "gradcam": {"iou": 0.5, "road": 1.0, "top_block_size": 0.1, "hit_rate": 0.9},
    "lime": {"iou": 0.4, "road": 2.0, "top_block_size": 0.2, "hit_rate": 0.8},
    "rise": {"iou": 0.3, "road": 3.0, "top_block_size": 0.3, "hit_rate": 0.7},
    "scorecam": {"iou": 0.2, "road": 0.5, "top_block_size": 0.4},
}


def get_tau(found, *keys):
    return next(pair["tau"] for pair in found["pairs"] if (pair["first"], pair["second"]) == keys)


def test_tau_is_that_of_concordant_and_discordant_pairs():
    found = compare_rankings(MEANS)
    assert found["metrics"] == ["iou", "road", "top_block_size"]  # hit_rate does not rank
    assert get_tau(found, "iou", "top_block_size") == pytest.approx(1)  # a low sanity is good
    assert get_tau(found, "iou", "road") == pytest.approx((3 - 3) / 6)
    assert (found["defined"], found["opposed"], found["median"]) == (3, 0, pytest.approx(0))


def test_opposite_rankings_are_counted():
    found = compare_rankings({name: MEANS[name] for name in ("gradcam", "lime", "rise")})
    assert get_tau(found, "iou", "road") == pytest.approx(-1)
    assert (found["opposed"], found["lowest"]["tau"]) == (2, pytest.approx(-1))


def test_two_explainers_have_no_tau():
    assert compare_rankings({name: MEANS[name] for name in ("gradcam", "lime")})["pairs"] == []


def test_metric_that_ranks_all_the_same_has_no_tau():
    found = compare_rankings({name: own | {"road": 1.0} for name, own in MEANS.items()})
    assert math.isnan(get_tau(found, "iou", "road"))
    assert found["defined"] == 1


def test_ties_share_their_rank():
    ranks = rank_explainers({"a": {"iou": 0.5}, "b": {"iou": 0.5}, "c": {"iou": 0.25}})
    assert [own["iou"] for own in ranks.values()] == [1.5, 1.5, 3]


def test_metric_that_one_has_not_does_not_rank():
    assert rank_explainers({"a": {"iou": 0.5, "road": 1.0}, "b": {"iou": 0.5}})["a"] == {"iou": 1.5}
