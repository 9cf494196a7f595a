"""One network beside its members, on made-up predictions."""

from pathlib import Path

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.evaluation.disagreement import evaluate_disagreement
from chexpert.evaluation.members import compare_with_members
from chexpert.evaluation.predictions import Named
from chexpert.metrics import auroc, compare_aurocs
from chexpert.report.text.members import describe_members

EDEMA, FLUID = "Edema", "Pleural Effusion"
rng = np.random.default_rng(0)
NAMES = [f"valid/patient{64541 + row // 2:05d}/study1/view{1 + row % 2}_frontal.jpg" for row in range(40)]
LABELS = np.repeat(rng.integers(0, 2, 20), 2).astype(float)
TRUTH = Named(Path("L.csv"), "Path", NAMES, {EDEMA: LABELS, FLUID: np.zeros(40)})


def make(name: str, noise: float, seed: int) -> Named:
    own = np.random.default_rng(seed)
    scores = np.clip(0.5 + 0.2 * (LABELS - 0.5) + own.normal(0, noise, 40), 0.01, 0.99)
    return Named(Path(name), "Path", NAMES, {EDEMA: scores, FLUID: scores[::-1].copy()})


MEMBERS = {"a": make("a", 0.2, 1), "b": make("b", 0.3, 2)}
OWN = make("own", 0.15, 3)


def test_differences_are_those_of_the_averaged_scores():
    content = compare_with_members(OWN, MEMBERS, TRUTH, mean_over=[EDEMA, FLUID], replicates=50)
    assert content["over"] == [EDEMA]  # no positive of the other one
    assert (content["n"], content["studies"]) == (40, 20)
    mean = (MEMBERS["a"].columns[EDEMA] + MEMBERS["b"].columns[EDEMA]) / 2
    assert content["ensemble"]["auroc_mean"] == auroc(mean, LABELS).value
    numbers = np.repeat(np.arange(20), 2)
    expected = compare_aurocs(OWN.columns[EDEMA], mean, LABELS, numbers, 50)
    found = content["ensemble"]["difference"]
    assert [found[key] for key in ("value", "ci_low", "ci_high")] == pytest.approx(list(expected.interval[:3]))
    assert content["members"] == {name: auroc(one.columns[EDEMA], LABELS).value for name, one in MEMBERS.items()}
    best = max(content["members"], key=content["members"].get)
    assert (content["best_member"]["name"], content["best_member"]["chosen_on"]) == (best, None)
    assert content["best_member"]["chosen_on_these_rows"]
    assert "favors" in describe_members(content, "valid")


def test_disagreement_is_that_of_the_members():
    content = compare_with_members(OWN, MEMBERS, TRUTH, mean_over=[EDEMA, FLUID], replicates=20)
    expected = evaluate_disagreement({EDEMA: list(MEMBERS.values())}, TRUTH)
    assert content["disagreement"] == {"threshold": 0.5, "mean": expected["mean"]}
    errors = np.stack([one.columns[EDEMA] - LABELS for one in MEMBERS.values()])
    assert content["disagreement"]["mean"]["correlation"]["value"] == pytest.approx(np.corrcoef(errors)[0, 1])


def test_best_member_may_be_chosen_elsewhere():
    content = compare_with_members(
        OWN, MEMBERS, TRUTH, mean_over=[EDEMA], best="b", best_chosen_on="dev", replicates=20
    )
    assert content["best_member"]["auroc_mean"] == content["members"]["b"]
    assert "dev" in describe_members(content, "valid")


def test_studies_are_averaged_after_their_views():
    content = compare_with_members(OWN, MEMBERS, TRUTH, mean_over=[EDEMA], level="study", views="mean", replicates=20)
    scores = [one.columns[EDEMA].reshape(20, 2).mean(1) for one in MEMBERS.values()]
    assert content["ensemble"]["auroc_mean"] == auroc(np.mean(scores, axis=0), LABELS[::2]).value
    assert content["n"] == 20


def test_no_defined_auroc_has_no_difference():
    content = compare_with_members(OWN, MEMBERS, TRUTH, mean_over=[FLUID], replicates=20)
    assert content["auroc_mean"] is content["ensemble"]["difference"]["value"] is None
    assert describe_members(content, "valid")


def test_members_of_other_rows_are_an_error():
    short = Named(Path("c"), "Path", NAMES[:30], {name: own[:30] for name, own in OWN.columns.items()})
    with raises("other-rows"):
        compare_with_members(OWN, {"c": short}, TRUTH, mean_over=[EDEMA])
