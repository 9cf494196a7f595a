"""A loss or a weight that is NaN or infinite stops a training, and is never saved."""

import math

import pytest
import torch
from helpers.errors import raises
from helpers.modules import load, make_batch, make_module, make_trainer
from torch.utils._python_dispatch import TorchDispatchMode

from chexpert.training import nan_guard as finite
from chexpert.training.nan_guard import LossWatch, Step, check_weights, fetch


class Device(LossWatch):
    """A fake device that is one step behind the host."""

    def _waits(self, loss):
        return True


def see(watch, *losses):
    for number, loss in enumerate(losses):
        watch.see(torch.tensor(loss), Step(2, 10 + number, number, [f"view{number}"]))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_nan_loss_on_a_cpu_stops_its_own_step(wrong):
    with raises("nan", "training batch 1, with view1") as caught:
        see(LossWatch(), 0.5, wrong)
    assert f" {wrong} at epoch 2, step 11" in caught.value.message


def test_nan_loss_on_a_device_stops_the_next_step():
    watch = Device()
    see(watch, 0.5, math.nan)
    with raises("nan", "training batch 1, with view1"):
        see(watch, 0.25)


def test_pending_nan_loss_is_an_error_before_a_save():
    watch = Device()
    see(watch, 0.5, math.nan)
    with raises("nan", "training batch 1, with view1"):
        watch.check_pending()
    watch.check_pending()  # raised once


def test_last_loss_is_known_once_it_is_checked():
    watch = Device()
    see(watch, 0.5, 0.25)
    assert watch.value == 0.5
    watch.check_pending()
    assert watch.value == 0.25


def test_nan_weights_are_an_error():
    check_weights({"fine": torch.ones(2), "count": torch.tensor(3)}, "here")
    with raises("nan", "here") as caught:
        check_weights({"a": torch.tensor([1, math.nan]), "b": torch.ones(1), "c": torch.tensor(math.inf)}, "here")
    assert caught.value.message.endswith(": a, c")


class Reads(TorchDispatchMode):
    """Counts reads of a tensor's number by the host, which wait for a device."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.filterwarnings("ignore:.*val_dataloader", "ignore:.*in eval mode", "ignore:.*LeafSpec")
def test_training_step_reads_only_the_last_loss(monkeypatch):
    monkeypatch.setattr(finite, "fetch", lambda loss: lambda: 0.5)
    counts, batch = [], make_batch([[0, 1]])
    for steps in (1, 6):
        with Reads() as reads:
            make_trainer(max_epochs=1, log_every_n_steps=100).fit(make_module(), load(*[batch] * steps))
        counts.append(reads.count)
    assert counts[0] == counts[1]  # Lightning's, before the first step


@pytest.mark.gpu
def test_value_fetched_from_a_gpu_is_the_value_when_sent():
    value = torch.tensor(3.0, device="cuda")
    read = fetch(value)
    value.zero_()
    assert read() == 3.0
