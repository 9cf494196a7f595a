"""The text of a recalibration: whose values stand where, and what is said of a refit."""

import pytest

from chexpert.report.text.recalibration import describe_recalibration, describe_verdict


def value(middle, half=0.1):
    return {"value": middle, "ci_low": middle - half, "ci_high": middle + half}


def remedy(brier, sensitivity, specificity, **more):
    point = {"sensitivity": value(sensitivity), "specificity": value(specificity), "ppv": value(0.5), "npv": value(0.5)}
    return {"prevalence": 0.3, "brier": value(brier), "rules": {"youden": {"threshold": 0.27} | point | more}}


def make_report(as_is, refit):
    remedies = {"as_is": as_is, "prior_shift": None, "refit": refit}
    own = {"positives": 20, "negatives": 60, "remedies": remedies}
    return {
        "level": "image", "views": None, "n": 80, "studies": 80, "bootstrap": {"replicates": 100}, "chosen_on": "dev",
        "labels_before": "report", "observations": {"Edema": own}, "left_as_is": [], "least": 10, "left_out": {},
    }  # fmt: skip


def test_cross_validated_values_stand_apart_from_the_threshold():
    lines = describe_recalibration(
        make_report(remedy(0.2, 0.25, 0.88), remedy(0.2, 0.38, 0.47, threshold_interval=value(0.27, 0.05)))
    ).splitlines()
    (threshold,) = [line for line in lines if "threshold:" in line]
    assert threshold.strip() == "youden, threshold: 0.270 [0.220, 0.320]"
    (validated,) = [line for line in lines if "cross-validated:" in line]
    assert "sensitivity 0.38" in validated
    assert "sensitivity" not in threshold


def test_share_of_positives_and_the_split_of_the_prevalence_are_printed():
    text = describe_recalibration(make_report(remedy(0.2, 0.5, 0.5), remedy(0.2, 0.5, 0.5)))
    assert "Edema: 20 positive (0.250 of the given labels), 60 negative" in text
    assert "as is: prevalence on dev 0.300" in text
    assert "--prevalence 'Edema=P'" in text


@pytest.mark.parametrize(
    ("refit", "brier", "thresholds"),
    [
        (remedy(0.25, 0.6, 0.5), "not shown to be better", "not shown to be better"),
        (remedy(0.05, 0.5, 0.5), "Edema: better", "not shown to be better"),
        (remedy(0.55, 0.8, 0.2), "Edema: worse", "Edema: sensitivity higher and specificity lower (youden)"),
    ],
)
def test_refit_is_called_different_only_where_intervals_do_not_overlap(refit, brier, thresholds):
    report = make_report(remedy(0.3, 0.5, 0.5), refit)
    _, first, second = describe_verdict(report["observations"])
    assert brier in first
    assert thresholds in second


def test_no_verdict_without_a_refit():
    assert list(describe_verdict(make_report(remedy(0.3, 0.5, 0.5), None)["observations"])) == []
