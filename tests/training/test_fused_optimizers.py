"""Fused optimizers: when they are chosen, and that their steps are the same."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW, RMSprop

from chexpert.training.optimizers import fuse

WEIGHTS = [nn.Parameter(torch.ones(2))]


def is_fused(constructor, device="cpu", precision="32-true"):
    return bool(fuse(constructor, device, precision)(WEIGHTS).defaults.get("fused"))


def test_optimizer_is_fused_if_torch_has_the_kernel():
    assert is_fused(partial(AdamW, lr=0.1))
    assert is_fused(partial(SGD, lr=0.1))
    assert not is_fused(partial(RMSprop, lr=0.1))
    assert not is_fused(partial(AdamW, lr=0.1), device="mps")


def test_explicit_choice_is_kept():
    assert not is_fused(partial(AdamW, fused=False))
    assert not is_fused(partial(AdamW, foreach=True))


def test_optimizer_is_not_fused_under_a_loss_scale():
    assert not is_fused(AdamW, precision="16-mixed")


@pytest.mark.parametrize("constructor", [partial(AdamW, lr=0.01), partial(SGD, lr=0.01, momentum=0.9)])
def test_fused_steps_match_plain_ones_in_both_memory_formats(constructor):
    weights = []
    for make, layout in (
        (constructor, torch.contiguous_format),
        (fuse(constructor, "cpu", "32-true"), torch.contiguous_format),
        (fuse(constructor, "cpu", "32-true"), torch.channels_last),
    ):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(4, 6, 3), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 2, 1)).to(
            memory_format=layout
        )
        optimizer, images = make(net.parameters()), torch.randn(2, 4, 8, 8).to(memory_format=layout)
        for _ in range(3):
            optimizer.zero_grad()
            net(images).square().mean().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
            optimizer.step()
        weights.append(torch.cat([weight.detach().flatten() for weight in net.parameters()]))
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(weights[2], weights[0], rtol=1e-5, atol=1e-6)
