import numpy as np
import pytest

from chexpert.explain.shortcuts.verdict import compare_pair, is_kin
from chexpert.metrics.bootstrap import Interval

MISSING = np.full(20, np.nan)
TIED = {"matched": 0.5}


def evaluate(inpainted=0.0, control=0.0, counterfactual=None, ties=TIED, fall=None, originals=20, tie=None, others=12):
    def make(change):
        return MISSING[:originals] if change is None else np.full(originals, change)

    controls = np.full((originals, others), np.nan if control is None else control)
    changes = {"inpainted": make(inpainted), "controls": controls, "counterfactual": make(counterfactual)}
    return compare_pair(changes, 2.0, ties, fall, tie)


def test_effects_are_in_standard_deviations_of_the_logit():
    verdict = evaluate(inpainted=1.0, control=0.2)
    assert verdict["inpainted"]["value"] == pytest.approx(0.5)
    assert verdict["effect"]["value"] == pytest.approx(0.4)
    assert verdict["alarm"]


def test_control_with_the_same_effect_is_no_alarm():
    assert evaluate(inpainted=1.0, control=1.0)["lacking"] == ["effect", "tie"]
    assert evaluate(inpainted=1.0, control=0.95)["lacking"] == ["effect"]


def test_control_that_hides_the_finding_is_no_alarm():
    assert evaluate(inpainted=0.0, control=1.0, ties={"matched": -0.5})["lacking"] == ["effect"]


def test_counterfactual_takes_precedence_over_inpainting():
    assert evaluate(inpainted=2.0, counterfactual=0.08)["lacking"] == ["effect"]
    assert evaluate(inpainted=0.0, counterfactual=1.0)["alarm"]


def test_negative_effect_needs_a_negative_tie():
    assert evaluate(counterfactual=-1.0, ties={"matched": -0.5})["alarm"]
    assert evaluate(counterfactual=-1.0, ties={"matched": 0.5})["lacking"] == ["tie"]


def test_few_images_and_no_control_are_no_alarm():
    assert evaluate(inpainted=1.0, originals=9)["lacking"] == ["images"]
    assert "controls" in evaluate(inpainted=1.0, control=None)["lacking"]
    assert evaluate(inpainted=1.0, others=9)["lacking"] == ["controls"]
    assert evaluate(counterfactual=1.0, others=0)["alarm"]


def test_filling_is_evaluated_beside_the_counterfactual():
    pair = evaluate(inpainted=1.0, counterfactual=0.02)
    assert (pair["lacking"], pair["lacking_by_filling"]) == (["effect"], [])
    sure = Interval(0.0, -0.1, 0.1, 20, 0)
    broken = evaluate(inpainted=1.0, ties={"matched": 0.5, "reversed": -0.5}, fall=sure)
    assert (broken["lacking"], broken["lacking_by_filling"]) == (["auroc"], [])


def test_undefined_tie_is_no_tie():
    assert evaluate(inpainted=1.0, ties={"matched": float("nan")})["lacking"] == ["tie"]


def test_tie_in_training_takes_precedence():
    assert evaluate(inpainted=1.0, ties={"matched": 0.5, "train": 0.1})["lacking"] == ["tie"]
    assert evaluate(inpainted=1.0, ties={"matched": 0.1, "train": 0.5})["alarm"]


def test_tie_must_be_significant_unless_known_in_training():
    sure, unsure = Interval(0.5, 0.1, 0.8, 20, 0), Interval(0.5, -0.1, 0.9, 20, 0)
    assert evaluate(inpainted=1.0, tie=sure)["alarm"]
    assert evaluate(inpainted=1.0, tie=unsure)["lacking"] == ["tie"]
    assert evaluate(inpainted=1.0, tie=unsure, ties={"matched": 0.5, "train": 0.5})["alarm"]
    assert evaluate(counterfactual=-1.0, ties={"matched": -0.5}, tie=Interval(-0.5, -0.8, -0.1, 20, 0))["alarm"]


def test_auroc_must_fall_where_the_tie_changes():
    ties = {"matched": 0.5, "reversed": -0.5}
    falls, stays, rises = (Interval(v, v - 0.02, v + 0.02, 60, 0) for v in (0.1, 0.0, -0.1))
    assert evaluate(inpainted=1.0, ties=ties, fall=falls)["alarm"]
    assert evaluate(inpainted=1.0, ties=ties, fall=stays)["lacking"] == ["auroc"]
    assert evaluate(inpainted=1.0, ties=ties, fall=rises)["lacking"] == ["auroc"]
    assert evaluate(inpainted=1.0, ties={"matched": 0.5, "reversed": 0.4}, fall=stays)["alarm"]


def test_insignificant_effect_is_no_alarm():
    changes = {"inpainted": np.array([10.0, -8.0] * 10), "controls": np.zeros((20, 12)), "counterfactual": MISSING}
    assert compare_pair(changes, 2.0, TIED, None)["lacking"] == ["effect"]


def test_related_observations_are_in_one_tree():
    assert is_kin("Pneumonia", "Atelectasis")
    assert is_kin("Cardiomegaly", "Enlarged Cardiomediastinum")
    assert not is_kin("Cardiomegaly", "Pneumonia")
    assert not is_kin("Cardiomegaly", "marker")
