"""A model whose maps a package can hook."""

import torch
from torch import nn

from chexpert.models import Model


class Tapped(nn.Module):
    """A model in which the map of each member passes an empty layer, which a package can hook or replace.

    Below the map there is no graph, unless the package asks for a gradient of the images.

    Args:
        model: a copy.
        stride: of the map; None: the last one.
    """

    def __init__(self, model: Model, stride: int | None) -> None:
        super().__init__()
        self.model, self.stride = model, stride
        self.taps = nn.ModuleDict({name: nn.Identity() for name in model.members})
        self.grids: dict[str, list[int]] = {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute logits (B, C) of images (B, 1, H, W) in [0, 1]."""
        maps = {}
        for name, member in self.model.members.items():

            def tap(values: torch.Tensor, name: str = name) -> torch.Tensor:
                self.grids[name] = list(values.shape[-2:])
                read = values.clone(memory_format=torch.contiguous_format)  # no view: ShapleyCAM detaches it in place
                return self.taps[name](read if read.requires_grad else read.requires_grad_(torch.is_grad_enabled()))

            maps[name] = member.pass_map(images, self.stride, tap)
        return self.model.output_head(self.model.weigh(maps))
