"""Networks that map an image to the logits of observations."""

from chexpert.models.backbone import Backbone, find_family, fitting_sizes
from chexpert.models.combined import Combined
from chexpert.models.model import LONE, Model, learns_from_one, synchronize_batch_norm
from chexpert.models.single import Single

__all__ = [
    "LONE",
    "Backbone",
    "Combined",
    "Model",
    "Single",
    "find_family",
    "fitting_sizes",
    "learns_from_one",
    "synchronize_batch_norm",
]
