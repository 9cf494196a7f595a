"""Statistics of batch normalization, against torch's own recomputation."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from chexpert.models.batch_norm import recompute_statistics


def make() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))


def test_statistics_are_those_of_torch():
    model, batches = make(), list(torch.rand(3, 4, 1, 8, 8))
    other = copy.deepcopy(model)
    update_bn(batches, other)
    assert recompute_statistics(model, batches) == 12
    assert not model.training
    for name, buffer in model.named_buffers():
        torch.testing.assert_close(buffer, dict(other.named_buffers())[name])
    assert model[1].momentum == 0.1


class Frozen(nn.Sequential):
    def train(self, mode: bool = True):
        super().train(False)
        return self


def test_frozen_part_keeps_its_statistics():
    model = nn.Sequential(Frozen(nn.BatchNorm2d(1)), nn.BatchNorm2d(1))
    model[0][0].running_mean.fill_(0.5)
    assert recompute_statistics(model, [torch.ones(4, 1, 2, 2)]) == 4
    assert model[0][0].running_mean.item() == 0.5
    assert model[1].running_mean.item() == pytest.approx(0.5, abs=1e-5)


def test_nothing_is_read_without_such_layers():
    def refuse():
        raise AssertionError
        yield

    assert recompute_statistics(nn.Linear(2, 2), refuse()) == 0
