"""Statistics of batch normalization, computed anew: those of averaged weights are not the average of theirs."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def list_learning_layers(model: nn.Module) -> list[_BatchNorm]:
    """Return the layers of batch normalization that learn statistics in training; those of a frozen part do not."""
    mode = model.training
    model.train()
    layers = [part for part in model.modules() if isinstance(part, _BatchNorm) and part.training]
    model.train(mode)
    return [layer for layer in layers if layer.track_running_stats]


def recompute_statistics(model: nn.Module, batches: Iterable[torch.Tensor], seed: int = 0) -> int:
    """Compute the statistics of batch normalization anew, as the mean over batches of training images.

    It is ``torch.optim.swa_utils.update_bn``, except that frozen parts keep their statistics, and that dropout samples
    by a seed of its own.

    Args:
        model: changed in place, and left in evaluation mode.
        batches: images (B, 1, H, W) each, on the model's device; those of one image are left out, since batch
            normalization may learn nothing from them.
        seed: of dropout.

    Returns:
        The number of images; 0 where no layer learns statistics, and nothing is read.
    """
    layers = list_learning_layers(model)
    if not layers:
        model.eval()
        return 0
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
    seen = 0
    model.train()
    try:
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(seed)
            for images in batches:
                if len(images) > 1:
                    model(images)
                    seen += len(images)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        model.eval()
    return seen
