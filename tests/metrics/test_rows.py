"""Public metrics join tables by name, and refuse labels, scores and lengths that they would count wrongly."""

import math
import time

import numpy as np
import pandas as pd
import pytest

from chexpert.metrics import (
    auroc,
    auroc_interval,
    calibrate,
    compare_aurocs,
    expected_calibration_error,
    fit_calibration,
    mean_auroc_interval,
    multilabel_auroc,
    reduce_to_studies,
    youden_threshold,
    youden_thresholds,
)

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 50).astype(float)
SCORES = np.clip(0.3 + 0.3 * LABELS + RNG.normal(scale=0.2, size=50), 0, 1)
OTHERS = RNG.random(50)
NAMES = [f"patient{n}/study1/view1" for n in range(50)]
BY_NAME = {
    "auroc": lambda scores, labels: auroc(scores, labels),
    "auroc_interval": lambda scores, labels: auroc_interval(scores, labels, replicates=20),
    "compare_aurocs": lambda scores, labels: compare_aurocs(scores, OTHERS[: len(scores)], labels, replicates=20),
    "fit_calibration": lambda scores, labels: fit_calibration(scores, labels),
    "expected_calibration_error": lambda scores, labels: expected_calibration_error(scores, labels),
    "youden_threshold": lambda scores, labels: youden_threshold(scores, labels),
}
COLUMNS = {
    "mean_auroc_interval": lambda scores, labels: mean_auroc_interval(scores, labels, replicates=20),
    "compare_aurocs": lambda scores, labels: compare_aurocs(scores, scores, labels, replicates=20).interval,
    "multilabel_auroc": lambda scores, labels: multilabel_auroc(scores, labels, np.ones(labels.shape, bool)),
    "youden_thresholds": lambda scores, labels: youden_thresholds(scores, labels, np.ones(labels.shape, bool)),
}
PROBABILITIES = ("fit_calibration", "expected_calibration_error")


def series(values):
    return pd.Series(values, index=NAMES)


@pytest.mark.parametrize("name", BY_NAME)
def test_series_are_joined_by_index(name):
    find = BY_NAME[name]
    expected = find(SCORES, LABELS)
    shuffled = series(LABELS).sample(frac=1, random_state=1)
    assert find(series(SCORES), shuffled) == expected
    assert (
        find(series(SCORES), series(LABELS)) == find(series(SCORES), LABELS) == find(SCORES, series(LABELS)) == expected
    )


@pytest.mark.parametrize("name", BY_NAME)
def test_series_of_other_rows_are_an_error(name):
    labels = series(LABELS)
    twice = labels.set_axis([NAMES[0], *NAMES[:-1]])
    for other in (labels[:-2], labels.reset_index(drop=True), labels.rename({NAMES[0]: "other"}), twice):
        with pytest.raises(ValueError, match="rows"):
            BY_NAME[name](series(SCORES), other)


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_are_joined_by_rows_and_columns(name):
    scores = pd.DataFrame({"Edema": SCORES, "Fracture": OTHERS}, index=NAMES)
    labels = pd.DataFrame({"Edema": LABELS, "Fracture": 1 - LABELS}, index=NAMES)
    expected = COLUMNS[name](scores.to_numpy(), labels.to_numpy())
    shuffled = labels[["Fracture", "Edema"]].sample(frac=1, random_state=1)
    assert COLUMNS[name](scores, shuffled) == COLUMNS[name](scores, labels) == expected
    with pytest.raises(ValueError, match="columns"):
        COLUMNS[name](scores, labels.rename(columns={"Edema": "Other"}))
    with pytest.raises(ValueError, match="shape"):
        COLUMNS[name](scores.to_numpy(), labels.to_numpy()[:, :1])
    with pytest.raises(ValueError, match="-1"):
        COLUMNS[name](scores, labels.replace(0, -1))


