"""Targets from a file of P(finding | label)."""

import json
import math
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers.errors import raises
from helpers.external_trees import write_nih
from helpers.learned_targets import make_targets, write_targets

from chexpert.data import LabelPolicy
from chexpert.data.labels.learned_targets import (
    advise_rules,
    compute_fingerprint,
    describe_targets,
    list_not_learned,
    read_targets_file,
)
from chexpert.data.labels.policy_checks import find_policy_errors
from chexpert.data.labels.reports import read_reports

NAMES = ["Edema", "Fracture"]
VALUES = {"Fracture": [0.8, 0.02, None, 0.04], "Edema": [0.9, None, 0.5, 0.1]}
FRAME = pd.DataFrame({"Edema": [1, 0, -1, None], "Fracture": [1, 0, -1, None]})
ALL = {"uncertain": "learned", "blank": "learned", "certain": "learned"}


@pytest.fixture
def file(tmp_path):
    return write_targets(tmp_path / "targets.json", VALUES)


def apply(observations=NAMES, **arguments):
    targets, mask, _ = LabelPolicy(**arguments).apply(FRAME, observations)
    return np.where(mask, targets, math.nan).T.tolist()


def check(**arguments):
    return [(error.code, error.where) for error in find_policy_errors(ALL | arguments, NAMES)]


def test_each_label_becomes_its_probability(file):
    """Without a learned value 0 and 1 stay, and -1 and blank are masked."""
    edema, fracture = apply(**ALL, file=file)
    assert edema == pytest.approx([0.9, 0, 0.5, 0.1])
    assert fracture == pytest.approx([0.8, 0.02, math.nan, 0.04], nan_ok=True)


def test_certain_labels_can_stay(file):
    assert apply(uncertain="learned", blank="learned", file=file)[0] == pytest.approx([1, 0, 0.5, 0.1])


def test_blank_labels_can_be_ignored(file):
    found = apply(**ALL | {"blank": "ignore"}, file=file)[0]
    assert found == pytest.approx([0.9, 0, 0.5, math.nan], nan_ok=True)


def test_observation_with_its_own_rules_needs_no_target(file):
    rules = {"default": "learned", "Pneumonia": "ones"}
    frame = FRAME.assign(Pneumonia=FRAME["Edema"])
    blank = {"default": "learned", "Pneumonia": "zeros"}
    policy = LabelPolicy(rules, blank, certain="learned", file=file)
    assert policy.apply(frame, ["Pneumonia"])[0].ravel().tolist() == [1, 0, 1, 0]


def test_three_classes_keep_uncertain_apart(file):
    targets, mask, _ = LabelPolicy("three_class", "learned", certain="learned", file=file).apply(FRAME, ["Edema"])
    assert targets.tolist() == pytest.approx(np.float32([[0.9, 0], [0, 0], [0, 1], [0.1, 0]]))
    assert mask.tolist() == [[True, True], [True, True], [False, True], [True, True]]


def test_policy_returns_what_its_file_says_of_its_observations(file):
    learned = LabelPolicy(**ALL, file=file).read_learned(["Edema"])
    assert learned["observations"] == {"Edema": make_targets(VALUES)["observations"]["Edema"]}
    assert LabelPolicy("zeros").read_learned(["Edema"]) == {}


def test_description_has_values_intervals_and_counts(file):
    lines = list(describe_targets(LabelPolicy(**ALL, file=file).read_learned(NAMES)))
    assert len(lines) == 3
    assert "0.90 [0.45, 0.90] (100)" in lines[1]
    assert "-1: not learned, fewer than 10 studies (3)" in lines[2]


def test_fingerprint_survives_json(file):
    content = json.loads(file.read_text())
    assert content["fingerprint"] == compute_fingerprint(content)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text.replace("0.9,", "0.8,"), "damaged-file"),
        (lambda text: text[:200], "damaged-file"),
        (lambda text: "[]", "damaged-file"),
        (lambda text: "{}", "damaged-file"),
    ],
)
def test_changed_file_is_an_error(file, change, code):
    file.write_text(change(file.read_text()))
    with raises(code, file):
        read_targets_file(file, NAMES)


