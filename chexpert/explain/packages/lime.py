"""LIME by the lime package (github.com/marcotcr/lime), as its users run it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from chexpert.errors import OWN, UserError
from chexpert.explain.attribution import Attribution, Explainer, check_request, explaining
from chexpert.explain.packages.borrowed_model import keep_random_state
from chexpert.explain.packages.options import (
    find_name_errors,
    find_number_errors,
    find_option_errors,
    list_parameters,
    to_tuple,
)
from chexpert.models import Model
from chexpert.runs.files import or_none

SEGMENTS: dict[str, dict[str, Any]] = {
    "quickshift": {"kernel_size": 4, "max_dist": 200, "ratio": 0.2},
    "slic": {"start_label": 0},  # lime hides the segments 0 to S - 1, and would never hide the last one from 1 on
    "felzenszwalb": {},
}
"""The ways of segmentation that the package wraps; quickshift as it is by default there."""
SELECTIONS = ("auto", "forward_selection", "highest_weights", "lasso_path", "none")
NOTE = "superpixels of the whole picture, each hidden by its own mean gray"


class LimePackage(Explainer):
    """LIME by ``lime.lime_image.LimeImageExplainer``: of the gray image three times, and of the probability.

    The project's own ``lime`` explains the logit, hides superpixels by the mean of their surroundings and segments the
    body only. One set of perturbed images serves all outputs of a view, as there.

    The manifest has the ``package`` and its version, R2 of the local model, the number of ``superpixels``, and in
    ``notes`` what the package does otherwise than the project's own method.

    Args:
        num_samples: perturbed images.
        num_features: superpixels that have a weight, at most.
        of: ``probability``, as the package's users have it, or ``logit``.
        segmentation: ``quickshift``, ``slic`` or ``felzenszwalb``.
        segmentation_options: arguments of skimage's function; by default those of the package.
        hide_color: gray value (0 to 255) of a hidden superpixel; null: the mean of each.
        feature_selection: ``auto``, ``forward_selection``, ``highest_weights``, ``lasso_path`` or ``none``.
        kernel_width: of the exponential kernel on the distance.
        distance_metric: of scikit-learn, between the image and a perturbed one as sets of superpixels.
        batch_size: images a forward pass.
        seed: of the perturbations.
    """

    name = "lime_package"

    def __init__(
        self,
        num_samples: int = 1000,
        num_features: int = 100_000,
        of: str = "probability",
        segmentation: str = "quickshift",
        segmentation_options: Mapping[str, Any] | None = None,
        hide_color: int | None = None,
        feature_selection: str = "auto",
        kernel_width: float = 0.25,
        distance_metric: str = "cosine",
        batch_size: int = 10,
        seed: int = 0,
    ) -> None:
        self.num_samples, self.num_features, self.of = num_samples, num_features, of
        self.segmentation = segmentation
        self.segmentation_options = SEGMENTS[segmentation] | dict(segmentation_options or {})
        self.hide_color, self.feature_selection = hide_color, feature_selection
        self.kernel_width, self.distance_metric = kernel_width, distance_metric
        self.batch_size, self.seed = batch_size, seed

    @classmethod
    def validate_args(
        cls,
        num_samples: object = 1000,
        num_features: object = 100_000,
        of: object = "probability",
        segmentation: object = "quickshift",
        segmentation_options: Any = None,
        hide_color: object = None,
        feature_selection: object = "auto",
        kernel_width: object = 0.25,
        distance_metric: object = "cosine",
        batch_size: object = 10,
        seed: object = 0,
        **_: object,
    ) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        from skimage import segmentation as functions
        from sklearn.metrics.pairwise import PAIRWISE_DISTANCE_FUNCTIONS

        least = {"num_samples": 2, "num_features": 1, "batch_size": 1, "seed": 0}
        given = {"num_samples": num_samples, "num_features": num_features, "batch_size": batch_size, "seed": seed}
        errors = find_number_errors(least, given)
        errors += find_name_errors(of, ("probability", "logit"), "an output", "of")
        errors += find_name_errors(feature_selection, SELECTIONS, "a selection of lime", "feature_selection")
        metrics = [metric for metric in PAIRWISE_DISTANCE_FUNCTIONS if metric != "precomputed"]
        errors += find_name_errors(distance_metric, metrics, "a distance of scikit-learn", "distance_metric")
        if not isinstance(kernel_width, int | float) or not kernel_width > 0:
            message = f"{kernel_width!r} is not possible"
            errors.append(UserError(message, code="value", where=f"{OWN}kernel_width", hint="a number above 0"))
        if hide_color is not None and hide_color not in range(256):
            message, hint = f"{hide_color!r} is not possible", "a whole number from 0 to 255, or null"
            errors.append(UserError(message, code="value", where=f"{OWN}hide_color", hint=hint))
        if wrong := find_name_errors(segmentation, SEGMENTS, "a segmentation of lime", "segmentation"):
            return errors + wrong
        known = list_parameters(getattr(functions, str(segmentation)), ["image", "channel_axis", "start_label"])
        options = {} if segmentation_options is None else segmentation_options
        return errors + find_option_errors(options, known, str(segmentation), "segmentation_options")

    def passes(self, outputs: int) -> int:
        """Return one pass a sample, whatever the number of outputs."""
        return self.num_samples

    def __call__(self, model: Model, images: torch.Tensor, outputs: Sequence[Sequence[int]]) -> list[list[Attribution]]:
        """Attributions for views (B, 1, H, W) uint8 of the outputs listed for each."""
        check_request(model, images, outputs)
        with keep_random_state(model), explaining(model), torch.inference_mode():
            return [self._explain(model, image, own) if own else [] for image, own in zip(images, outputs, strict=True)]

    def _explain(self, model: Model, image: torch.Tensor, outputs: Sequence[int]) -> list[Attribution]:
        from lime.lime_image import LimeImageExplainer
        from lime.wrappers.scikit_image import SegmentationAlgorithm

        explainer = LimeImageExplainer(
            kernel_width=self.kernel_width, feature_selection=self.feature_selection, random_state=self.seed
        )
        options = {key: to_tuple(value) for key, value in self.segmentation_options.items()}
        r2 = record_scores(explainer.base)
        with without_progress():
            explanation = explainer.explain_instance(
                np.repeat(image[0].cpu().numpy()[..., None], 3, axis=2),
                self._classify(model, image.device),
                labels=tuple(outputs),
                top_labels=None,
                hide_color=self.hide_color,
                num_features=self.num_features,
                num_samples=self.num_samples,
                batch_size=self.batch_size,
                segmentation_fn=SegmentationAlgorithm(self.segmentation, **options),
                distance_metric=self.distance_metric,
            )
        manifest = self._describe(explanation.segments)
        return [
            Attribution(paint(explanation.segments, explanation.local_exp[output]), {}, manifest | {"r2": or_none(own)})
            for output, own in zip(outputs, r2, strict=True)
        ]

    def _classify(self, model: Model, device: torch.device) -> Any:
        def classify(images: np.ndarray) -> np.ndarray:
            gray = torch.from_numpy(images[..., 0].copy())[:, None].to(device)  # the three channels are the same
            logits = model(gray).cpu().double()  # not every device has float64
            return (logits.sigmoid() if self.of == "probability" else logits).numpy()

        return classify

    def _describe(self, segments: np.ndarray) -> dict[str, Any]:
        return {
            "explainer": self.name,
            "package": f"lime {version('lime')}",
            "layer": "input superpixels",
            "of": self.of,
            "segments": self.segmentation,
            "samples": self.num_samples,
            "superpixels": len(np.unique(segments)),
            "kernel_width": self.kernel_width,
            "seed": self.seed,
            "notes": [NOTE if self.hide_color is None else f"hidden superpixels have the gray value {self.hide_color}"],
        }


def paint(segments: np.ndarray, weights: Sequence[tuple[int, float]]) -> np.ndarray:
    """Return the map (H, W) float32 with the weight of each segment (numbered from 0), 0 where it has none."""
    by_number = np.zeros(int(segments.max()) + 1, dtype="float32")
    for number, weight in weights:
        by_number[number] = weight
    return by_number[segments]


def record_scores(base: Any) -> list[float]:
    """Return a list to which a LIME of the package adds the R2 of each label: it keeps that of the last one only."""
    scores: list[float] = []
    explain = base.explain_instance_with_data

    def record(*args: Any, **kwargs: Any) -> Any:
        result = explain(*args, **kwargs)
        scores.append(float(result[2]))
        return result

    base.explain_instance_with_data = record
    return scores


@contextmanager
def without_progress() -> Iterator[None]:
    """Silence the package's progress bar: it has no setting for it."""
    from lime import lime_image

    bar = lime_image.tqdm
    lime_image.tqdm = iter
    try:
        yield
    finally:
        lime_image.tqdm = bar
