"""The gate of a model: what it looks at in each image, and its reasons to flag one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chexpert.gate.feature_distance import FeatureDistance
from chexpert.gate.view_check import ViewCheck

UNLIKE = "unlike the training images"


@dataclass(frozen=True)
class Gate:
    """Checks of images that were fitted for one model.

    Attributes:
        weights: digest of the model's weights.
        view: of view, orientation and polarity.
        distance: from the training images, in the model's pooled features.
        facts: ``images``, ``held_out`` and ``laterals`` that it was fitted on, ``held_split``, ``seconds``.
    """

    weights: str
    view: ViewCheck
    distance: FeatureDistance
    facts: Mapping[str, Any] = field(default_factory=dict)

    def check(self, images: np.ndarray, features: np.ndarray) -> list[list[str]]:
        """Return the reasons to flag each image, each with its number; an empty list where there is none.

        Args:
            images: (N, H, W) uint8, as the model sees them.
            features: (N, D), the model's pooled features of them.

        Raises:
            UserError: the features are of another model.
        """
        distances = self.distance.measure(features)
        views = list(self.view.check(images))
        found = []
        for view, distance in zip(views, distances, strict=True):
            far = f"{UNLIKE}: distance {distance:.3g}, limit {self.distance.limit:.3g}"
            # not <=: a distance that is no number is no reason to pass an image
            found.append([*([view] if view else []), *([] if distance <= self.distance.limit else [far])])
        return found
