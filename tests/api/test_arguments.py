"""Arguments of another type or choice are an error of the API, at the argument's name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.errors import raises

import chexpert
from chexpert.api.arguments import rename_options
from chexpert.data import LabelPolicy
from chexpert.errors import UserError, UserErrors

CHOICES = {
    "ids": ["Hash", "PATH", "", None, True],
    "level": ["Study", "images", None],
    "views": ["Mean", "Max", "median", 1],
    "observations": ["Edema", "All", ["Edema"]],
}
NUMBERS = {"batch_size": [0, -1, 1.5, "8", True], "num_workers": [-1, 0.5, "2", False]}


@pytest.mark.parametrize("name", [*CHOICES, *NUMBERS])
def test_choice_of_prediction_is_checked(at_work, name):
    for value in CHOICES.get(name, ()):
        with raises("choice", name):
            at_work.run.predict("images", **{name: value})
    for value in NUMBERS.get(name, ()):
        with raises("value", name):
            at_work.run.predict("images", **{name: value})


def test_only_path_shows_names(at_work):
    for ids in ("Hash", "Path", "hashed", None):
        with raises("choice", "ids"):
            at_work.run.explain("images/DOE_JANE_0.jpg", ids=ids)
    assert not [name for name in at_work.run.predict("images", ids="hash").index if "DOE" in name]


def test_place_of_an_error_is_the_argument(at_work):
    with raises("value", "calibrated"):
        at_work.run.predict("images", calibrated="no")
    with raises("other-calibration", "views='mean'") as caught:
        table = at_work.run.folder / "predictions/valid.csv"
        at_work.run.predict(table, calibrated=True, level="study", views="mean")
    assert caught.value.hint == "views='max'"
    with raises("choice", "explainer"):
        at_work.run.explain("image.jpg", "gradcm")
    with raises("unused-setting", "explainer.lime") as caught:
        at_work.run.explain("image.jpg", "gradcam", settings="explainer.lime.samples=10")
    assert caught.value.hint.endswith("explainer='lime'")


def test_options_in_errors_become_arguments():
    error = UserError("absent", code="missing-folder", where="--config-dir my configs", hint="chexpert x --root A")
    renamed = rename_options(UserErrors([error, UserError("a", code="choice", where="a", hint="with --out B")]))
    assert [one.where for one in renamed.errors] == ["config_dir='my configs'", "a"]
    assert [one.hint for one in renamed.errors] == ["chexpert x --root A", "with --out B"]


@pytest.mark.parametrize("value", [None, 1, ["a"], b"a"])
def test_what_is_no_path_is_an_error(at_work, value):
    with raises("value", "path"):
        chexpert.open_run(value)
    if value is not None:
        with raises("value", "root"):
            at_work.run.predict("images", root=value)
        with raises("value", "config_dir"):
            chexpert.train("model=single", config_dir=value)


def test_home_of_nobody_is_an_error(at_work):
    for call, name in (
        (chexpert.open_run, "path"),
        (at_work.run.predict, "images"),
        (lambda path: at_work.run.predict([path]), "images"),
        (at_work.run.explain, "image"),
        (lambda path: at_work.run.predict("images", root=path), "root"),
        (lambda path: chexpert.train(config_dir=path), "config_dir"),
    ):
        with raises("missing-folder", name):
            call("~nobody-has-this-name/x")


def test_settings_are_texts(at_work):
    with raises("value", "settings"):
        chexpert.train(1)
    with raises("value", "settings"):
        chexpert.train(["seed=1"])
    with raises("value", "settings"):
        at_work.run.explain("image.jpg", settings=[1])
    one = at_work.run.explain("image.jpg", "occlusion", "Edema", settings="explainer.occlusion.patch=0.5")
    same = at_work.run.explain("image.jpg", "occlusion", "Edema", settings=["explainer.occlusion.patch=0.5"])
    np.testing.assert_array_equal(one.signed, same.signed)
    with raises("unknown-key"):
        at_work.run.explain("image.jpg", settings="a.b=1")
    for broken in ("explainer=3", "explainer.gradcam=3", "explain=[1]", "explainer.gradcam.smooth=[", "seed", ""):
        with pytest.raises(UserError):
            at_work.run.explain("image.jpg", settings=broken)


def test_explainer_and_observation_are_one_name(at_work):
    with raises("value", "explainer"):
        at_work.run.explain("image.jpg", ["gradcam"])
    with raises("value", "observation"):
        at_work.run.explain("image.jpg", "gradcam", ["Edema"])


@pytest.mark.parametrize("images", [torch.zeros(64, 64, requires_grad=True), object(), {"a": 1}, 5, None])
def test_what_is_no_array_is_an_error(at_work, images):
    for call in (at_work.run.predict, at_work.run.explain):
        with raises("input-kind", "the array"):
            call(images)


@pytest.mark.parametrize("table", [{"Edema": [1, 0]}, [1, 0], None, pd.Series([1, 0], name="Edema")])
def test_policy_needs_a_table(table):
    with raises("value", "the table"):
        LabelPolicy("ones").apply(table, ["Edema"])


def test_policy_needs_each_column_once():
    twice = pd.DataFrame([[1, 0], [0, 1]], columns=["Edema", "Edema"])
    with raises("repeated", "the table"):
        LabelPolicy("ones").apply(twice, ["Edema"])
    keyed = pd.DataFrame([[1, "a", "b"]], columns=["Edema", "Path", "Path"])
    with raises("repeated", "the table"):
        LabelPolicy([0.5, 0.9]).apply(keyed, ["Edema"])


def test_model_is_loaded_once(at_work, monkeypatch):
    run = chexpert.open_run(at_work.run.folder)
    expected = run.explain("image.jpg", "gradcam", "Edema").signed
    model = run._model.loaded
    monkeypatch.setattr("chexpert.inference.predict.load", lambda path: pytest.fail("loaded again"))
    pd.testing.assert_frame_equal(run.predict("images"), run.predict("images"), check_exact=True)
    assert run._model.loaded is model
    np.testing.assert_array_equal(run.explain("image.jpg", "gradcam", "Edema").signed, expected)
    assert not Path("predictions.csv").exists()
