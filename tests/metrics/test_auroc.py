"""AUROC against scikit-learn, and where it is undefined."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from chexpert.metrics import Auroc, MultilabelAuroc, auroc_mean, multilabel_auroc

NAMES = ["Edema", "Fracture"]


def column(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)[:, None]


def judge(probabilities, labels, mask=None):
    """The AUROC of one observation from plain numbers."""
    mask = [True] * len(labels) if mask is None else mask
    return multilabel_auroc(column(*probabilities), column(*labels), column(*mask, dtype=torch.bool))[0]


def update(batches):
    """One metric over several (logits, labels) batches of one observation, with nothing masked."""
    metric = MultilabelAuroc(["Edema"])
    for logits, labels in batches:
        metric.update(logits, labels, torch.ones_like(labels, dtype=torch.bool))
    return metric.compute()["Edema"]


@pytest.mark.parametrize("case", range(200))
def test_it_agrees_with_scikit_learn_with_ties_and_masks(case):
    rng = np.random.default_rng(case)
    shape = int(rng.integers(4, 60)), 3
    probabilities = rng.random(shape).round(int(rng.integers(1, 4))).astype("float32")
    labels = rng.integers(0, 2, shape)
    mask = rng.random(shape) < 0.8
    found = multilabel_auroc(torch.tensor(probabilities), torch.tensor(labels), torch.tensor(mask))
    for c, auroc in enumerate(found):
        rows = mask[:, c]
        positives = int(labels[rows, c].sum())
        assert (auroc.positives, auroc.negatives) == (positives, int(rows.sum()) - positives)
        if 0 < positives < rows.sum():
            assert auroc.value == pytest.approx(roc_auc_score(labels[rows, c], probabilities[rows, c]), abs=1e-6)
        else:
            assert math.isnan(auroc.value)


def test_ties_count_half():
    assert judge([0.5, 0.5, 0.5], [0, 1, 1]) == Auroc(0.5, 2, 1)


def test_masked_rows_play_no_part():
    assert judge([0.1, 0.9, 0.99, 0.01], [0, 1, 0, 1], [True, True, False, False]) == Auroc(1.0, 1, 1)


@pytest.mark.parametrize(("labels", "counts"), [([1, 1, 1], (3, 0)), ([0, 0, 0], (0, 3))])
def test_one_class_alone_is_undefined_with_its_counts(labels, counts):
    auroc = judge([0.1, 0.2, 0.3], labels)
    assert math.isnan(auroc.value)
    assert (auroc.positives, auroc.negatives) == counts


def test_a_wholly_masked_column_is_undefined_without_support():
    auroc = judge([0.1, 0.2], [0, 1], [False, False])
    assert math.isnan(auroc.value)
    assert (auroc.positives, auroc.negatives) == (0, 0)


def test_an_undefined_column_leaves_the_others_alone():
    probabilities = torch.tensor([[0.1, 0.1], [0.2, 0.9]])
    labels = torch.tensor([[1, 0], [1, 1]])
    undefined, defined = multilabel_auroc(probabilities, labels, torch.ones(2, 2, dtype=torch.bool))
    assert math.isnan(undefined.value)
    assert defined == Auroc(1.0, 1, 1)


def test_the_mean_is_over_the_defined_of_those_listed():
    aurocs = {"A": Auroc(0.5, 1, 1), "B": Auroc(math.nan, 0, 2), "C": Auroc(1.0, 1, 1), "D": Auroc(0.0, 1, 1)}
    assert auroc_mean(aurocs, ["A", "B", "C"]) == (0.75, ["A", "C"])


def test_the_mean_of_none_is_undefined():
    mean, used = auroc_mean({"B": Auroc(math.nan, 0, 2)}, ["B"])
    assert math.isnan(mean)
    assert used == []


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_of_half_precision_keep_their_order(dtype):
    logits = column(9.0, 9.5, dtype=dtype)
    assert logits.sigmoid().unique().numel() == 1  # both 1.0 in half precision: a tie, were it not for float32
    assert update([(logits, column(0, 1))]) == Auroc(1.0, 1, 1)


def test_several_batches_are_judged_as_one():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(30, 1, generator=generator), torch.randint(0, 2, (30, 1), generator=generator)
    several = update(zip(logits.split(7), labels.split(7), strict=True))
    assert several == update([(logits, labels)])
    assert several.value == pytest.approx(roc_auc_score(labels[:, 0], logits[:, 0]), abs=1e-6)


def test_logits_that_look_like_probabilities_are_still_logits():
    logits, labels = column(0.2, 0.9, -3.0, 0.95), column(0, 1, 1, 0)
    batches = zip(logits.split(2), labels.split(2), strict=True)
    assert update(batches) == update([(logits, labels)]) == Auroc(0.25, 2, 2)


def test_observations_are_judged_by_name():
    metric = MultilabelAuroc(NAMES)
    metric.update(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[0, 0], [1, 1]]), torch.ones(2, 2).bool())
    assert metric.compute() == {"Edema": Auroc(1.0, 1, 1), "Fracture": Auroc(0.0, 1, 1)}


def test_rows_are_probabilities_in_the_order_they_came():
    metric = MultilabelAuroc(["Edema"])
    for logit in (0.0, math.log(3)):
        metric.update(column(logit), column(1), column(True, dtype=torch.bool))
    probabilities, labels, mask = metric.rows()
    assert probabilities[:, 0].tolist() == pytest.approx([0.5, 0.75])
    assert (labels[:, 0].tolist(), mask[:, 0].tolist()) == ([1, 1], [True, True])


def test_a_reset_forgets_what_came_before():
    metric = MultilabelAuroc(["Edema"])
    for labels in (column(0, 1), column(1, 0)):
        metric.reset()
        metric.update(column(0.0, 1.0), labels, torch.ones(2, 1, dtype=torch.bool))
    assert metric.compute()["Edema"] == Auroc(0.0, 1, 1)


@pytest.mark.filterwarnings("ignore:.*called before the ``update``")
def test_no_batch_at_all_is_undefined():
    auroc = MultilabelAuroc(["Edema"]).compute()["Edema"]
    assert math.isnan(auroc.value)
    assert (auroc.positives, auroc.negatives) == (0, 0)
