"""ROAD (Rong et al. 2022, arxiv.org/abs/2202.00449): remove pixels so that the model cannot see where, and debias."""

from collections.abc import Sequence

import numpy as np
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from chexpert.explain.batched_inference import Probe
from chexpert.explain.quality.deletion_insertion import rank_pixels
from chexpert.models import Model

SHARES = (0.2, 0.4, 0.6, 0.8)  # of the image that is imputed
CELLS = 56  # most cells a side: a system of 224 x 224 pixels takes .4 s, twenty times as long, and a map has eight
NOISE = 0.01  # of the gray range, as in the paper: without it a smooth patch would show where pixels are missing
TOLERANCE = 1e-3


def infer_road(
    model: Model, image: torch.Tensor, maps: Sequence[np.ndarray], outputs: Sequence[int], probe: Probe
) -> list[float]:
    """Return LeRF - MoRF of several maps of one image, in logits: above 0 where a map's first pixels matter more.

    MoRF is the logit after the share of the image that ranks first was imputed from its surroundings, LeRF after the
    share that ranks last was; both are means over ``SHARES``.

    Args:
        model: images to logits (., C).
        image: (1, H, W) uint8.
        maps: M signed maps (H, W) in model coordinates.
        outputs: the M logits that they explain.
        probe: runs the images.

    Returns:
        M values; NaN where imputed values left the range of the image, which a sound system cannot do (this was
        reported of the package, jacobgil/pytorch-grad-cam issue 391).
    """
    made = [remove(image[0].cpu(), signed) for signed in maps]
    changed = torch.cat([torch.stack(own) for own, _ in made]).to(image.device)

    def write(start: int, buffer: torch.Tensor) -> None:
        buffer[:, 0] = changed[start : start + len(buffer)]

    logits = probe(model, len(changed), write, image).numpy().reshape(len(maps), 2, len(SHARES), -1)
    gains = [float((own[1, :, c] - own[0, :, c]).mean()) for own, c in zip(logits, outputs, strict=True)]
    return [gain if sound else float("nan") for gain, (_, sound) in zip(gains, made, strict=True)]


def remove(gray: torch.Tensor, signed: np.ndarray) -> tuple[list[torch.Tensor], bool]:
    """Impute the shares of an image (H, W) uint8 that rank first, then last; return also whether that is sound.

    The system is solved on at most ``CELLS`` x ``CELLS`` mean values, which a map is evaluated by too, and carried to
    pixels bilinearly; noise is added there.
    """
    height, width = gray.shape
    size = min(height, CELLS), min(width, CELLS)
    coarse = adaptive_avg_pool2d(gray[None].float() / 255, size)
    ranks = torch.from_numpy(rank_pixels(adaptive_avg_pool2d(torch.from_numpy(signed)[None], size)[0].numpy()))
    noise = NOISE * torch.randn(height, width, generator=torch.Generator().manual_seed(0))
    changed, sound = [], True
    for own in (ranks, ranks.max() - ranks):
        for share in SHARES:
            gone = own < round(share * ranks.numel())
            filled = impute(coarse, gone)
            sound &= within(filled, coarse)
            pixels = interpolate(filled[None], (height, width), mode="bilinear")[0, 0] + noise
            where = interpolate(gone[None, None].float(), (height, width))[0, 0] > 0
            changed.append(torch.where(where, (pixels * 255).nan_to_num().clamp(0, 255).round().byte(), gray))
    return changed, sound


def impute(coarse: torch.Tensor, gone: torch.Tensor) -> torch.Tensor:
    """Set the values (1, h, w) that are gone (h, w) to the weighted mean of their neighbors, by the package."""
    with torch.random.fork_rng(devices=[]):  # it samples noise from the global stream even where it adds none
        return NoisyLinearImputer(noise=0)(coarse, (~gone).float())


def within(filled: torch.Tensor, known: torch.Tensor) -> bool:
    """Return whether all imputed values lie in the range of the known ones; False for NaN."""
    return bool(((filled >= known.min() - TOLERANCE) & (filled <= known.max() + TOLERANCE)).all())
