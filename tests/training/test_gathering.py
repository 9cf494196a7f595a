"""The AUROC that a validation gathers over its batches."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from chexpert.metrics import Auroc, multilabel_auroc
from chexpert.training.validation import MultilabelAuroc, compute_auroc

NAMES = ["Edema", "Fracture"]


def column(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)[:, None]


def update(batches):
    """Return the AUROC over (logits, labels) batches of one observation, with nothing masked."""
    metric = MultilabelAuroc(["Edema"])
    for logits, labels in batches:
        metric.update(logits, labels, torch.ones_like(labels, dtype=torch.bool))
    return metric.compute()["Edema"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_of_half_precision_keep_their_order(dtype):
    logits = column(9.0, 9.5, dtype=dtype)
    assert logits.sigmoid().unique().numel() == 1  # both 1.0 in half precision: a tie, were it not for float32
    assert update([(logits, column(0, 1))]) == Auroc(1.0, 1, 1)


def test_auroc_over_batches_matches_sklearn():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(30, 1, generator=generator), torch.randint(0, 2, (30, 1), generator=generator)
    several = update(zip(logits.split(7), labels.split(7), strict=True))
    assert several == update([(logits, labels)])
    assert several.value == pytest.approx(roc_auc_score(labels[:, 0], logits[:, 0]), abs=1e-6)


def test_logits_like_probabilities_are_logits():
    logits, labels = column(0.2, 0.9, -3.0, 0.95), column(0, 1, 1, 0)
    batches = zip(logits.split(2), labels.split(2), strict=True)
    assert update(batches) == update([(logits, labels)]) == Auroc(0.25, 2, 2)


def test_auroc_is_by_observation():
    metric = MultilabelAuroc(NAMES)
    metric.update(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[0, 0], [1, 1]]), torch.ones(2, 2).bool())
    assert metric.compute() == {"Edema": Auroc(1.0, 1, 1), "Fracture": Auroc(0.0, 1, 1)}


def test_rows_are_probabilities_in_their_order():
    metric = MultilabelAuroc(["Edema"])
    for logit in (0.0, math.log(3)):
        metric.update(column(logit), column(1), column(True, dtype=torch.bool))
    probabilities, labels, mask = metric.rows()
    assert probabilities[:, 0].tolist() == pytest.approx([0.5, 0.75])
    assert (labels[:, 0].tolist(), mask[:, 0].tolist()) == ([1, 1], [True, True])


def test_labels_of_a_batch_in_bfloat16():
    metric = MultilabelAuroc(["Edema"])
    half = torch.tensor([[0.0], [1.0]], dtype=torch.bfloat16)
    metric.update(half, half, torch.ones(2, 1, dtype=torch.bool))
    assert metric.compute()["Edema"] == Auroc(1.0, 1, 1)
    assert metric.rows()[1].dtype == torch.float32


def test_reset_removes_earlier_batches():
    metric = MultilabelAuroc(["Edema"])
    for labels in (column(0, 1), column(1, 0)):
        metric.reset()
        metric.update(column(0.0, 1.0), labels, torch.ones(2, 1, dtype=torch.bool))
    assert metric.compute()["Edema"] == Auroc(0.0, 1, 1)


@pytest.mark.parametrize("rows", [3, 240, 5_000])
def test_auroc_by_torchmetrics_equals_auroc_by_ranks(rows):
    rng = np.random.default_rng(rows)
    scores, labels, mask = rng.random((rows, 4)).round(2), rng.random((rows, 4)) < 0.3, rng.random((rows, 4)) < 0.8
    labels[:, 2], mask[:, 3] = 0, False  # a class that is absent, and a column without labels
    found = compute_auroc("abcd", scores, labels.astype("float32"), mask)
    for name, expected in zip("abcd", multilabel_auroc(scores, labels, mask), strict=True):
        assert found[name] == pytest.approx(expected, abs=1e-7, nan_ok=True)
    assert found["d"][1:] == (0, 0)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.filterwarnings("ignore:.*called before the ``update``")
def test_auroc_without_batches_is_undefined():
    auroc = MultilabelAuroc(["Edema"]).compute()["Edema"]
    assert math.isnan(auroc.value)
    assert (auroc.positives, auroc.negatives) == (0, 0)
