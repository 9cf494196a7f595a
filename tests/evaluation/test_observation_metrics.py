"""Metrics of evaluated rows, compared with scikit-learn."""

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.errors import raises
from sklearn.metrics import average_precision_score, brier_score_loss, confusion_matrix, roc_auc_score

from chexpert.evaluation import LabeledScores, check_disjoint, choose_operating_points, evaluate
from chexpert.evaluation.evaluate import find_names
from chexpert.evaluation.groups import get_largest_gap, merge_few

NAMES = ["Edema", "Fracture"]


def make_labeled(n=200, seed=0, *, scale=1.0, **groups):
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 2)) < [0.4, 0.2]).astype("float64")
    labels[rng.random((n, 2)) < 0.1] = math.nan
    scores = scale / (1 + np.exp(-rng.normal(size=(n, 2)) - np.nan_to_num(labels)))
    names = [f"s{row}" for row in range(n)]
    return LabeledScores(names, np.arange(n), NAMES, scores, labels, "study", "max", groups)


@pytest.fixture(scope="module")
def labeled():
    return make_labeled()


@pytest.fixture(scope="module")
def content(labeled):
    points = choose_operating_points(make_labeled(seed=1))
    return evaluate(labeled, mean_over=NAMES, replicates=200, operating_points=points, chosen_on="dev")


