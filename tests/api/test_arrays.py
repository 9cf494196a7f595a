"""Metrics, policies and LIME alone give what runs and commands give."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.errors import raises
from helpers.evaluated_runs import LABELS, make_run, make_scores
from scipy.special import expit, logit

import chexpert
from chexpert.data import LabelPolicy, read_frame
from chexpert.evaluation import compare
from chexpert.explain import Lime
from chexpert.metrics import (
    auroc_interval,
    calibrate,
    compare_aurocs,
    expected_calibration_error,
    fit_calibration,
    mean_auroc_interval,
)
from chexpert.observations import COMPETITION


def test_intervals_are_those_of_the_run(workplace):
    run = workplace.run
    scores, labels, metrics = run.predictions(), run.labels(), run.metrics.loc["valid"]
    for name in COMPETITION:
        found = auroc_interval(scores[name], labels[name])
        assert list(found[:3]) == pytest.approx(list(metrics.loc[name, ["auroc", "low", "high"]]), nan_ok=True)
        assert expected_calibration_error(scores[name], labels[name]) == pytest.approx(metrics.loc[name, "ece"])
    mean = mean_auroc_interval(scores, labels)
    assert list(mean[:3]) == pytest.approx(list(metrics.loc["mean", ["auroc", "low", "high"]]))


def test_interval_of_studies_and_missing_labels():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100).astype(float)
    scores = labels + rng.normal(size=100)
    single = auroc_interval(scores, labels)
    doubled = auroc_interval(np.repeat(scores, 2), np.repeat(labels, 2), studies=np.repeat(np.arange(100), 2))
    assert doubled.value == pytest.approx(single.value)
    assert doubled.ci_high - doubled.ci_low == pytest.approx(single.ci_high - single.ci_low, rel=0.1)
    assert auroc_interval([*scores, 9.0], [*labels, math.nan]).n == 100
    assert math.isnan(auroc_interval(scores, np.ones(100)).value)


def test_comparison_is_that_of_the_command(tmp_path):
    first, second = make_scores(1.5), make_scores(0.8, seed=1)
    runs = [make_run(tmp_path / name, skill, seed=s) for name, skill, s in (("a", 1.5, 0), ("b", 0.8, 1))]
    for by, columns in (("auroc_mean", slice(None)), ("Edema", list(COMPETITION).index("Edema"))):
        expected = compare(runs, by=by)["models"][1]["reference_has_more"]
        interval, p = compare_aurocs(first[:, columns], second[:, columns], LABELS[:, columns])
        keys = ("value", "ci_low", "ci_high")
        assert list(interval[:3]) == pytest.approx([expected[key] for key in keys], abs=1e-6)
        assert p == pytest.approx(expected["p"], rel=1e-4)
    same = compare_aurocs(first, first, LABELS)
    assert (same.interval.value, math.isnan(same.p)) == (0, True)
    with pytest.raises(ValueError, match="shape"):
        compare_aurocs(first, second[:, :3], LABELS)


def test_calibration_of_arrays():
    rng = np.random.default_rng(0)
    scores = rng.random(3000)
    labels = (rng.random(3000) < expit(0.3 * logit(scores))).astype(float)  # the scores are too sure
    labels[:10] = math.nan
    before = expected_calibration_error(scores[10:], labels[10:])
    for method in ("platt", "temperature", "isotonic"):
        after = calibrate(scores, fit_calibration(scores, labels, method))
        assert after.shape == scores.shape
        assert expected_calibration_error(after[10:], labels[10:]) < before
    for wrong in ((scores, labels, "plat"), (scores + 1, labels, "platt"), (scores, np.ones(3000), "platt")):
        with pytest.raises(ValueError, match=r"method|scores|classes"):
            fit_calibration(*wrong)
    assert math.isnan(expected_calibration_error([], []))


@pytest.mark.parametrize("policy", [LabelPolicy("ones"), LabelPolicy([0.55, 0.85], blank="ignore")])
def test_policy_of_a_pandas_table_is_that_of_the_run(phantom, policy):
    path = phantom / "CheXpert-v1.0-small/train.csv"
    for names in (COMPETITION, chexpert.OBSERVATIONS):
        found, expected = (policy.apply(frame, names) for frame in (pd.read_csv(path), read_frame(path)))
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.mask, expected.mask)


def test_wrong_table_is_an_error():
    frame = pd.DataFrame({"Edema": [1, 0, 2]}, index=["a", "b", "c"])
    with raises("cell", "row 'c', column Edema"):
        LabelPolicy("ones").apply(frame, ["Edema"])
    with raises("missing-column", "the table"):
        LabelPolicy("ones").apply(frame, ["Fracture"])
    targets, mask, _ = LabelPolicy([0.5, 0.9]).apply(pd.DataFrame({"Edema": [-1, -1, None]}), ["Edema"])
    assert 0.5 <= targets[0, 0] < 0.9
    assert targets[0, 0] != targets[1, 0]
    assert mask.all()


def test_lime_of_a_function_is_that_of_its_model(at_work):
    loaded = chexpert.load(at_work.run.folder)
    image = loaded.preprocessing("image.jpg")

    def score(images):
        assert images.dtype == np.uint8
        assert images.shape[1:] == (64, 64)
        with torch.no_grad():
            return loaded.model(torch.from_numpy(images)[:, None]).numpy()

    lime = Lime(samples=50, superpixels=10)
    found = lime.explain_function(score, image[0].numpy(), batch_size=7)
    (expected,) = lime(loaded.model, image[None], [range(5)])
    assert len(found) == 5
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own.signed, other.signed, atol=1e-4 * np.abs(other.signed).max() + 1e-7)
    (one,) = lime.explain_function(lambda images: score(images)[:, 3], image[0].numpy())
    np.testing.assert_allclose(one.signed, found[3].signed, atol=1e-4 * np.abs(one.signed).max() + 1e-7)


def test_wrong_function_or_image_is_an_error():
    image, lime = np.zeros((64, 64), np.uint8), Lime(samples=10, superpixels=5)
    with raises("input-kind", "image"):
        lime.explain_function(np.mean, image[None])
    with raises("input-kind", "image"):
        lime.explain_function(np.mean, image / 255)
    with raises("input-kind", "function"):
        lime.explain_function(np.mean, image)
    with raises("nan", "function"):
        lime.explain_function(lambda images: np.full(len(images), np.nan), image)
