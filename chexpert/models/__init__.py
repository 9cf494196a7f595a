"""Networks that map an image to the logits of observations."""

from chexpert.models.backbone import Backbone, find_family
from chexpert.models.combined import Combined
from chexpert.models.history import add_teachers, describe_contamination, describe_run, merge_contamination
from chexpert.models.model import LONE, Model, learns_from_one, synchronize_batch_norm
from chexpert.models.patch_backbone import PatchBackbone
from chexpert.models.probe import Probe
from chexpert.models.public_weights import fitting_sizes
from chexpert.models.single import Single

__all__ = [
    "LONE",
    "Backbone",
    "Combined",
    "Model",
    "PatchBackbone",
    "Probe",
    "Single",
    "add_teachers",
    "describe_contamination",
    "describe_run",
    "find_family",
    "fitting_sizes",
    "learns_from_one",
    "merge_contamination",
    "synchronize_batch_norm",
]
