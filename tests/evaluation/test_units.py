"""Intervals of an external data set resample its patients."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from chexpert.evaluation.evaluate import evaluate
from chexpert.evaluation.join import join_labels
from chexpert.evaluation.members import compare_with_members
from chexpert.evaluation.predictions import Named
from chexpert.metrics import auroc_interval
from chexpert.report.text.values import describe_resamples

PATIENTS, IMAGES = 12, 4
NAMES = [
    f"ChestX-ray14/patient{p:05d}/study{i + 1}/{p:08d}_{i:03d}.png" for p in range(PATIENTS) for i in range(IMAGES)
]
rng = np.random.default_rng(0)
LABELS = np.repeat(np.arange(PATIENTS) % 2, IMAGES).astype(float)
SCORES = np.repeat(rng.random(PATIENTS), IMAGES) * 0.5 + 0.2 * LABELS + 0.1 * rng.random(len(NAMES))
TRUTH = Named(Path("L.csv"), "Path", NAMES, {"Edema": LABELS})
OWN = Named(Path("P.csv"), "Path", NAMES, {"Edema": SCORES})


@pytest.mark.parametrize("level", ["image", "study"])
def test_images_of_a_patient_are_resampled_together(level):
    labeled = join_labels(OWN, TRUTH, level)
    content = evaluate(labeled, replicates=200)
    assert content["studies"] == len(NAMES)
    assert content["bootstrap"] == {"replicates": 200, "seed": 0, "unit": "patient", "units": PATIENTS}
    owners = np.repeat(np.arange(PATIENTS), IMAGES)
    expected = auroc_interval(SCORES, LABELS, owners, replicates=200)
    found = content["auroc"]["Edema"]
    assert [found["ci_low"], found["ci_high"]] == pytest.approx([expected.ci_low, expected.ci_high])
    single = evaluate(replace(labeled, studies=np.arange(len(NAMES))), replicates=200)["auroc"]["Edema"]
    assert found["ci_high"] - found["ci_low"] > single["ci_high"] - single["ci_low"]
    assert describe_resamples(content) == "200 resamples of 12 patients"


def test_paired_differences_resample_patients():
    content = compare_with_members(OWN, {"a": OWN, "b": TRUTH}, TRUTH, mean_over=["Edema"], replicates=20)
    assert (content["studies"], content["bootstrap"]["unit"]) == (len(NAMES), "patient")
