"""Averaged weights against a slow reference, in validation, in checkpoints and after a resume."""

import itertools
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader

from chexpert.data import Batch
from chexpert.models import Model
from chexpert.models.output_head import OutputHead
from chexpert.training import EMA, SWA, MaskedBCE, MultilabelModule

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*self.log", "ignore:.*LeafSpec", "ignore:.*in eval mode", "ignore:.*mid-epoch", "ignore:.*Checkpoint dir"
)
STEPS, EPOCHS = 3, 4


class Pixels(Model):
    """A linear layer on two normalized pixels."""

    def __init__(self):
        super().__init__({}, OutputHead(1))
        self.norm, self.head = nn.BatchNorm1d(2), nn.Linear(2, 1)

    def feature_maps(self, images):
        return {"x": self.norm(images.flatten(1))}

    def score(self, maps):
        return self.head(maps["x"])


def load():
    """A loader of three batches."""
    generator = torch.Generator().manual_seed(0)
    batches = [
        Batch(
            torch.rand(4, 1, 1, 2, generator=generator), torch.tensor([[0.0], [1], [1], [0]]), torch.ones(4, 1).bool(),
            [f"a{n}", *"bcd"], [],
        )
        for n in range(STEPS)
    ]  # fmt: skip
    return DataLoader(batches, batch_size=None, collate_fn=lambda batch: batch)


class Watch(pl.Callback):
    """Notes the weights after each step, and those that each validation evaluates."""

    def __init__(self):
        self.trained, self.labeled = [], []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.trained.append(copy_state(pl_module))

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        if batch_idx == 0:
            self.labeled.append(copy_state(pl_module))


def copy_state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def fit(*callbacks, epochs=EPOCHS, ckpt_path=None, **options):
    torch.manual_seed(0)
    module = MultilabelModule(
        Pixels(), ["Edema"], ["Edema"], MaskedBCE(), partial(torch.optim.SGD, lr=0.5), partial(StepLR, step_size=9), {}
    )
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
    }
    keeps = any(isinstance(callback, ModelCheckpoint) for callback in callbacks)
    trainer = pl.Trainer(
        max_epochs=epochs,
        num_sanity_val_steps=0,
        callbacks=[*callbacks],
        enable_checkpointing=keeps,
        **quiet | options,
    )
    trainer.fit(module, load(), load(), ckpt_path=ckpt_path, weights_only=True)
    return trainer, module


def slow_average(states, shares):
    """Average floating point entries by the recursion; whole numbers are the last ones."""
    average = states[0]
    for state, share in zip(states[1:], shares, strict=False):
        average = {
            name: own + share * (state[name] - own) if own.is_floating_point() else state[name]
            for name, own in average.items()
        }
    return average


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-7)


def test_validations_use_the_exponential_average_of_all_steps():
    watch = Watch()
    _, module = fit(EMA(decay=0.6), watch)
    shares = [1 - min(0.6, (1 + n) / (10 + n)) for n in itertools.islice(itertools.count(1), STEPS * EPOCHS)]
    for epoch, labeled in enumerate(watch.labeled):
        assert_close(labeled, slow_average(watch.trained[: STEPS * (epoch + 1)], shares))
    assert_close(copy_state(module), watch.labeled[-1])


def test_training_continues_from_the_weights_not_their_average():
    plain, averaged = Watch(), Watch()
    fit(plain)
    fit(EMA(), averaged)
    for one, other in zip(plain.trained, averaged.trained, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_swa_averages_the_ends_of_epochs_from_the_start_epoch(accumulate):
    watch = Watch()
    fit(SWA(start_epoch=1), watch, accumulate_grad_batches=accumulate)
    ends = watch.trained[STEPS - 1 :: STEPS]
    assert_close(watch.labeled[0], ends[0])  # nothing is averaged yet
    for epoch in (1, 2, 3):
        assert_close(watch.labeled[epoch], slow_average(ends[1 : epoch + 1], [1 / 2, 1 / 3]))


def test_average_of_constant_weights_is_exact():
    average = EMA(decay=0.9)
    _, module = fit(average, epochs=0)
    average.setup(None, module, "fit")
    before = copy_state(module)
    for _ in range(50):
        average._average_model.update_parameters(module)
    after = average._average_model.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_average_is_on_the_device_of_the_weights():
    average = EMA()
    _, module = fit(epochs=0)
    average.setup(None, module, "fit")  # before Lightning moves the module
    average.on_fit_start(None, module.to("meta"))
    assert {value.device.type for value in average._average_model.state_dict().values()} == {"meta"}


@pytest.mark.parametrize("average", [EMA, partial(SWA, 1), partial(SWA, 9)])
def test_checkpoint_has_the_validated_weights(average, tmp_path):
    watch = Watch()
    fit(average(), watch, ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1))
    for epoch, labeled in enumerate(watch.labeled):
        content = torch.load(tmp_path / f"epoch={epoch}.ckpt", weights_only=True)
        assert_close(content["state_dict"], labeled)
        assert_close(content["current_model_state"], watch.trained[STEPS * (epoch + 1) - 1])


def test_validation_of_a_checkpoint_uses_its_weights(tmp_path):
    watch = Watch()
    trainer, module = fit(EMA(decay=0.6), watch, ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1))
    trainer.validate(module, load(), ckpt_path=tmp_path / "epoch=1.ckpt", verbose=False, weights_only=True)
    assert_close(watch.labeled[-1], watch.labeled[1])


class SaveWithin(pl.Callback):
    """Saves within the second validation, as after a signal."""

    def __init__(self, path):
        self.path = path

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        if trainer.current_epoch == 1 and batch_idx == 1:
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize("average", [partial(EMA, 0.7), partial(SWA, 1)])
def test_checkpoint_saved_within_a_validation_has_both_weights(average, tmp_path):
    watch = Watch()
    fit(average(), watch, SaveWithin(tmp_path / "within.ckpt"))
    content = torch.load(tmp_path / "within.ckpt", weights_only=True)
    assert_close(content["state_dict"], watch.labeled[1])
    assert_close(content["current_model_state"], watch.trained[2 * STEPS - 1])


class SaveEnd(pl.Callback):
    """Saves at the end of an epoch."""

    def __init__(self, path, epoch):
        self.path, self.epoch = path, epoch

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            trainer.save_checkpoint(self.path)


@pytest.mark.parametrize("average", [partial(EMA, 0.7), partial(SWA, 1), partial(SWA, 3)])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_resumed_run_has_the_same_average(average, epoch, tmp_path):
    whole, rest = Watch(), Watch()
    fit(average(), whole, SaveEnd(tmp_path / "last.ckpt", epoch))
    fit(average(), rest, ckpt_path=tmp_path / "last.ckpt")
    for name, value in whole.labeled[-1].items():
        assert torch.equal(value, rest.labeled[-1][name])
        assert torch.equal(whole.trained[-1][name], rest.trained[-1][name])


@pytest.mark.parametrize(
    ("average", "key", "value"), [(EMA, "decay", 1), (EMA, "decay", "much"), (SWA, "start_epoch", -1)]
)
def test_wrong_setting_is_an_error(average, key, value):
    (error,) = average.validate_args(**{key: value})
    assert (error.code, error.where) == ("value", f"averaging.{key}")
