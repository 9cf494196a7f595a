"""Losses with a mask."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from chexpert.training import MaskedBCE

ALL = torch.ones(4, 3, dtype=torch.bool)


@pytest.fixture
def logits():
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()


@pytest.fixture
def targets():
    return torch.rand(4, 3, generator=torch.Generator().manual_seed(1))


def test_a_soft_target_by_hand():
    # p = 3/4: -(0.7 log 3/4 + 0.3 log 1/4)
    loss = MaskedBCE()(torch.tensor([[math.log(3)]]), torch.tensor([[0.7]]), torch.tensor([[True]]))
    assert float(loss) == pytest.approx(-(0.7 * math.log(0.75) + 0.3 * math.log(0.25)))


def test_the_mean_is_over_unmasked_entries():
    # The first entry costs log 2, the second is masked, the third log 4.
    logits, targets = torch.tensor([[0.0, 5.0, math.log(3)]]), torch.tensor([[1.0, 0.0, 0.0]])
    loss = MaskedBCE()(logits, targets, torch.tensor([[True, False, True]]))
    assert float(loss) == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_without_a_mask_it_is_torchs_own(logits, targets):
    assert torch.allclose(MaskedBCE()(logits, targets, ALL), binary_cross_entropy_with_logits(logits, targets))


def test_masked_entries_get_exactly_no_gradient(logits, targets):
    mask = torch.arange(12).reshape(4, 3) % 3 > 0
    MaskedBCE()(logits, targets, mask).backward()
    assert (logits.grad[~mask] == 0).all()
    assert (logits.grad[mask] != 0).all()


def test_a_wholly_masked_batch_costs_nothing(logits, targets):
    loss = MaskedBCE()(logits, targets, ~ALL)
    loss.backward()
    assert loss.item() == 0.0
    assert (logits.grad == 0).all()


def test_half_precision_is_computed_in_float32():
    logits = torch.tensor([[12.0]], dtype=torch.float16)
    loss = MaskedBCE()(logits, torch.tensor([[1.0]]), torch.tensor([[True]]))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(math.log1p(math.exp(-12)), rel=1e-4)