@pytest.mark.parametrize("wrong", ["missing", 1.5, "0.5", True])
def test_value_that_is_missing_or_no_probability_is_an_error(file, wrong):
    content = make_targets(VALUES)
    if wrong == "missing":
        del content["observations"]["Edema"]["-1"]
    else:
        content["observations"]["Edema"]["-1"]["value"] = wrong
    file.write_text(json.dumps(content | {"fingerprint": compute_fingerprint(content)}))
    with raises("damaged-file", file) as caught:
        read_targets_file(file, NAMES)
    assert "Edema" in caught.value.message
    assert "-1" in caught.value.message


def test_targets_of_other_observations_are_an_error(file):
    with raises("other-observations", file) as caught:
        LabelPolicy(**ALL, file=file).read_learned(["Edema", "Pneumonia"])
    assert "Pneumonia" in caught.value.message


def test_observation_of_which_nothing_was_learned_is_an_error(tmp_path):
    with raises("too-few"):
        read_targets_file(write_targets(tmp_path / "few.json", {"Edema": [None] * 4}), ["Edema"])


def test_arguments_are_checked_before_training(file):
    assert check(file=str(file)) == []
    assert check() == [("missing-argument", "labels.file")]
    assert check(file="no/such.json") == [("missing-file", "labels.file")]
    assert check(file=str(file), certain="soft") == [("choice", "labels.certain")]
    for key in ("conditional", "propagate"):
        found = list(find_policy_errors(ALL | {"file": str(file), key: True}, NAMES))
        assert ("conflict", f"labels.{key}") in [(error.code, error.where) for error in found]
    hard = {"uncertain": "zeros", "blank": "zeros", "certain": "hard"}
    assert check(**hard, file=str(file)) == [("conflict", "labels.file")]
    assert check(**hard | {"certain": "learned"}) == [("conflict", "labels.certain")]


def test_hint_of_an_observation_without_targets_works(file):
    (error,) = find_policy_errors(ALL | {"file": str(file)}, ["Edema", "Pneumonia"])
    assert error.code == "other-observations"
    assert "labels.uncertain={Pneumonia: ignore}" in error.hint
    own = {"uncertain": {"default": "learned", "Pneumonia": "ignore"}}
    own |= {"blank": {"default": "learned", "Pneumonia": "zeros"}}
    assert not list(find_policy_errors(ALL | own | {"file": str(file)}, ["Edema", "Pneumonia"]))


def test_no_loss_of_the_project_needs_hard_labels():
    """All take a soft target; so labels=learned refuses none."""
    import torch
    from omegaconf import OmegaConf

    from chexpert.config import find_target

    for path in sorted((Path(__file__).parents[3] / "conf/loss").glob("*.yaml")):
        node = OmegaConf.to_container(OmegaConf.load(path))
        target, given = find_target(node, "loss"), {key: value for key, value in node.items() if key[0] != "_"}
        extra = {"observations": ["Edema"], "counts": torch.tensor([[4.0], [6.0]])}
        names = target.__init__.__code__.co_varnames
        loss = target(**given, **{key: value for key, value in extra.items() if key in names})
        values = [
            float(loss(torch.zeros(2, 1), torch.full((2, 1), soft), torch.ones(2, 1, dtype=torch.bool)))
            for soft in (0.2, 0.5)
        ]
        assert np.isfinite(values).all()


def test_reason_stands_once_where_nothing_of_an_observation_was_learned():
    content = make_targets(VALUES | {"Edema": [None] * 4})
    assert "not learned: fewer than 10 studies (studies with 1: 3, " in list(describe_targets(content))[2]
    assert list_not_learned(content) == ["Edema"]


def test_advised_rules_serve_all_observations_without_targets(tmp_path):
    file = write_targets(tmp_path / "none.json", {"Edema": [None] * 4, "Fracture": [None] * 4, "Pneumonia": [0.5] * 4})
    names = ["Edema", "Fracture", "Pneumonia"]
    (error,) = find_policy_errors(ALL | {"file": file}, names)
    advised = error.hint.split(": ", 1)[1]
    assert advised == advise_rules("Edema", "Fracture")
    rules = {setting.split("=")[0]: yaml.safe_load(setting.split("=")[1]) for setting in shlex.split(advised)}
    own = {"uncertain": {"default": "learned"} | rules["labels.uncertain"], "blank": rules["labels.blank"]}
    assert list(find_policy_errors(ALL | own | {"file": file}, names)) == []


def test_targets_are_not_learned_from_another_data_set(tmp_path):
    write_nih(tmp_path / "nih")
    with raises("input-kind", tmp_path / "nih"):
        read_reports({"root": str(tmp_path / "nih")}, "")
