"""How the evidence in a map is colored, in every picture and page."""

import numpy as np
from matplotlib import colormaps


def color_evidence(shares: np.ndarray, opaque: float) -> np.ndarray:
    """Color evidence: red for, blue against; more opaque where there is more, so that the image stays readable.

    ColorBrewer's RdBu is perceptually even and safe for color-blind readers. Its pale middle would veil the image, and
    its darkest ends would vanish on a dark one: both are left out.

    Args:
        shares: (N,) in [-1, 1], of the raw value that has the full color.
        opaque: opacity of the full color, in [0, 1].

    Returns:
        (N, 4): red, green, blue and opacity in [0, 1].
    """
    colors = colormaps["RdBu_r"](0.5 + np.sign(shares) * 0.15 + 0.25 * shares)
    colors[:, 3] = opaque * np.abs(shares) ** 0.8
    return colors
