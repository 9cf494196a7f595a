"""The text of a search for shortcuts."""

import copy
import re
from pathlib import Path

import pytest
from helpers.golden import check_golden
from helpers.shortcuts import interval, make_shortcuts

from chexpert.report import describe_shortcuts


@pytest.fixture
def content():
    return make_shortcuts()


def change(content, **pair):
    changed = copy.deepcopy(content)
    changed["pairs"][0] |= {"alarm": False} | pair
    return describe_shortcuts(changed)


def list_lines(text, start):
    return [line for line in text.splitlines() if line.startswith(start)]


def test_shortcut_has_its_reasons_in_numbers(content):
    check_golden(describe_shortcuts(content), Path(__file__).parent / "golden/shortcuts.txt")


def test_effect_of_a_shortcut_against_the_finding_is_a_rise(content):
    (falls,) = list_lines(describe_shortcuts(content), "Cardiomegaly leans")
    (rises,) = list_lines(change(content, alarm=True, effect=interval(-0.3), by="above_control"), "Cardiomegaly leans")
    assert "falls by 0.60 [0.50, 0.70]" in falls
    assert "rises by 0.30 [0.20, 0.40]" in rises
    assert ("filled" in falls, "filled" in rises) == (False, True)


def test_without_a_shortcut_the_tested_suspects_are_listed(content):
    text = change(content, lacking=["effect"])
    assert "SHORTCUT" not in text
    assert "Support Devices (80 images)" in text


@pytest.mark.parametrize("pair", [{"lacking": ["images"]}, {"finding": True}, {"tied": True}])
def test_pair_that_cannot_be_tested_is_no_shortcut(content, pair):
    text = change(content, **pair)
    assert "SHORTCUT" not in text
    assert "--regions FILE.json" in text


def test_confusion_is_a_note(content):
    text = change(content, lacking=["tie"])
    assert "SHORTCUT" not in text
    (note,) = list_lines(text, "note: ")
    assert all(fact in note for fact in ("Support Devices", "Cardiomegaly", "0.60 [0.50, 0.70]", "phi 0.50"))


def test_little_evidence_of_the_map_has_no_interval(content):
    text = change(content, alarm=True, mass_over_area=interval(1.4))
    assert "1.4" in text
    assert "[1.3, 1.5]" not in text


@pytest.mark.parametrize(("above", "kind"), [(-0.02, "warning"), (0.0, "warning"), (0.05, "note")])
def test_model_not_above_metadata_has_a_warning_or_note(content, above, kind):
    content["baselines"]["Cardiomegaly"] |= {"reached": ["metadata"], "above": {"metadata": interval(above)}}
    text = describe_shortcuts(content)
    (line,) = list_lines(text, f"{kind}: Cardiomegaly: ")
    values = ("0.95 [0.85, 1.05]", "metadata", "0.60 [0.50, 0.70]", f"{above:.2f} [", "30 positive")
    assert all(value in line for value in values)


def test_undefined_value_is_a_dash(content):
    content["places"]["Cardiomegaly"]["border"] = interval(float("nan"))
    text = describe_shortcuts(content)
    assert re.search(r"corners +- +border +-", text)


def test_missing_baselines_leave_no_values(content):
    values = "metadata +0.60"
    assert re.search(values, describe_shortcuts(content))
    assert not re.search(values, describe_shortcuts(content | {"baselines": {}}))


def test_evidence_outside_the_body_is_a_note(content):
    content["places"]["Cardiomegaly"]["outside the body"] = interval(1.5)
    (note,) = list_lines(describe_shortcuts(content), "note: Cardiomegaly: ")
    assert "1.5 [1.4, 1.6]" in note


def test_images_without_regions_are_counted(content):
    content["unlisted"] = 12
    assert describe_shortcuts(content).splitlines()[1].startswith("12 ")


def test_tie_on_the_images_themselves_has_an_interval(content):
    text = change(content, alarm=True, ties={"matched": 0.5}, tie=interval(0.5))
    assert "phi 0.50 [0.40, 0.60]" in text