def test_masks_and_studies_are_joined_by_index():
    scores, labels = pd.DataFrame({"a": SCORES}, index=NAMES), pd.DataFrame({"a": LABELS}, index=NAMES)
    mask, studies = pd.DataFrame({"a": SCORES < 0.9}, index=NAMES), series([f"study{n // 2}" for n in range(50)])
    expected = mean_auroc_interval(SCORES[:, None], LABELS[:, None], mask.to_numpy(), np.arange(50) // 2)
    order = RNG.permutation(50)
    assert mean_auroc_interval(scores, labels, mask.iloc[order], studies.iloc[order]) == pytest.approx(
        expected, abs=0.05
    )
    found = mean_auroc_interval(scores, labels, mask.iloc[order], series(np.arange(50) // 2).iloc[order])
    assert found == expected


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("value", [-1, 2, 0.5, math.inf])
def test_other_labels_are_an_error(name, value):
    labels = LABELS.copy()
    labels[3] = value
    with pytest.raises(ValueError, match="label"):
        BY_NAME[name](SCORES, labels)


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "auroc"])
def test_missing_labels_count_for_nothing(name):
    if name == "compare_aurocs":
        return
    scores = np.append(SCORES, math.nan)
    assert BY_NAME[name](scores, [*LABELS, math.nan]) == pytest.approx(BY_NAME[name](SCORES, LABELS), abs=0.1)


def test_missing_label_is_not_negative():
    assert auroc([0.1, 0.2, 0.3], [0, 1, math.nan]) == (1, 1, 1)
    assert expected_calibration_error([0.25, 0.5], [math.nan, 1]) == 0.5


@pytest.mark.parametrize("name", BY_NAME)
def test_scores_out_of_range_are_an_error(name):
    for wrong in (math.nan, math.inf):
        scores = SCORES.copy()
        scores[7] = wrong
        with pytest.raises(ValueError, match="score"):
            BY_NAME[name](scores, LABELS)
    if name in PROBABILITIES:
        with pytest.raises(ValueError, match="score"):
            BY_NAME[name](SCORES * 100, LABELS)
    else:
        BY_NAME[name](SCORES * 100 - 50, LABELS)


@pytest.mark.parametrize("scores", [[0.5, 1.2], [-0.1], [math.nan], [50.0]])
def test_only_probabilities_are_calibrated(scores):
    with pytest.raises(ValueError, match="score"):
        calibrate(scores, {"slope": 1.0, "intercept": 0.0})


@pytest.mark.parametrize("name", BY_NAME)
def test_other_lengths_are_an_error(name):
    for scores, labels in ((SCORES, LABELS[:-2]), (SCORES[:-2], LABELS), (SCORES, LABELS[:, None])):
        with pytest.raises(ValueError, match="shape"):
            BY_NAME[name](scores, labels)


def test_studies_have_any_names():
    numbers = np.arange(50) // 2
    expected = auroc_interval(SCORES, LABELS, numbers)
    begin = time.perf_counter()
    assert auroc_interval(SCORES, LABELS, numbers + 1_000_000) == expected
    assert time.perf_counter() - begin < 5
    assert auroc_interval(SCORES, LABELS, [f"study{n:03}" for n in numbers]) == expected
    found = compare_aurocs(SCORES, OTHERS, LABELS, numbers)
    assert compare_aurocs(SCORES, OTHERS, LABELS, numbers * 10**12) == found
    mean = mean_auroc_interval(SCORES[:, None], LABELS[:, None], studies=numbers)
    assert mean_auroc_interval(SCORES[:, None], LABELS[:, None], studies=numbers - 7) == mean
    for wrong in (numbers[:-1], np.zeros((50, 2)), [math.nan, *numbers[1:]], ["a", *numbers[1:].tolist()[:-1], None]):
        with pytest.raises(ValueError, match="stud"):
            auroc_interval(SCORES, LABELS, wrong)


def test_rows_of_studies_have_one_length():
    two = np.zeros((2, 1))
    for names, scores, labels, mask in (
        (["a"], two, two, two),
        (["a", "b"], two, two[:1], two),
        (["a", "b"], two, two, 1),
    ):
        with pytest.raises(ValueError, match="shape"):
            reduce_to_studies(names, scores, labels, mask)
