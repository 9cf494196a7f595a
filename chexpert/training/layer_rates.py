"""Learning rates that fall from layer to layer of a backbone."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from pytorch_lightning.callbacks import LearningRateMonitor
from torch import nn

from chexpert.models import Backbone


class Layer(NamedTuple):
    """Weights that learn at ``factor`` times the rate of the classifier.

    ``logged``: its rate is plotted, as that of the first and the last layer of each backbone.
    """

    name: str
    factor: float
    params: list[nn.Parameter]
    logged: bool


def split_layers(members: Mapping[str, Backbone], decay: float, factor: float = 1.0) -> list[Layer]:
    """Return the layers of backbones, the deepest of each first.

    A layer of depth d below the head learns at decay ** d times the rate of the head (Clark et al. 2020, ELECTRA,
    arxiv.org/abs/2003.10555; Bao et al. 2022, BEiT, arxiv.org/abs/2106.08254). Each backbone has its own depths.

    Args:
        members: backbones by name, those that are trained.
        decay: above 0, and 1 at most.
        factor: of the rates of all layers.

    Raises:
        UserError: timm knows no layers of a network.
    """
    layers = []
    for name, member in members.items():
        depths, groups = member.find_depths(), defaultdict[int, list[nn.Parameter]](list)
        for key, weights in member.named_parameters():
            groups[depths.get(key, 0)].append(weights)
        ends = {min(groups), max(groups)}
        layers += [
            Layer(f"{name}/depth_{depth:02}", factor * decay**depth, groups[depth], depth in ends)
            for depth in sorted(groups, reverse=True)
        ]
    return layers


class RateMonitor(LearningRateMonitor):
    """Logs the learning rate of each group of weights, but of the layers of a backbone only the first and the last."""

    def _extract_lr(self, param_group: dict[str, Any], name: str) -> dict[str, Any]:
        return super()._extract_lr(param_group, name) if param_group.get("logged", True) else {}
