"""From a decoded gray image to calibrated probabilities as one module, which both formats are exported from."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from chexpert.checkpoints import Loaded
from chexpert.errors import UserError
from chexpert.inference.exported.resampling import Resampling
from chexpert.metrics.calibration import LEAST
from chexpert.models import Model, Single

INPUTS = ("images", "file_size")
OUTPUTS = ("probabilities", "scores")
MAPS = "maps"
"""The output that is there only where it is asked for."""


class Graph(nn.Module):
    """Resampling, network, output head and calibration.

    Args:
        loaded: a trained model.
        calibration: parameters of each of the C observations; None where there are none, and the scores stay.
        maps: with the class activation maps as a third output.
    """

    def __init__(
        self,
        loaded: Loaded,
        calibration: Sequence[Mapping[str, Any] | None],
        *,
        maps: bool = False,
    ) -> None:
        super().__init__()
        self.resampling = Resampling(loaded.preprocessing.size, loaded.preprocessing.fit)
        self.network = loaded.model
        self.calibration = nn.ModuleList(Calibrated(own or {}) for own in calibration)
        self.maps = maps
        if maps:
            check_maps(loaded.model)

    def forward(self, images: torch.Tensor, file_size: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return probabilities and scores (N, C) float32 in [0, 1], and, where asked for, maps (N, C, rows, columns).

        Args:
            images: (N, h, w) gray, uint8 or float from 0 to 255, of any size.
            file_size: (2,) int64, see :meth:`Resampling.forward`.
        """
        features = self.network.feature_maps(self.resampling(images, file_size))
        scores = self.network.classify(features).float().sigmoid()
        columns = [own(scores[:, c].double()) for c, own in enumerate(self.calibration)]
        found = torch.stack(columns, 1).float(), scores
        return (*found, compute_maps(self.network, features)) if self.maps else found


class Calibrated(nn.Module):
    """The calibration of one observation, as :func:`chexpert.metrics.calibration.calibrate` has it.

    Args:
        parameters: slope and intercept; or scores and probabilities between which is interpolated; or none.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__()
        self.slope, self.intercept = parameters.get("slope"), parameters.get("intercept")
        self.points = list(zip(parameters.get("scores", ()), parameters.get("probabilities", ()), strict=True))

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Return probabilities (N,) of scores (N,), float64 both."""
        if self.slope is not None:
            inside = scores.clamp(LEAST, 1 - LEAST)
            return torch.sigmoid(self.slope * (torch.log(inside) - torch.log1p(-inside)) + self.intercept)
        if not self.points:
            return scores
        x, y = (torch.tensor(values, dtype=torch.float64) for values in zip(*self.points, strict=True))
        rises, widths = y[1:] - y[:-1], x[1:] - x[:-1]
        shares = ((scores[:, None] - x[:-1]) / widths).clamp(0, 1)
        return y[0] + (shares * rises).sum(1)


def check_maps(model: Model) -> None:
    """Check that the class activation map of a model is exact: that its logits are the mean of the map and a bias.

    Raises:
        UserError: they are not, and why.
    """
    reason = None
    if not isinstance(model, Single):
        reason = f"{type(model).__name__} normalizes pooled features before the classifier"
    elif (pooling := model.members["backbone"].pooling) != "avg":
        reason = f"the pooling is {pooling}, and not the mean of the feature map"
    elif model.output_head.parents is not None:
        reason = "the output of an observation depends on that of its parent"
    if reason:
        message = f"this model has no map that can be put out without gradients: {reason}"
        raise UserError(message, code="missing-map", where="--map", hint="leave --map out; chexpert explain has maps")


def compute_maps(model: Model, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the class activation maps (N, C, rows, columns) float32 (Zhou et al. 2016, arxiv.org/abs/1512.04150).

    The mean of a map plus the bias of its output is the logit.
    """
    head: Any = model.head
    weights = head.weight[: model.output_head.outputs]
    return torch.einsum("nkhw,ck->nchw", features["backbone"], weights).float()
