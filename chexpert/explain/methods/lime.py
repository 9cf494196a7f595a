"""LIME (Ribeiro et al. 2016, arxiv.org/abs/1602.04938) for gray images, in bounded memory."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from chexpert.errors import UserError
from chexpert.explain.attribution import Attribution
from chexpert.explain.batched_inference import Write
from chexpert.explain.methods.perturbation import Perturbing
from chexpert.explain.methods.superpixels import quickshift, segment
from chexpert.metrics import spearman
from chexpert.models import Model
from chexpert.runs.files import or_none


class Lime(Perturbing):
    """Hides random sets of superpixels and fits a local linear model to each observation.

    Each observation is explained by itself: the outputs are not exclusive, and a softmax over them would explain
    "this finding rather than the others".

    The manifest has R2 of the local model, and ``stability``: the Spearman correlation of the weights that each half
    of the samples gives by itself. The halves have two seeds and half the budget, so this is a lower bound of what
    another seed with the full budget would give.

    Args:
        samples: perturbed images. The author's rule is 10 or more a superpixel (marcotcr/lime issue 524); 20 keep the
            order of the weights.
        superpixels: wanted number inside the body; quickshift chooses its own.
        segments: ``slic``, or ``quickshift`` as the lime package has it, over the whole picture.
        of: ``logit`` or ``probability``; a probability near 0 or 1 hardly moves.
        fill: what is hidden becomes this: ``blur``, ``mean``, ``local`` or ``black``.
        kernel_width: of the exponential kernel on the cosine distance, as in the package.
        seed: of the perturbations.
        memory: MiB that a forward pass may take for its activations; see ``batched_inference.find_memory``.
        batch_size: images a forward pass; by default as many as fit, at most 16 on a CPU and 256 elsewhere.
    """

    name = "lime"
    counts = ("superpixels",)
    halved = ("samples",)
    positives = (*Perturbing.positives, "kernel_width")
    choices = {**Perturbing.choices, "segments": ("slic", "quickshift"), "of": ("logit", "probability")}

    def __init__(
        self,
        samples: int = 1000,
        superpixels: int = 50,
        segments: str = "slic",
        of: str = "logit",
        fill: str = "local",
        kernel_width: float = 0.25,
        seed: int = 0,
        memory: float | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(fill, memory, batch_size)
        self.samples, self.superpixels, self.segments = samples, superpixels, segments
        self.of, self.kernel_width, self.seed = of, kernel_width, seed

    def passes(self, outputs: int) -> int:
        """Return one pass a sample, whatever the number of outputs."""
        return self.samples

    def explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        """Explain one view (1, H, W) uint8."""
        gray = image[0].cpu().numpy()
        segments = self._segment(gray)
        shown = sample_superpixels(self.samples, int(segments.max()), self.seed)
        logits = self.probe(model, self.samples, hide_superpixels(image, self.hide(image), segments, shown), image)
        values = (logits if self.of == "logit" else logits.sigmoid()).numpy()[:, list(outputs)]
        return self._fit(segments, shown, values, self.of)

    def explain_function(
        self, function: Callable[[np.ndarray], ArrayLike], image: np.ndarray, batch_size: int = 16
    ) -> list[Attribution]:
        """Explain any function of images for one image; no model of this package is needed.

        Args:
            function: from (B, H, W) uint8 to (B,) or (B, C) numbers; logits suit better than probabilities, which
                hardly move near 0 and 1. ``of`` is ignored: the numbers are explained as they are.
            image: (H, W) uint8.
            batch_size: B, the most images of a call.

        Returns:
            C attributions (one for (B,)), each with ``signed`` (H, W) and ``map`` (H, W) in [0, 1].

        Raises:
            UserError: an image of another shape or type, or a function that returns another number of rows or NaN.
        """
        if not isinstance(image, np.ndarray) or image.ndim != 2 or image.dtype != np.uint8:
            found = f"{np.shape(image)} {getattr(image, 'dtype', type(image).__name__)}"
            raise UserError(f"an image of {found}", code="input-kind", where="image", hint="give (H, W) uint8")
        gray = torch.from_numpy(np.ascontiguousarray(image))[None]
        segments = self._segment(image)
        shown = sample_superpixels(self.samples, int(segments.max()), self.seed)
        write = hide_superpixels(gray, self.hide(gray), segments, shown)
        buffer = torch.empty(batch_size, *gray.shape, dtype=torch.uint8)
        values = []
        for start in range(0, self.samples, batch_size):
            part = buffer[: min(batch_size, self.samples - start)]
            write(start, part)
            values.append(_check_values(function(part[:, 0].numpy().copy()), len(part)))
        return self._fit(segments, shown, np.concatenate(values), "the function")

    def _segment(self, gray: np.ndarray) -> np.ndarray:
        return quickshift(gray) if self.segments == "quickshift" else segment(gray, self.superpixels)

    def _fit(self, segments: np.ndarray, shown: np.ndarray, values: np.ndarray, of: str) -> list[Attribution]:
        weights, r2 = fit(shown, values, self.kernel_width)
        middle = len(shown) - len(shown) // 2
        halves = [fit(shown[part], values[part], self.kernel_width)[0] for part in (slice(middle), slice(middle, None))]
        settings = {
            "layer": "input superpixels",
            "of": of,
            "segments": self.segments,
            "samples": self.samples,
            "superpixels": len(weights),
            "kernel_width": self.kernel_width,
            "seed": self.seed,
        }
        return [
            self.attribute(
                np.append(0, weights[:, rank])[segments],
                **settings,
                r2=or_none(float(r2[rank])),
                stability=or_none(spearman(*(half[:, rank] for half in halves))),
            )
            for rank in range(values.shape[1])
        ]


def _check_values(values: ArrayLike, count: int) -> np.ndarray:
    """Return what a function says of ``count`` images as (count, C) float64."""
    found = np.asarray(values, "float64")
    if found.ndim not in (1, 2) or len(found) != count:
        message = f"it returns an array of shape {found.shape} for {count} images"
        raise UserError(message, code="input-kind", where="function", hint=f"return ({count},) or ({count}, C) numbers")
    if not np.isfinite(found).all():
        raise UserError("it returns NaN or infinity", code="nan", where="function", hint="return finite numbers")
    return found.reshape(count, -1)


def hide_superpixels(image: torch.Tensor, hidden: torch.Tensor, segments: np.ndarray, shown: np.ndarray) -> Write:
    """Return a function that writes perturbed images into one gray channel, in memory independent of their number.

    Args:
        image: (1, H, W) uint8.
        hidden: (H, W) uint8, what stands in a superpixel that does not show.
        segments: (H, W) superpixels from 1; 0 always shows.
        shown: (samples, S), which superpixels each image shows.
    """
    place = torch.from_numpy(segments.ravel()).to(image.device)
    keep = torch.from_numpy(np.pad(shown.T.astype("uint8"), ((1, 0), (0, 0)), constant_values=1) * 255).to(image.device)
    fill = hidden.flatten()
    change = image.flatten() ^ fill
    mask = torch.empty(0, dtype=torch.uint8, device=image.device)

    def write(start: int, buffer: torch.Tensor) -> None:
        # (HW, images): whole rows are copied for each pixel, ten times as fast as picking within (images, HW)
        some = keep[:, start : start + len(buffer)].contiguous()
        torch.index_select(some, 0, place, out=mask.resize_(len(place), len(buffer)))
        # all bits of a pixel or none, then in place: a third of the time of choosing between two images
        buffer.view(len(buffer), -1).copy_(mask.T).bitwise_and_(change).bitwise_xor_(fill)

    return write


RIDGE = 1.0  # penalty on the squared weights, as in the lime package


def sample_superpixels(samples: int, superpixels: int, seed: int) -> np.ndarray:
    """Sample the superpixels, (samples, S) bool, that a perturbed image shows, each with probability 1/2.

    The first shows all. The two halves of the samples have two seeds, so that a fit to one half can be compared with a
    fit to the other.
    """
    first, second = (np.random.default_rng([seed, half]) for half in (0, 1))
    middle = samples - samples // 2
    shown = [rng.random((n, superpixels)) < 0.5 for rng, n in ((first, middle), (second, samples - middle))]
    shown[0][0] = True
    return np.concatenate(shown)


def weigh(shown: np.ndarray, kernel_width: float) -> np.ndarray:
    """Return the weight of each sample, (samples,): the package's kernel on the cosine distance to showing all."""
    distance = 1 - np.sqrt(shown.mean(1, dtype="float64"))
    return np.sqrt(np.exp(-(distance**2) / kernel_width**2))


def fit(shown: np.ndarray, values: np.ndarray, kernel_width: float) -> tuple[np.ndarray, np.ndarray]:
    """Fit weights of superpixels for each observation and R2 of each local model, as the lime package, solved once.

    Args:
        shown: (samples, S) of 0 and 1.
        values: (samples, C), what the model says of each sample.
        kernel_width: see :func:`weigh`.

    Returns:
        (S, C) weights and (C,) R2 over the weighted samples; NaN for an observation that never changed.
    """
    near = weigh(shown, kernel_width)[:, None]
    x, y = shown.astype("float64"), values.astype("float64")
    x, y = x - (near * x).sum(0) / near.sum(), y - (near * y).sum(0) / near.sum()
    weights = np.linalg.solve(x.T @ (near * x) + RIDGE * np.eye(x.shape[1]), x.T @ (near * y))
    total, left = (near * y**2).sum(0), (near * (y - x @ weights) ** 2).sum(0)
    return weights, 1 - np.divide(left, total, out=np.full_like(total, np.nan), where=total > 0)
