"""How far the pooled features of an image lie from those of the training images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chexpert.errors import UserError
from chexpert.gate.folds import assign_folds
from chexpert.metrics.distances import Gaussian, fit_gaussian, measure_neighbors, normalize_length
from chexpert.metrics.prediction_limit import compute_limit

METHODS = ("mahalanobis", "knn")
SHARE = 0.005
"""Of images like the training images beyond the limit, about."""
FOLDS = 5
NEIGHBORS = 5
MOST_REFERENCES = 500
"""Training images whose features ``knn`` keeps."""


@dataclass(frozen=True)
class FeatureDistance:
    """A distance from the training images, and the limit beyond which an image is unlike them.

    Attributes:
        method: ``mahalanobis``, with one shrunk covariance of all training images; or ``knn``, the distance from the
            fifth nearest of them in features of length 1.
        limit: that about 0.5 % of held-out images lie beyond.
        gaussian: of ``mahalanobis``.
        reference: (M, D) of ``knn``.
    """

    method: str
    limit: float
    gaussian: Gaussian | None = None
    reference: np.ndarray | None = None

    @property
    def width(self) -> int:
        """Number D of features."""
        if self.gaussian is not None:
            return len(self.gaussian.mean)
        assert self.reference is not None
        return self.reference.shape[1]

    def measure(self, features: np.ndarray) -> np.ndarray:
        """Return the distances (N,) of features (N, D).

        Raises:
            UserError: these are another number of features.
        """
        if features.shape[1] != self.width:
            message = f"{features.shape[1]} features of an image, and the gate is of {self.width}"
            hint = "use the gate of this model: chexpert gate RUN"
            raise UserError(message, code="other-weights", where="the gate", hint=hint)
        return _measure(self.method, self.gaussian, self.reference, features)


def fit_distance(
    method: str, features: np.ndarray, patients: Sequence[str], held_out: np.ndarray, seed: int
) -> FeatureDistance:
    """Fit a distance on the features of training images, and its limit on images that it was not fitted on.

    The limit is the larger one of two: that of training images of patients whom the fit of a fold left out, and that of
    images that the weights never learned from. Distances are above 0 and skewed: the limit is that of their logarithms.

    Args:
        method: one of ``METHODS``.
        features: (N, D) of training images.
        patients: N of them.
        held_out: (M, D) of images that the weights did not learn from; M may be 0.
        seed: of the folds and references.
    """
    folds, distances = assign_folds(patients, FOLDS, seed), []
    for fold in np.unique(folds):
        fitted = _fit(method, features[folds != fold], seed)
        distances.append(_measure(method, *fitted, features[folds == fold]))
    fitted = _fit(method, features, seed)
    limits = [_compute_limit(np.concatenate(distances))]
    if len(held_out) >= 2:
        limits.append(_compute_limit(_measure(method, *fitted, held_out)))
    return FeatureDistance(method, max(limits), *fitted)


def _compute_limit(distances: np.ndarray) -> float:
    return float(np.exp(compute_limit(np.log(np.maximum(distances, 1e-12)), SHARE)))


def _fit(method: str, features: np.ndarray, seed: int) -> tuple[Gaussian | None, np.ndarray | None]:
    if method == "mahalanobis":
        return fit_gaussian(features), None
    rows = np.random.default_rng(seed).permutation(len(features))[:MOST_REFERENCES]
    return None, normalize_length(features[np.sort(rows)])


def _measure(method: str, gaussian: Gaussian | None, reference: np.ndarray | None, features: np.ndarray) -> np.ndarray:
    features = features.astype(np.float64)
    if gaussian is not None:
        return gaussian.measure(features)
    assert reference is not None
    return measure_neighbors(reference, normalize_length(features), min(NEIGHBORS, len(reference)))
