"""The first layer: how many copies of a gray image it takes, by which mean and standard deviation, and its weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.models import adapt_input_conv

from chexpert.errors import OWN, UserError

CHANNELS = (1, 3)


def find_channel_errors(options: Mapping[str, Any]) -> list[UserError]:
    """Return the error of a number of input channels that no gray image is made for."""
    channels = options.get("in_chans", 1)
    if channels in CHANNELS and not isinstance(channels, bool):
        return []
    message = f"in_chans={channels!r} is not possible: a network takes the gray image, or three copies of it"
    return [UserError(message, code="value", where=f"{OWN}options", hint="in_chans: 1 or 3")]


def make_statistic(value: float | None, own: Sequence[float], channels: int) -> torch.Tensor:
    """Return a mean or standard deviation that images (B, 1, H, W) are normalized by.

    Three channels have each their own, so that the normalized image has three channels, without a copy before.

    Args:
        value: of the config; None where there is none.
        own: of the weights, one value for each of their channels, or one for all.
        channels: of the network.

    Returns:
        () for one channel, the mean of the weights' channels; (3, 1, 1) for three.
    """
    if channels == 1:
        return torch.tensor(sum(own) / len(own) if value is None else float(value))
    values = torch.tensor(own if value is None else (float(value),), dtype=torch.get_default_dtype())
    return values.broadcast_to(channels).clone().view(channels, 1, 1)


def is_stem(wanted: torch.Tensor, found: torch.Tensor) -> bool:
    """Return whether these are the weights of a first layer, of the one number of channels and of the other."""
    return wanted.ndim == found.ndim == 4 and {wanted.shape[1], found.shape[1]} == set(CHANNELS)


def fit_stem(weights: torch.Tensor, channels: int) -> torch.Tensor:
    """Return the weights (K, C, h, w) of a first layer for another number of channels.

    Those of three are summed, as timm does. Those of one are divided among three copies. A gray image has the same
    outputs, where mean and standard deviation of all channels are equal.
    """
    if (weights.shape[1], channels) == (3, 1):
        return adapt_input_conv(1, weights)
    if (weights.shape[1], channels) == (1, 3):
        return (weights / 3).repeat(1, 3, 1, 1)
    return weights
