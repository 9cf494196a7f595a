"""Tiny Lightning modules, batches and trainers."""

from functools import partial

import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader

from chexpert.data import Batch
from chexpert.models import Model
from chexpert.models.output_head import OutputHead
from chexpert.training import MaskedBCE, MultilabelModule

NAMES = ["Edema", "Fracture"]


def make_batch(images, targets=None, mask=None, name="view"):
    """A batch of 1 x 2 pixel images, which the identity turns into two logits each."""
    images = torch.tensor(images, dtype=torch.float32)[:, None, None]
    targets = torch.zeros(len(images), 2) if targets is None else torch.tensor(targets, dtype=torch.float32)
    mask = torch.ones(len(images), 2) if mask is None else torch.tensor(mask)
    return Batch(images, targets, mask.bool(), [f"{name}{n}" for n in range(len(images))], [])


def make_module(model=None, scheduler=None, metadata=None):
    model = model or Pixels()
    optimizer = partial(torch.optim.SGD, lr=1.0)
    scheduler = scheduler or partial(StepLR, step_size=1, gamma=0.5)
    return MultilabelModule(model, NAMES, NAMES, MaskedBCE(), optimizer, scheduler, metadata or {})


class Pixels(Model):
    """A linear layer on two pixels; its output head may put out three raw logits."""

    def __init__(self, output_head=None):
        super().__init__({}, output_head or OutputHead(2))
        self.head = nn.Linear(2, self.output_head.width)

    def feature_maps(self, images):
        return {"x": images.flatten(1)}

    def score(self, maps):
        return self.head(maps["x"])


def identity():
    """Hands two pixels through as logits."""
    model = Pixels()
    model.head.weight.data, model.head.bias.data = torch.eye(2), torch.zeros(2)
    return model


def make_trainer(max_epochs=2, **options):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(accelerator="cpu", max_epochs=max_epochs, num_sanity_val_steps=0, **quiet, **options)


class Rates(pl.Callback):
    """Notes the learning rate of each step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def load(*batches):
    """A loader of these batches."""
    return DataLoader(batches, batch_size=None, collate_fn=lambda batch: batch)
