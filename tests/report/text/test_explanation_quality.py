"""The quality table, to the letter."""

import copy

import pytest

from chexpert.report.text.explanation_quality import list_quality, quality_table


def over(value, low=None, high=None, n=0):
    return {"value": value, "ci_low": low, "ci_high": high, "n": n}


EDEMA = {
    "auroc": 0.9234,
    "n": 32,
    "without_evidence": 0,
    "hit_normalized": over(0.5, 0.25, 1.0, 32),
    "relevance_over_area": over(12.34, 9.9, 15.0, 32),
    "gap_over_random": over(1.0, -0.25, 2.0, 12),
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
gradcam                    hit                   mass/area              gap                    sanity ok   reason
Edema                      .50 [.25, 1.00] 32    12.3 [9.9, 15.0] 32    1.00 [-.25, 2.00] 12   .26 ok      21/28
Fracture                   -                     -                      -                      -           -"""


def make(**observations):
    scored = {"control": False, "sanity": {"passed": True}, "observations": copy.deepcopy(observations)}
    return {"explainers": {"gradcam": scored}}


def test_it_shows_each_metric_with_its_interval_and_n_and_undefined_as_a_dash():
    block, *_ = quality_table(make(Edema=EDEMA, Fracture=NOTHING)).split("\nhit:")
    assert block == TABLE


def test_no_line_is_longer_than_120_columns():
    wide = EDEMA | {
        "hit_normalized": over(-0.55, -0.77, -0.33, 200),
        "relevance_over_area": over(99.93, 88.34, 104.04, 200),
        "gap_over_random": over(-1.25, -2.25, -1.25, 8),
        "sanity": {"top_block_size": over(0.96), "passed": False},
        "right_for_the_right_reason": over(1.0, 1.0, 1.0, 200),
        "without_evidence": 3,
    }
    content = make(**{"Enlarged Cardiomediastinum": wide})["explainers"]["gradcam"]
    table = quality_table({"explainers": {"integrated_gradients": content | {"sanity": {"passed": False}}}})
    assert max(map(len, table.splitlines())) <= 120


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"hit_normalized": over(-0.1, -0.2, 0.1, 9)}, "peaks in the finding less often than chance"),
        ({"gap_over_random": over(-0.1, -0.2, 0.1, 9)}, "the model follows a random map more than this one"),
        (
            {"sanity": {"top_block_size": over(0.8, 0.7, 0.9, 9), "passed": False}},
            "maps stay alike when the weights are shuffled",
        ),
        ({"without_evidence": 3}, "3 of 32 maps have no positive evidence"),
    ],
)
def test_what_must_not_be_overlooked_is_a_warning_of_its_own(change, flag):
    assert quality_table(make(Edema=EDEMA | change)).splitlines()[-1] == f"warning: gradcam, Edema: {flag}"


@pytest.mark.parametrize(("passed", "title"), [(True, "sanity ok "), (False, "sanity FAIL "), (None, "sanity      ")])
def test_the_verdict_on_all_observations_together_stands_above_the_rows(passed, title):
    content = make(Edema=EDEMA)
    content["explainers"]["gradcam"]["sanity"]["passed"] = passed
    lines = quality_table(content).splitlines()
    assert title in lines[0]
    flag = "warning: gradcam: maps stay alike when the weights are shuffled"
    assert (flag in lines) == (passed is False)


def test_a_control_is_there_to_do_badly_and_gets_no_warning():
    content = make(Edema=EDEMA | {"gap_over_random": over(-0.1, -0.2, 0.1, 9), "without_evidence": 3})
    content["explainers"]["gradcam"] |= {"control": True, "sanity": {"passed": False}}
    assert "warning" not in quality_table(content)


def test_two_maps_are_no_ground_for_a_warning():
    few = {"hit_normalized": over(-0.1, -0.1, -0.1, 2), "gap_over_random": over(-0.1, -0.2, 0.1, 2)}
    assert "warning" not in quality_table(make(Edema=EDEMA | few))


def test_a_good_run_has_no_warning():
    assert "warning" not in quality_table(make(Edema=EDEMA))


def test_a_table_of_an_older_version_reads_the_same():
    older = {key.replace("normalized", "normalised"): value for key, value in EDEMA.items()}
    assert quality_table(make(Edema=older)) == quality_table(make(Edema=EDEMA))
    assert list_quality(make(Edema=older)) == list_quality(make(Edema=EDEMA))
