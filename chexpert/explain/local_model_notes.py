"""One line on how well local models fit, for whoever reads the maps of LIME."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np

from chexpert.console import log

LEAST_R2 = 0.5
"""Of a map below it, the linear model leaves more than half of what the output does unexplained."""
LEAST_STABILITY = 0.8


def log_local_models(name: str, manifests: Iterable[dict[str, Any]]) -> None:
    """Print the median R2 and stability of an explainer's maps; a warning if some are low. Nothing without an R2."""
    manifests = list(manifests)
    parts, low = [], []
    for key, label, least in (("r2", "R2", LEAST_R2), ("stability", "stability", LEAST_STABILITY)):
        values = [manifest[key] for manifest in manifests if manifest.get(key) is not None]
        if not values:
            continue
        parts.append(f"median {label} {np.median(values):.2f}")
        if below := sum(value < least for value in values):
            low.append(f"{below} of {len(values)} maps have {label} below {least}")
    if parts:
        log.log(logging.WARNING if low else logging.INFO, f"{name}: {'; '.join([', '.join(parts), *low])}")
