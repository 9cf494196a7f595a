"""Findings of a frontal radiograph: each paints a layer of attenuation, (H, W), that is added to the anatomy.

Cardiomegaly and Enlarged Cardiomediastinum are not layers but a wider heart and wider vessels above it; see `frontal`.
Pneumonia is a consolidation: the radiograph shows no difference.
"""

from collections.abc import Callable

import numpy as np

from chexpert.data.phantom.images.anatomy import Chest
from chexpert.data.phantom.images.canvas import Layer
from chexpert.data.phantom.images.findings.bones import paint_fracture
from chexpert.data.phantom.images.findings.devices import paint_devices
from chexpert.data.phantom.images.findings.dose import dose
from chexpert.data.phantom.images.findings.opacities import (
    paint_atelectasis,
    paint_consolidation,
    paint_edema,
    paint_lesion,
)
from chexpert.data.phantom.images.findings.pleura import paint_effusion, paint_pleural_cap, paint_pneumothorax

__all__ = ["GROWN", "PAINTED", "PAINTERS", "dose"]

PAINTERS: dict[str, Callable[[Chest, np.random.Generator, float, float], Layer]] = {
    "Atelectasis": paint_atelectasis,
    "Consolidation": paint_consolidation,
    "Edema": paint_edema,
    "Fracture": paint_fracture,
    "Lung Lesion": paint_lesion,
    "Pleural Effusion": paint_effusion,
    "Pleural Other": paint_pleural_cap,
    "Pneumothorax": paint_pneumothorax,
    "Support Devices": paint_devices,
}
"""Called with the chest, the finding's own random numbers, its severity in (0, 1] and its dose."""
GROWN = ("Cardiomegaly", "Enlarged Cardiomediastinum")
PAINTED = (*GROWN, *PAINTERS)
"""Every finding that has a stroke of its own on a radiograph."""
