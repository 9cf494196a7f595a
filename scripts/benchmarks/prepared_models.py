"""Models and batches for the benchmarks of steps, ready before anything is timed."""

from typing import Any

import torch
from torch import nn

from chexpert.data import Batch
from chexpert.models import Backbone, Combined, Model, Single
from chexpert.models.output_head import OutputHead


class Free(Model):
    """A network that costs nothing."""

    def __init__(self) -> None:
        super().__init__({}, OutputHead(5))
        self.head = nn.Linear(1, 5)

    def feature_maps(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"pixel": images[:, 0, 0, :1].float()}

    def score(self, maps: Any) -> torch.Tensor:
        return self.head(maps["pixel"])


def make_model(names: str) -> Model:
    """Free for "", a single model, or a combined one of names joined by +; channels_last as a run has it."""
    members = {name: Backbone(name) for name in names.split("+") if name}
    model = Combined(members, 5) if len(members) > 1 else Single(members[names], 5) if members else Free()
    return model.to(memory_format=torch.channels_last)


def make_batch(radiographs: int, size: int, device: str = "cpu") -> Batch:
    images = torch.randint(0, 256, (radiographs, 1, size, size), dtype=torch.uint8, device=device)
    mask = torch.ones(radiographs, 5, dtype=torch.bool, device=device)
    return Batch(images, torch.zeros(radiographs, 5, device=device), mask, [f"view{n}" for n in range(radiographs)], [])


class Repeated:
    """The same batch, as a loader of so many gives it."""

    def __init__(self, batch: Batch, steps: int) -> None:
        self.batch, self.steps = batch, steps

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Any:
        return iter([self.batch] * self.steps)
