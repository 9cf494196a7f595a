"""The language of label rules."""

import pytest

from chexpert.data.labels.rules import check_rules, read_rules
from chexpert.errors import UserError
from chexpert.observations import COMPETITION, OBSERVATIONS


def test_one_rule_is_for_all_observations():
    assert read_rules([0.1, 0.2], "x") == dict.fromkeys(OBSERVATIONS, (0.1, 0.2))


def test_a_mapping_gives_the_default_to_the_rest():
    rules = read_rules({"default": "ignore", "Edema": "ones", "Pleural Effusion": 0.3}, "x")
    assert rules == dict.fromkeys(OBSERVATIONS, "ignore") | {"Edema": (1, 1), "Pleural Effusion": (0.3, 0.3)}


def test_without_a_default_only_the_named_have_a_rule():
    assert read_rules({"Edema": "three_class"}, "x") == {"Edema": "three_class"}


def test_everything_wrong_is_told_at_once_with_its_key():
    errors = [str(p) for p in check_rules({"Oedema": "ones", "Edema": 3}, "labels.blank", COMPETITION)]
    assert [error.splitlines()[0] for error in errors] == [
        "no observation of CheXpert: 'Oedema'",
        "not a label rule: 3",
        "no rule for Atelectasis, Cardiomegaly, Consolidation, Pleural Effusion",
    ]
    assert "where: labels.blank.Edema" in errors[1]


@pytest.mark.parametrize("rules", ["ones", {"default": "ones"}, dict.fromkeys(COMPETITION, "three_class")])
def test_rules_for_every_output_are_right(rules):
    assert list(check_rules(rules, "x", COMPETITION)) == []


def test_wrong_rules_are_not_read():
    with pytest.raises(UserError, match="Oedema"):
        read_rules({"Oedema": "ones"}, "x")
