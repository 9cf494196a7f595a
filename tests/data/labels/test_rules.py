"""Label rules: one for all observations, or by name."""

import pytest
from helpers.errors import raises

from chexpert.data.labels.rules import check_rules, read_rules
from chexpert.observations import COMPETITION, OBSERVATIONS


def test_one_rule_is_for_all_observations():
    assert read_rules([0.1, 0.2], "x") == dict.fromkeys(OBSERVATIONS, (0.1, 0.2))


def test_default_is_for_all_other_observations():
    rules = read_rules({"default": "ignore", "Edema": "ones", "Pleural Effusion": 0.3}, "x")
    assert rules == dict.fromkeys(OBSERVATIONS, "ignore") | {"Edema": (1, 1), "Pleural Effusion": (0.3, 0.3)}


def test_only_named_observations_have_a_rule_without_default():
    assert read_rules({"Edema": "three_class"}, "x") == {"Edema": "three_class"}


def test_all_errors_are_returned_with_their_keys():
    unknown, wrong, missing = check_rules({"Oedema": "ones", "Edema": 3}, "labels.blank", COMPETITION)
    assert [(error.code, error.where) for error in (unknown, wrong, missing)] == [
        ("unknown-observation", "labels.blank"),
        ("label-rule", "labels.blank.Edema"),
        ("label-rule", "labels.blank"),
    ]
    assert ("Oedema" in unknown.message, "Edema" in unknown.hint, "3" in wrong.message) == (True, True, True)
    assert [name for name in COMPETITION if name not in missing.message] == ["Edema"]
    assert "labels.blank.default=" in missing.hint


@pytest.mark.parametrize("rules", ["ones", {"default": "ones"}, dict.fromkeys(COMPETITION, "three_class")])
def test_rules_for_all_observations_have_no_errors(rules):
    assert list(check_rules(rules, "x", COMPETITION)) == []


def test_wrong_rules_are_not_read():
    with raises("unknown-observation", "x"):
        read_rules({"Oedema": "ones"}, "x")
