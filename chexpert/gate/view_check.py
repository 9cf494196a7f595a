"""Which view and orientation an image has: multinomial logistic regression on its thumbnail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chexpert.gate.folds import assign_folds
from chexpert.gate.thumbnails import make_thumbnails, mirror, standardize, transform

UPRIGHT, LATERAL = "upright", "lateral"
FOLDS = 5
LEAST_PATIENTS = 5
"""That laterals are of: fewer may lie in one fold as a whole."""
NEVER = -1e9
"""Logit of a kind that is not there."""
PENALTY = 0.01
"""C of scikit-learn: .01 recognized at least as many of 184 radiographs as .001, and their rotations."""
SHARE = 0.01
"""Of upright images above the limit of each of the other kinds, at most about."""


@dataclass(frozen=True)
class ViewCheck:
    """Log odds of each kind of view against an upright one, and the limits that upright training images keep.

    Attributes:
        kinds: names of the K kinds; the first is an upright image.
        weights: (K, F) of the standardized thumbnail.
        bias: (K,).
        limits: (K,) of the log odds against the first kind, from which on an image is flagged.
    """

    kinds: tuple[str, ...]
    weights: np.ndarray
    bias: np.ndarray
    limits: np.ndarray

    def measure(self, images: np.ndarray) -> np.ndarray:
        """Return the log odds (N, K) of each kind against the first, of images (N, H, W) uint8."""
        return _compare(standardize(make_thumbnails(images)), self.weights, self.bias)

    def check(self, images: np.ndarray) -> Iterator[str | None]:
        """Yield of each image (N, H, W) uint8 which kind it is, with the probability; None where it is upright."""
        for odds in self.measure(images):
            kind = int(odds.argmax())
            flagged = kind and odds[kind] > self.limits[kind]
            probability = 1 / np.exp(odds - odds[kind]).sum()
            yield f"{self.kinds[kind]}: probability {probability:.3f}" if flagged else None


def fit_view_check(
    upright: np.ndarray,
    patients: Sequence[str],
    laterals: np.ndarray,
    lateral_patients: Sequence[str],
    seed: int,
) -> ViewCheck:
    """Fit on thumbnails of training images, and of what they would be, inverted and rotated.

    A mirrored image counts as upright. The limits are those of images of patients that the fit of a fold left out.

    Args:
        upright: thumbnails (N, SIDE, SIDE) of training images.
        patients: N of them.
        laterals: thumbnails (M, SIDE, SIDE); of fewer than 5 patients they are not used, and no image is then
            recognized as a lateral.
        lateral_patients: M of them.
        seed: of the folds.
    """
    kinds = {UPRIGHT: np.concatenate([upright, mirror(upright)])} | transform(upright)
    own = {UPRIGHT: [*patients, *patients]} | {kind: [*patients] for kind in [*kinds][1:]}
    if len(set(lateral_patients)) >= LEAST_PATIENTS:
        kinds, own = kinds | {LATERAL: laterals}, own | {LATERAL: [*lateral_patients]}
    rows = np.concatenate([standardize(thumbnails) for thumbnails in kinds.values()])
    numbers = np.repeat(np.arange(len(kinds)), [len(thumbnails) for thumbnails in kinds.values()])
    folds = assign_folds([patient for names in own.values() for patient in names], FOLDS, seed)
    found = []
    for fold in np.unique(folds):
        fitted = _fit(rows[folds != fold], numbers[folds != fold], len(kinds))
        found.append(_compare(rows[(folds == fold) & (numbers == 0)], *fitted))
    odds = np.concatenate(found)
    limits = [0.0] + [max(0.0, float(np.quantile(odds[:, kind], 1 - SHARE))) for kind in range(1, len(kinds))]
    return ViewCheck(tuple(kinds), *_fit(rows, numbers, len(kinds)), np.array(limits))


def _fit(rows: np.ndarray, numbers: np.ndarray, kinds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (K, D) and bias (K,); a kind that a fold leaves out as a whole is never the more probable one."""
    from sklearn.linear_model import LogisticRegression  # takes a second

    model = LogisticRegression(C=PENALTY, max_iter=500).fit(rows, numbers)
    weights, bias = np.zeros((kinds, rows.shape[1])), np.full(kinds, NEVER)
    weights[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return weights, bias


def _compare(rows: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    logits = rows @ weights.T + bias
    return logits - logits[:, :1]