@pytest.mark.parametrize("c", [0, 1])
def test_metrics_match_sklearn(labeled, content, c):
    known = np.isfinite(labeled.labels[:, c])
    labels, scores, name = labeled.labels[known, c], labeled.scores[known, c], NAMES[c]
    auroc = content["auroc"][name]
    assert auroc["value"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert (auroc["positives"], auroc["negatives"]) == (labels.sum(), (1 - labels).sum())
    assert content["auprc"][name]["value"] == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    assert content["auprc"][name]["prevalence"] == pytest.approx(labels.mean())
    assert content["calibration"][name]["brier"]["value"] == pytest.approx(brier_score_loss(labels, scores))
    for point in content["operating_points"][name].values():
        (tn, fp), (fn, tp) = confusion_matrix(labels, scores >= point["threshold"])
        assert point["sensitivity"]["value"] == pytest.approx(tp / (tp + fn))
        assert point["specificity"]["value"] == pytest.approx(tn / (tn + fp))


def test_every_interval_contains_its_metric(content):
    def walk(node):
        if isinstance(node, dict):
            if "ci_low" in node:
                assert node["ci_low"] <= node["value"] <= node["ci_high"], node
            for value in node.values():
                walk(value)

    walk({key: content[key] for key in ("auroc", "auroc_mean", "auprc", "operating_points")})


def test_mean_leaves_out_undefined_observations(labeled):
    labels = labeled.labels.copy()
    labels[:, 1] = 0
    absent = LabeledScores(labeled.names, labeled.studies, NAMES, labeled.scores, labels, "study", "max")
    content = evaluate(absent, mean_over=[*NAMES, "Cardiomegaly"])
    assert content["auroc_mean"]["over"] == ["Edema"]
    assert content["auroc_mean"]["value"] == content["auroc"]["Edema"]["value"]
    assert math.isnan(content["auroc"]["Fracture"]["value"])
    assert content["auroc"]["Fracture"]["positives"] == 0
    assert math.isnan(content["auprc"]["Fracture"]["value"])


def test_bootstrap_and_delong_agree_on_single_studies():
    auroc = evaluate(make_labeled(1000), replicates=2000)["auroc"]["Edema"]
    assert auroc["ci_low"] == pytest.approx(auroc["delong_low"], abs=0.004)
    assert auroc["ci_high"] == pytest.approx(auroc["delong_high"], abs=0.004)


def test_bootstrap_samples_studies_not_views():
    views = make_labeled(400)
    studies = LabeledScores(views.names, np.arange(400) // 20, NAMES, views.scores, views.labels, "image", "max")
    aurocs = [evaluate(one)["auroc"]["Edema"] for one in (views, studies)]
    assert aurocs[0]["value"] == aurocs[1]["value"]
    assert aurocs[0]["ci_low"] != aurocs[1]["ci_low"]
    assert evaluate(studies)["bootstrap"]["units"] == 20


def test_scores_above_1_have_auroc_but_no_calibration():
    content = evaluate(make_labeled(scale=3.0), replicates=10)
    assert content["calibration"] is None
    assert content["not_probabilities"]
    assert content["auroc"]["Edema"]["value"] == evaluate(make_labeled(), replicates=10)["auroc"]["Edema"]["value"]


def test_without_thresholds_there_is_no_sensitivity(labeled):
    assert evaluate(labeled, replicates=10)["operating_points"] is None


def test_thresholds_chosen_on_evaluated_studies_are_an_error(labeled):
    with raises("shared-patients", "s0") as caught:
        check_disjoint(labeled, labeled)
    assert "200" in caught.value.message


def test_aurocs_of_groups_and_largest_gap_match_sklearn():
    sex = ["Female", "Male", "", "Female"] * 100
    labeled = make_labeled(400, sex=sex)
    found = evaluate(labeled, mean_over=NAMES, group_by=["sex"], replicates=100)["groups"]["sex"]
    assert {part: own["n"] for part, own in found["rows"].items()} == {"Female": 200, "Male": 100}
    assert found["unknown"] == 100
    values = {}
    for part in ("Female", "Male"):
        for c, name in enumerate(NAMES):
            known = (np.array(sex) == part) & np.isfinite(labeled.labels[:, c])
            values[name, part] = roc_auc_score(labeled.labels[known, c], labeled.scores[known, c])
            own = found["rows"][part]
            assert own["auroc"][name]["value"] == pytest.approx(values[name, part], abs=1e-12)
            assert own["prevalence"][name]["value"] == pytest.approx(labeled.labels[known, c].mean())
    gaps = {name: values[name, "Female"] - values[name, "Male"] for name in NAMES}
    largest = max(gaps, key=lambda name: abs(gaps[name]))
    gap = found["largest_gap"]
    assert (gap["observation"], gap["compared"]) == (largest, 2)
    assert gap["value"] == pytest.approx(abs(gaps[largest]), abs=1e-12)
    assert (gap["high"], gap["low"]) == (("Female", "Male") if gaps[largest] > 0 else ("Male", "Female"))


def test_small_part_is_marked_and_has_no_gap():
    labeled = make_labeled(100, ward=["A"] * 95 + ["B"] * 5)
    found = evaluate(labeled, mean_over=NAMES, group_by=["ward"], replicates=10)["groups"]["ward"]
    assert found["rows"]["B"]["small"]
    assert found["rows"]["B"]["auroc"]["Fracture"]["small"]
    assert found["largest_gap"] is None


def make_few():
    """Parts of wards A and B, of 50 patients each, and of ward C: 60 images of 3 patients, ordered without error."""
    labeled = make_labeled(160, ward=["A"] * 50 + ["B"] * 50 + ["C"] * 60)
    names = [f"patient{row:05d}/study1/view1_frontal.jpg" for row in range(100)]
    names += [f"patient{200 + row % 3:05d}/study{row}/view1_frontal.jpg" for row in range(60)]
    labeled.scores[100:] = np.nan_to_num(labeled.labels[100:])
    return replace(labeled, names=names)


def test_a_part_of_many_images_of_few_patients_has_no_gap():
    own = evaluate(make_few(), mean_over=NAMES, group_by=["ward"], replicates=10)["groups"]["ward"]
    assert {part: (row["n"], row["patients"]) for part, row in own["rows"].items()} == {
        "A": (50, 50), "B": (50, 50), "C": (60, 3),
    }  # fmt: skip
    assert not own["rows"]["C"]["small"]
    gap = own["largest_gap"]
    assert {gap["high"], gap["low"]} == {"A", "B"}
    assert get_largest_gap(own) == gap
    assert get_largest_gap(own | {"largest_gap": gap | {"high": "C"}}) is None  # as older versions recorded it
    assert get_largest_gap({"largest_gap": gap}) == gap


def test_personal_parts_of_few_patients_are_merged_or_left_out():
    many, few, one = ["A"] * 80, [part for part in "BC" for _ in range(6)], ["D"]
    own = evaluate(make_labeled(93, race=many + few + one), mean_over=NAMES, group_by=["race"], replicates=10)
    assert {part: row["n"] for part, row in own["groups"]["race"]["rows"].items()} == {
        "A": 80, "other, of few patients": 13,
    }  # fmt: skip
    own = evaluate(make_labeled(81, insurance=many + one), mean_over=NAMES, group_by=["insurance"], replicates=10)
    assert list(own["groups"]["insurance"]["rows"]) == ["A"]
    assert own["groups"]["insurance"]["unknown"] == 1


def test_patients_are_counted_and_not_their_studies():
    names = [f"patient{row // 5:05d}/study{row % 5 + 1}" for row in range(45)]
    assert set(merge_few(["A"] * 45, names)) == {""}
    assert set(merge_few(["A"] * 45, [f"patient{row // 5}/study{row % 5 + 1}" for row in range(45)])) == {""}
    assert set(merge_few(["A"] * 45, [f"patient{row:05d}/study1" for row in range(45)])) == {"A"}


def test_unknown_group_is_an_error(labeled):
    with raises("unknown-group", "--group-by") as caught:
        evaluate(labeled, group_by=["sex"])
    assert "sex" in caught.value.message


def test_same_seed_gives_the_same_metrics(labeled):
    one, other, third = (evaluate(labeled, replicates=50, seed=seed)["auroc"] for seed in (1, 1, 2))
    assert one == other != third


def test_perfect_value_of_few_rows_has_an_exact_interval():
    labels = np.array([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0], [0.0]])
    labeled = LabeledScores(list("abcdefg"), np.arange(7), ["Edema"], labels / 2, labels, "study", "max")
    content = evaluate(labeled, mean_over=["Edema"], replicates=50, operating_points={"Edema": {"youden": 0.25}})
    lowest = 0.025 ** (1 / 3)  # three positives, all in order
    for metric in (content["auroc"]["Edema"], content["auroc_mean"]):
        assert (metric["value"], metric["ci_low"], metric["ci_high"]) == (1, pytest.approx(lowest), 1)
    point = content["operating_points"]["Edema"]["youden"]
    assert point["sensitivity"]["ci_low"] == pytest.approx(lowest)
    assert point["specificity"]["ci_low"] == pytest.approx(0.025 ** (1 / 4))


def test_interval_of_ece_contains_it_for_calibrated_scores():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        scores = rng.random((235, 1))
        labeled = LabeledScores([f"s{n}" for n in range(235)], np.arange(235), ["Edema"], scores,
                        (rng.random((235, 1)) < scores).astype(float), "study", "max")  # fmt: skip
        ece = evaluate(labeled, replicates=200)["calibration"]["Edema"]["ece"]
        assert ece["ci_low"] <= ece["value"] <= ece["ci_high"]


def test_observation_counts_once_in_the_mean():
    assert find_names(["Edema", "edema"], make_labeled(), requested=True) == ["Edema"]
