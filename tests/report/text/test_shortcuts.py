"""The words of the shortcut report, for made values."""

import copy

import pytest

from chexpert.report import describe_shortcuts


def interval(value, half=0.1, n=40):
    return {"value": value, "ci_low": value - half, "ci_high": value + half, "n": n, "undefined_replicates": 0}


@pytest.fixture
def content():
    pair = {
        "observation": "Cardiomegaly", "suspect": "Support Devices", "by": "counterfactual", "effect": interval(0.6),
        "lacking": [], "alarm": True, "tied": False, "finding": False, "ties": {"matched": 0.7, "train": 0.5},
        "auroc_fall": interval(0.15), "mass_over_area": interval(3.2),
    }  # fmt: skip
    aurocs = {"matched": interval(0.95) | {"positives": 30}, "independent": interval(0.88), "reversed": interval(0.8)}
    own = {"model": interval(0.95), "metadata": interval(0.6), "gray": interval(0.7), "both": interval(0.7)}
    return {
        "run": "outputs/mine", "root": "data", "views": 200, "explainer": "gradcam", "geometry": "made up",
        "suspects": {"Support Devices": {"views": 80}},
        "aurocs": {"Cardiomegaly": aurocs},
        "pairs": [pair],
        "places": {"Cardiomegaly": {"outside the body": interval(0.5), "corners": None, "border": interval(1.0)}},
        "baselines": {"Cardiomegaly": {**own, "above": {}, "reached": []}},
    }  # fmt: skip


def change(content, **pair):
    changed = copy.deepcopy(content)
    changed["pairs"][0] |= {"alarm": False} | pair
    return describe_shortcuts(changed)


def test_a_shortcut_is_named_with_its_reasons_in_numbers(content):
    assert describe_shortcuts(content).splitlines()[2] == (
        "Cardiomegaly leans heavily on Support Devices: they come together (phi 0.50 in the training labels); "
        "the logit falls by 0.60 [0.50, 0.70] of its standard deviation when the same image is painted without it "
        "(40 images); AUROC 0.95 [0.85, 1.05] matched, 0.88 [0.78, 0.98] independent, 0.80 [0.70, 0.90] reversed "
        "(fall 0.15 [0.05, 0.25]); the map has 3.2 [3.1, 3.3] times the evidence there that an even one has."
    )


def test_a_shortcut_that_speaks_against_the_finding_is_reported_with_its_own_sign(content):
    text = change(content, alarm=True, effect=interval(-0.3), by="above_control")
    assert "leans on Support Devices" in text
    assert "the logit rises by 0.30 [0.20, 0.40]" in text
    assert "when its region is filled" in text


def test_none_is_no_proof(content):
    text = change(content, lacking=["effect"])
    assert "No shortcut was found among the suspects tested: Support Devices (80 images)." in text
    assert "This does not prove that there is none." in text
    assert "too small or too unsure" in text


def test_too_few_images_are_no_test(content):
    assert "No suspect could be tested" in change(content, lacking=["images"])


def test_a_confusion_is_reported_but_not_as_a_shortcut(content):
    text = change(content, lacking=["tie"])
    assert "No shortcut was found" in text
    assert "note: Support Devices moves Cardiomegaly" in text
    assert "a confusion, no shortcut" in text


def test_other_findings_and_kin_raise_no_alarm(content):
    assert "they come together and look alike, no alarm" in change(content, finding=True)
    assert "tied by anatomy" in change(content, tied=True)


def test_a_map_that_hardly_shows_the_shortcut_is_no_reason(content):
    text = change(content, alarm=True, mass_over_area=interval(1.4))
    assert "the map hardly shows it (1.4 times)." in text
    assert "times the evidence there" not in text


@pytest.mark.parametrize(("above", "kind"), [(-0.02, "warning"), (0.0, "warning"), (0.05, "note")])
def test_a_model_that_is_not_shown_to_be_above_metadata_is_reported_with_the_difference(content, above, kind):
    content["baselines"]["Cardiomegaly"] |= {"reached": ["metadata"], "above": {"metadata": interval(above)}}
    text = describe_shortcuts(content)
    assert f"{kind}: Cardiomegaly: the model's AUROC, 0.95 [0.85, 1.05], is not shown to be above what" in text
    assert f"metadata reach (0.60 [0.50, 0.70]): difference {above:.2f} [" in text
    assert "], 30 positive images" in text


def test_what_is_undefined_is_a_dash_and_what_is_missing_is_reported(content):
    content["baselines"] = {}
    content["places"]["Cardiomegaly"]["border"] = interval(float("nan"))
    text = describe_shortcuts(content)
    assert "corners -   border -" in text
    assert "was not measured" in text


def test_evidence_outside_the_body_is_noted(content):
    content["places"]["Cardiomegaly"]["outside the body"] = interval(1.5)
    assert "note: Cardiomegaly: outside the body the map has 1.5 [1.4, 1.6] times" in describe_shortcuts(content)


def test_images_that_the_region_file_does_not_list_are_counted(content):
    content["unlisted"] = 12
    assert describe_shortcuts(content).splitlines()[1].startswith("12 of them are not in the file of regions")


def test_a_tie_on_the_images_themselves_is_reported_with_its_interval(content):
    text = change(content, alarm=True, ties={"matched": 0.5}, tie=interval(0.5))
    assert "they come together (phi 0.50 [0.40, 0.60] in these images)" in text
