"""Learning rates, step by step."""

import math
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from helpers.errors import raises
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau
from torch.utils.data import DataLoader

from chexpert.data import Batch
from chexpert.models import Model
from chexpert.models.output_head import OutputHead
from chexpert.training import MaskedBCE, MultilabelModule, OneCycle, WarmupCosine, start_scheduler

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*lr_scheduler.step", "ignore:.*self.log", "ignore:.*LeafSpec", "ignore:.*in eval mode"
)


def make_optimizer(*rates):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9)


def follow(scheduler, steps, group=0):
    """Return the rates of so many steps."""
    seen = []
    for _ in range(steps):
        seen.append(scheduler.optimizer.param_groups[group]["lr"])
        scheduler.step()
    return seen


def test_warmup_is_linear_and_the_cosine_ends_at_the_last_step():
    rates = follow(WarmupCosine(make_optimizer(2.0), total_steps=10, warmup=0.4), 10)
    assert rates[:4] == pytest.approx([0.5, 1.0, 1.5, 2.0])
    down = [1 + math.cos(math.pi * step / 5) for step in range(6)]
    assert rates[4:] == pytest.approx(down, abs=1e-9)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_cosine_without_warmup_ends_at_its_final_factor():
    rates = follow(WarmupCosine(make_optimizer(1.0), total_steps=5, warmup=0, final_factor=0.2), 5)
    assert rates == pytest.approx([1, 0.2 + 0.8 * (1 + math.cos(math.pi / 4)) / 2, 0.6, 0.317157, 0.2], abs=1e-5)


def test_rate_is_constant_after_the_last_step():
    assert follow(WarmupCosine(make_optimizer(1.0), 4, warmup=0), 7)[4:] == pytest.approx([0, 0, 0], abs=1e-9)


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0, 0.5, 0.9])
def test_short_trainings_have_valid_rates(steps, warmup):
    assert all(0 <= rate <= 1 for rate in follow(WarmupCosine(make_optimizer(1.0), steps, warmup), steps))


def test_one_cycle_matches_torch_and_keeps_the_rate_of_a_group():
    ours = OneCycle(make_optimizer(1.0, 0.1), total_steps=20)
    theirs = OneCycleLR(make_optimizer(1.0), max_lr=1.0, total_steps=20)
    first = follow(ours, 19)
    assert first == pytest.approx(follow(theirs, 19))
    assert max(first) == pytest.approx(1.0, rel=1e-2)
    second = follow(OneCycle(make_optimizer(1.0, 0.1), total_steps=20), 19, group=1)
    assert second == pytest.approx([0.1 * rate for rate in first])


@pytest.mark.parametrize("constructor", [OneCycle, WarmupCosine])
def test_scheduler_resumes_from_its_state(constructor, tmp_path):
    whole = follow(constructor(make_optimizer(1.0, 0.1), total_steps=12), 11, group=1)
    first = constructor(make_optimizer(1.0, 0.1), total_steps=12)
    follow(first, 5)
    torch.save([first.state_dict(), first.optimizer.state_dict()], tmp_path / "state")
    state, rates = torch.load(tmp_path / "state", weights_only=True)
    second = constructor(make_optimizer(1.0, 0.1), total_steps=12)
    second.load_state_dict(state)
    second.optimizer.load_state_dict(rates)
    assert follow(second, 6, group=1) == whole[5:]


@pytest.mark.parametrize(("key", "value"), [("warmup", 1), ("final_factor", -0.1), ("warmup", True)])
def test_wrong_share_is_an_error(key, value):
    (error,) = WarmupCosine.validate_args(**{key: value})
    assert (error.code, error.where) == ("value", f"scheduler.{key}")


def test_minimizing_plateau_is_an_error():
    with raises("conflict", "scheduler.mode") as caught:
        start_scheduler(ReduceLROnPlateau, make_optimizer(1.0), lambda: 1)
    assert caught.value.hint == "scheduler.mode=max"


class Pixels(Model):
    """One logit: the pixel times a weight."""

    def __init__(self):
        super().__init__({}, OutputHead(1))
        self.head = torch.nn.Linear(1, 1, bias=False)

    def feature_maps(self, images):
        return {"x": images.flatten(1)}

    def score(self, maps):
        return self.head(maps["x"])


class Rates(pl.Callback):
    """Notes the rate of each epoch."""

    def __init__(self):
        self.seen = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_plateau_of_the_validation_auroc_lowers_the_rate():
    """The weight stays positive, so the ranking and the AUROC are the same in each epoch."""
    model = Pixels()
    model.head.weight.data.fill_(1.0)
    plateau = partial(ReduceLROnPlateau, mode="max", patience=1, factor=0.1)
    module = MultilabelModule(
        model, ["Edema"], ["Edema"], MaskedBCE(), partial(torch.optim.SGD, lr=1e-3), plateau, metadata={}
    )
    images = torch.tensor([0.0, 1.0])[:, None, None, None]
    batch = Batch(images, torch.tensor([[0.0], [1.0]]), torch.ones(2, 1).bool(), ["a", "b"], [])
    loader = DataLoader([batch], batch_size=None, collate_fn=lambda batch: batch)
    rates, quiet = Rates(), dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = pl.Trainer(accelerator="cpu", max_epochs=6, num_sanity_val_steps=0, callbacks=[rates], **quiet)
    trainer.fit(module, loader, loader)
    assert rates.seen == pytest.approx([1e-3] * 3 + [1e-4] * 2 + [1e-5])
