"""The masked binary cross entropy; test_losses.py has the contract of all losses."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from chexpert.training import MaskedBCE


def test_soft_target_by_hand():
    # p = 3/4: -(0.7 log 3/4 + 0.3 log 1/4)
    loss = MaskedBCE()(torch.tensor([[math.log(3)]]), torch.tensor([[0.7]]), torch.tensor([[True]]))
    assert float(loss) == pytest.approx(-(0.7 * math.log(0.75) + 0.3 * math.log(0.25)))


def test_mean_is_over_unmasked_entries():
    # The first entry costs log 2, the second is masked, the third log 4.
    logits, targets = torch.tensor([[0.0, 5.0, math.log(3)]]), torch.tensor([[1.0, 0.0, 0.0]])
    loss = MaskedBCE()(logits, targets, torch.tensor([[True, False, True]]))
    assert float(loss) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_bce_without_masked_entries_matches_torch():
    generator = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(4, 3, generator=generator), torch.rand(4, 3, generator=generator)
    mask = torch.ones(4, 3, dtype=torch.bool)
    assert torch.allclose(MaskedBCE()(logits, targets, mask), binary_cross_entropy_with_logits(logits, targets))


def test_half_precision_is_computed_in_float32():
    logits = torch.tensor([[12.0]], dtype=torch.float16)
    loss = MaskedBCE()(logits, torch.tensor([[1.0]]), torch.tensor([[True]]))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(math.log1p(math.exp(-12)), rel=1e-4)


def test_label_smoothing_by_hand_in_training_alone():
    # e = .2 makes .9 of 1 and .1 of 0, and leaves .5; p = 3/4.
    loss, logits = MaskedBCE(label_smoothing=0.2), torch.full((1, 3), math.log(3))
    targets, mask = torch.tensor([[1.0, 0.0, 0.5]]), torch.ones(1, 3, dtype=torch.bool)

    def entropy(target):
        return -(target * math.log(0.75) + (1 - target) * math.log(0.25))

    assert float(loss(logits, targets, mask)) == pytest.approx((entropy(0.9) + entropy(0.1) + entropy(0.5)) / 3)
    plain = (entropy(1) + entropy(0) + entropy(0.5)) / 3
    assert float(loss.eval()(logits, targets, mask)) == pytest.approx(plain)


@pytest.mark.parametrize("value", [1, -0.1, "0.1", True, math.nan])
def test_impossible_label_smoothing(value):
    (error,) = MaskedBCE.validate_args(label_smoothing=value)
    assert (error.code, error.where) == ("value", "loss.label_smoothing")
