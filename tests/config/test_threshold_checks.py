"""Rules of thresholds in a config."""

import pytest

from chexpert.config.threshold_checks import find_rule_errors


def test_rules_of_the_page_are_right():
    assert list(find_rule_errors(["youden", "f1", "specificity_0.9", "sensitivity_0.95"])) == []


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ("youden", "value"),
        ([], "value"),
        (None, "value"),
        (["f1", "f1"], "value"),
        (["f2"], "choice"),
        (["sensitivity_2"], "choice"),
        ([0.5], "choice"),
    ],
)
def test_other_rules_are_errors(rules, code):
    (error,) = find_rule_errors(rules)
    assert (error.code, error.where) == (code, "thresholds")
