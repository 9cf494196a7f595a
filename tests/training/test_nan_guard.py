"""A loss or a weight that is no number stops a training, and is never saved."""

import math

import pytest
import torch
from helpers.modules import load, make_batch, make_module, make_trainer
from torch.utils._python_dispatch import TorchDispatchMode

from chexpert.errors import UserError
from chexpert.training import nan_guard as finite
from chexpert.training.nan_guard import LossWatch, Step, check_weights, fetch


class Device(LossWatch):
    """Stands for a device that is one step behind the host."""

    def _waits(self, loss):
        return True


def see(watch, *losses):
    for number, loss in enumerate(losses):
        watch.see(torch.tensor(loss), Step(2, 10 + number, number, [f"view{number}"]))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_on_a_cpu_the_very_step_stops(wrong):
    with pytest.raises(UserError, match=rf"{wrong} at epoch 2, step 11(?s:.*)batch 1, with view1"):
        see(LossWatch(), 0.5, wrong)


def test_on_a_device_the_next_step_stops_and_names_the_one_before():
    watch = Device()
    see(watch, 0.5, math.nan)
    with pytest.raises(UserError, match=r"nan at epoch 2, step 11(?s:.*)batch 1, with view1"):
        see(watch, 0.25)


def test_nothing_is_saved_before_the_last_loss_of_a_device_was_seen():
    watch = Device()
    see(watch, 0.5, math.nan)
    with pytest.raises(UserError, match="view1"):
        watch.check_pending()
    watch.check_pending()  # raised once


def test_the_last_loss_is_known_once_it_is_settled():
    watch = Device()
    see(watch, 0.5, 0.25)
    assert watch.value == 0.5
    watch.check_pending()
    assert watch.value == 0.25


def test_weights_that_are_no_numbers_are_named():
    check_weights({"fine": torch.ones(2), "count": torch.tensor(3)}, "here")
    with pytest.raises(UserError, match=r"infinite: a, c(?s:.*)here"):
        check_weights({"a": torch.tensor([1, math.nan]), "b": torch.ones(1), "c": torch.tensor(math.inf)}, "here")


class Reads(TorchDispatchMode):
    """Counts where the host asks a tensor for its number: what a device would have to be waited for."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.filterwarnings("ignore:.*val_dataloader", "ignore:.*in eval mode", "ignore:.*LeafSpec")
def test_a_training_step_reads_no_number_but_the_last_loss(monkeypatch):
    monkeypatch.setattr(finite, "fetch", lambda loss: lambda: 0.5)
    counts, batch = [], make_batch([[0, 1]])
    for steps in (1, 6):
        with Reads() as reads:
            make_trainer(max_epochs=1, log_every_n_steps=100).fit(make_module(), load(*[batch] * steps))
        counts.append(reads.count)
    assert counts[0] == counts[1]  # Lightning's, before the first step


@pytest.mark.gpu
def test_a_value_on_its_way_from_a_gpu_is_what_it_was_when_it_was_sent():
    value = torch.tensor(3.0, device="cuda")
    read = fetch(value)
    value.zero_()
    assert read() == 3.0
