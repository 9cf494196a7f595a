"""Deletion and insertion curves (Petsiuk et al. 2018, arxiv.org/abs/1806.07421): does the output follow the map?"""

from collections.abc import Sequence

import numpy as np
import torch

from chexpert.explain.batched_inference import Probe
from chexpert.explain.methods.fills import fill_image
from chexpert.models import Model

CUTS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the image that are hidden or shown: close where maps differ, a finding is a few hundredths of an image."""

SHARES = (0.0, *CUTS, 1.0)
SEED = 0  # of the order among pixels that a map holds equal


def rank_pixels(signed: np.ndarray) -> np.ndarray:
    """Rank the pixels, (H, W) int32: 0 for the one with the highest value of a signed map.

    Pixels that the map holds equal (a superpixel, the ground of a Grad-CAM) come in a random order: by position, a map
    that says nothing would still uncover the image from its upper edge on.
    """
    ties = np.random.default_rng(SEED).permutation(signed.size)
    ranks = np.empty(signed.size, dtype="int32")
    ranks[np.lexsort((ties, -signed.ravel()))] = np.arange(signed.size)
    return ranks.reshape(signed.shape)


def infer_curves(
    model: Model, image: torch.Tensor, maps: Sequence[np.ndarray], probe: Probe, fill: str = "blur"
) -> np.ndarray:
    """Return logits while pixels of one image are hidden, or shown, in the order of several maps, in shared passes.

    Args:
        model: images to logits (., C).
        image: (1, H, W) uint8.
        maps: M signed maps (H, W) in model coordinates; the highest pixels go first.
        probe: runs the images.
        fill: what is hidden becomes this: ``blur``, ``mean``, ``local`` or ``black``.

    Returns:
        (M, 2, T, C), T the number of ``SHARES``: by map the deletion curve, from the full image to the hidden one, and
        the insertion curve, from the hidden image to the full one.
    """
    hidden = torch.from_numpy(fill_image(image[0].cpu().numpy(), fill)).to(image.device)
    ranks = [torch.from_numpy(rank_pixels(signed)).to(image.device) for signed in maps]
    cuts = [round(image.numel() * share) for share in CUTS]
    # (ranks, cut): what shows below the cut and above it is image or fill; the two ends are the same for all maps
    changed = [(own, cut, inserted) for own in ranks for inserted in (False, True) for cut in cuts]

    def write(start: int, images: torch.Tensor) -> None:
        for slot, target in enumerate(images, start):
            if slot < 2:
                target[0] = hidden if slot else image[0]
            else:
                own, cut, inserted = changed[slot - 2]
                target[0] = torch.where((own < cut) == inserted, image[0], hidden)

    logits = probe(model, len(changed) + 2, write, image).numpy()
    full, wiped = (np.broadcast_to(logits[end], (len(maps), 2, 1, logits.shape[1])) for end in (0, 1))
    inner = logits[2:].reshape(len(maps), 2, len(CUTS), -1)
    starts = np.concatenate([full[:, :1], wiped[:, :1]], axis=1)
    return np.concatenate([starts, inner, starts[:, ::-1]], axis=2)
