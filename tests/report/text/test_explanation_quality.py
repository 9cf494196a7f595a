"""The table of explanation quality."""

import copy
import re

import pytest

from chexpert.report.text.explanation_quality import MEANINGS, list_left_out, list_quality, quality_table


def over(value, low=None, high=None, n=0):
    return {"value": value, "ci_low": low, "ci_high": high, "n": n}


EDEMA = {
    "auroc": 0.9234,
    "n": 32,
    "without_evidence": 0,
    "hit_normalized": over(0.5, 0.25, 1.0, 32),
    "relevance_over_area": over(12.34, 9.9, 15.0, 32),
    "gap_over_random": over(1.0, -0.25, 2.0, 12),
    "road": over(2.5, -0.5, 3.0, 8),
    "stability": over(0.75, None, None, 3),
    "border_mass": over(0.25, 0.125, 0.5, 32),
    "sanity": {"top_block_size": over(0.26, 0.1, 0.4, 16), "passed": True},
    "right_for_the_right_reason": over(0.75, 0.5, 0.9, 28),
}
NOTHING = {
    "auroc": None,
    "n": 0,
    "without_evidence": 0,
    "hit_normalized": over(None),
    "relevance_over_area": over(None),
    "gap_over_random": over(None),
    "sanity": {"top_block_size": over(None), "passed": None},
    "right_for_the_right_reason": over(None),
}


TABLE = """\
gradcam                hit                   mass/area              gap                    ROAD    sanity ok   reason
Edema                  .50 [.25, 1.00] 32    12.3 [9.9, 15.0] 32    1.00 [-.25, 2.00] 12   2.50 8  .26 ok      21/28
Fracture               -                     -                      -                      -       -           -"""


def make(**observations):
    scored = {"control": False, "sanity": {"passed": True}, "observations": copy.deepcopy(observations)}
    return {"explainers": {"gradcam": scored}}


def test_each_metric_has_interval_and_n_or_is_a_dash():
    block, *_ = quality_table(make(Edema=EDEMA, Fracture=NOTHING)).split("\nhit:")
    assert block == TABLE


def test_lines_have_at_most_120_columns():
    wide = EDEMA | {
        "hit_normalized": over(-0.55, -0.77, -0.33, 200),
        "relevance_over_area": over(99.93, 88.34, 104.04, 200),
        "gap_over_random": over(-1.25, -2.25, -1.25, 8),
        "road": over(-1.25, -2.25, -1.25, 8),
        "border_mass": over(3.5, 3.25, 3.75, 200),
        "sanity": {"top_block_size": over(0.96), "passed": False},
        "right_for_the_right_reason": over(1.0, 1.0, 1.0, 200),
        "without_evidence": 3,
    }
    content = make(**{"Enlarged Cardiomediastinum": wide})["explainers"]["gradcam"]
    content |= {"stability": over(-0.25, -0.5, 0.25, 12), "stability_of": "noise"}
    table = quality_table({"explainers": {"integrated_gradients": content | {"sanity": {"passed": False}}}})
    assert max(map(len, table.splitlines())) <= 120


def list_warnings(content):
    return [line for line in quality_table(content).splitlines() if line.startswith("warning: ")]


def test_each_bad_metric_has_its_own_warning():
    changes = [
        {"hit_normalized": over(-0.1, -0.2, 0.1, 9)},
        {"gap_over_random": over(-0.1, -0.2, 0.1, 9)},
        {"road": over(-0.1, -0.2, 0.1, 8)},
        {"border_mass": over(2.5, 1.125, 3.0, 9)},
        {"sanity": {"top_block_size": over(0.8, 0.7, 0.9, 9), "passed": False}},
        {"without_evidence": 3},
    ]
    found = [warning for change in changes for warning in list_warnings(make(Edema=EDEMA | change))]
    assert len(set(found)) == len(found) == len(changes)
    assert all(warning.startswith("warning: gradcam, Edema: ") for warning in found)
    assert "3 of 32" in found[-1]


