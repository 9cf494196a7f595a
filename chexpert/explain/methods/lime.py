"""LIME (Ribeiro et al. 2016, arxiv.org/abs/1602.04938) for gray images, in bounded memory."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from chexpert.errors import UserError
from chexpert.explain.attribution import Attribution
from chexpert.explain.batched_inference import Write
from chexpert.explain.methods.local_model import LocalFit, sample_superpixels
from chexpert.explain.methods.perturbation import Perturbing, is_positive
from chexpert.explain.methods.regions import REGIONS, divide_image, find_errors
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
        samples: perturbed images; with ``converged`` at most. The author's rule is 10 or more a superpixel
            (marcotcr/lime issue 524).
        converged: an observation needs no further samples from this ``stability`` on; it is computed after 320 samples
            and then every 160. None: always ``samples``.
        pairs: every second sample shows what the one before it hides; see :func:`sample_superpixels`.
        superpixels: wanted number inside the body, for ``slic`` and ``grid``.
        segments: ``slic``; ``quickshift`` as the lime package has it, over the whole picture; ``grid`` of square cells;
            ``anatomy``, a fixed atlas scaled to the body; or an image file of region numbers, 0 is never hidden.
        of: ``logit`` or ``probability``; a probability near 0 or 1 hardly moves.
        fill: what is hidden becomes this: ``blur``, ``mean``, ``local`` or ``black``.
        kernel_width: of the exponential kernel on the cosine distance, as in the package.
        precision: ``bf16``: the perturbed images run in bfloat16, which is faster where the device has units for it.
        seed: of the perturbations.
        memory: MiB that a forward pass may take for its activations; see ``batched_inference.find_memory``.
        batch_size: images a forward pass; by default as many as fit, at most 16 on a CPU and 256 elsewhere.
    """

    name = "lime"
    counts = ("superpixels",)
    halved = ("samples",)
    positives = (*Perturbing.positives, "kernel_width")
    choices = {**Perturbing.choices, "of": ("logit", "probability")}

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
        converged: float | None = None,
        pairs: bool = False,
        precision: str | None = None,
    ) -> None:
        super().__init__(fill, memory, batch_size)
        self.samples, self.superpixels, self.segments = samples, superpixels, segments
        self.of, self.kernel_width, self.seed = of, kernel_width, seed
        self.converged, self.pairs = converged, pairs
        self.probe.precision = precision

    @classmethod
    def validate_args(cls, **options: Any) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        errors = super().validate_args(**options)
        converged, precision, segments = (options.get(key) for key in ("converged", "precision", "segments"))
        where = f"explainer.{cls.name}."
        if converged is not None and not (is_positive(converged) and converged < 1):
            hint = "a number above 0 and below 1, or null: always all samples"
            errors.append(
                UserError(f"{converged!r} is not possible", code="value", where=f"{where}converged", hint=hint)
            )
        if precision not in (None, "bf16"):
            message, hint = f"{precision!r} is not possible", "bf16, or null: float32"
            errors.append(UserError(message, code="choice", where=f"{where}precision", hint=hint))
        if "segments" in options and segments not in REGIONS:
            errors += find_errors(segments, f"{where}segments")
        return errors

    def passes(self, outputs: int) -> int:
        """Return one pass a sample, whatever the number of outputs; with ``converged`` it may take fewer."""
        return self.samples

    def explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        """Explain one view (1, H, W) uint8."""
        segments = self._segment(image[0].cpu().numpy())
        fit = self._start_fit(segments)
        write = hide_superpixels(image, self.hide(image), segments, fit.shown[fit.order])

        def enough(logits: torch.Tensor) -> bool:
            return fit((logits if self.of == "logit" else logits.sigmoid()).numpy()[:, list(outputs)])

        taken = len(self.probe(model, self.samples, write, image, enough))
        return self._attribute(segments, fit, taken, self.of)

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
        fit = self._start_fit(segments)
        write = hide_superpixels(gray, self.hide(gray), segments, fit.shown[fit.order])
        buffer = torch.empty(batch_size, *gray.shape, dtype=torch.uint8)
        values: list[np.ndarray] = []
        taken, enough = 0, False
        while not enough:
            part = buffer[: min(batch_size, self.samples - taken)]
            write(taken, part)
            values.append(_check_values(function(part[:, 0].numpy().copy()), len(part)))
            taken, enough = taken + len(part), fit(np.concatenate(values))
        return self._attribute(segments, fit, taken, "the function")

    def _segment(self, gray: np.ndarray) -> np.ndarray:
        return divide_image(gray, self.segments, self.superpixels)

    def _start_fit(self, segments: np.ndarray) -> LocalFit:
        shown = sample_superpixels(self.samples, int(segments.max()), self.seed, self.pairs)
        return LocalFit(shown, self.kernel_width, self.converged)

    def _attribute(self, segments: np.ndarray, fit: LocalFit, passes: int, of: str) -> list[Attribution]:
        settings = {
            "layer": "input superpixels",
            "of": of,
            "segments": self.segments,
            "passes": passes,
            "converged": self.converged,
            "pairs": self.pairs,
            "superpixels": int(segments.max()),
            "kernel_width": self.kernel_width,
            "seed": self.seed,
        }
        return [
            self.attribute(
                np.append(0, model.weights)[segments],
                **settings,
                samples=model.samples,
                r2=or_none(model.r2),
                stability=or_none(model.stability),
            )
            for _, model in sorted(fit.models.items())
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
