"""Networks that map a film to the logits of observations."""

from chexpert.models.backbone import Backbone, fitting_sizes
from chexpert.models.combined import Combined
from chexpert.models.model import Model, synchronise_batch_norm
from chexpert.models.single import Single

__all__ = ["Backbone", "Combined", "Model", "Single", "fitting_sizes", "synchronise_batch_norm"]