@pytest.mark.parametrize(("passed", "title"), [(True, "sanity ok "), (False, "sanity FAIL "), (None, "sanity      ")])
def test_sanity_of_all_observations_is_in_the_header(passed, title):
    content = make(Edema=EDEMA)
    content["explainers"]["gradcam"]["sanity"]["passed"] = passed
    assert title in quality_table(content).splitlines()[0]
    assert len(list_warnings(content)) == (passed is False)


@pytest.mark.parametrize(
    ("border", "warned"),
    [(over(2.5, 1.125, 3.0, 9), 1), (over(2.0, 1.5, 3.0, 9), 0), (over(2.5, 1.0, 3.0, 9), 0), (over(3.5, n=4), 0)],
)
def test_evidence_at_the_border_is_a_warning_where_its_interval_is_above_an_even_map(border, warned):
    assert len(list_warnings(make(Edema=EDEMA | {"border_mass": border}))) == warned


@pytest.mark.parametrize(("value", "kind"), [(0.25, "seed"), (0.25, "noise"), (0.5, "seed"), (None, None)])
def test_second_maps_that_differ_are_one_warning_of_the_explainer(value, kind):
    content = make(Edema=EDEMA, Fracture=NOTHING)
    content["explainers"]["gradcam"] |= {"stability": over(value, None, None, 3), "stability_of": kind}
    found = list_warnings(content)
    assert len(found) == (value == 0.25)
    assert all(kind in line and ".25, 3 maps" in line for line in found)


def test_what_the_time_budget_left_out_is_a_line_each():
    left_out = [
        {"explainer": "lime", "step": "explained", "done": 2, "of": 4},
        {"explainer": "gradcam", "step": "scored", "done": 5, "of": 32},
    ]
    content = make(Edema=EDEMA) | {"time_budget": {"minutes": 3.0, "left_out": left_out}}
    lines = [line for line in quality_table(content).splitlines() if line.endswith("(time budget 3 min)")]
    assert [re.findall(r"^(\w+): .* (\d+) of (\d+) ", line) for line in lines] == [
        [("lime", "2", "4")],
        [("gradcam", "5", "32")],
    ]
    assert list_left_out(content) == lines


@pytest.mark.parametrize("budget", [None, {}, {"minutes": None, "left_out": []}])
def test_no_time_budget_leaves_nothing_out(budget):
    assert list_left_out(make(Edema=EDEMA) | {"time_budget": budget}) == []


def test_control_has_no_warning():
    content = make(Edema=EDEMA | {"gap_over_random": over(-0.1, -0.2, 0.1, 9), "without_evidence": 3})
    content["explainers"]["gradcam"] |= {"control": True, "sanity": {"passed": False}}
    content["explainers"]["gradcam"] |= {"stability": over(0, None, None, 3), "stability_of": "seed"}
    assert list_warnings(content) == []


def test_two_maps_are_too_few_for_a_warning():
    few = {"hit_normalized": over(-0.1, -0.1, -0.1, 2), "gap_over_random": over(-0.1, -0.2, 0.1, 2)}
    assert list_warnings(make(Edema=EDEMA | few)) == []


def test_quality_of_an_older_version_gives_the_same_table():
    older = {key.replace("normalized", "normalised"): value for key, value in EDEMA.items()}
    assert quality_table(make(Edema=older)) == quality_table(make(Edema=EDEMA))
    assert list_quality(make(Edema=older)) == list_quality(make(Edema=EDEMA))


def test_metrics_that_an_older_version_did_not_write_are_dashes():
    older = {key: value for key, value in EDEMA.items() if key not in ("road", "stability", "border_mass")}
    assert "   -       .26 ok" in quality_table(make(Edema=older))
    (listed,) = list_quality(make(Edema=older))
    assert [metric["value"] for metric in listed["rows"]["Edema"]] == [0.5, 12.34, 1.0, None, 0.26, 0.75, None, None]


def test_page_has_a_meaning_for_each_column():
    (listed,) = list_quality(make(Edema=EDEMA))
    values = [metric["value"] for metric in listed["rows"]["Edema"]]
    assert dict(zip(MEANINGS, values, strict=True))["ROAD"] == 2.5
    assert values[-2:] == [0.75, 0.25]
