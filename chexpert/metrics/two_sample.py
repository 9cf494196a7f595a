"""Whether two sets of images differ: effect sizes, and permutation tests in which whole patients change sides."""

from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chexpert.metrics.auroc import auroc

PERMUTATIONS = 2000
COMPONENTS = 50
"""Of the features, for the classifier: with a few hundred images more of them fit noise."""
FOLDS = 5
TIE = 1e-12
"""Sums in another order differ by less; a permutation that repeats the sets counts as at least as far apart."""


class Effect(NamedTuple):
    """How far apart two sets are.

    Attributes:
        value: the effect size.
        p: of the permutation test; NaN where the effect is undefined.
    """

    value: float
    p: float


class PatientPermutations:
    """Divisions of the patients of two sets into two sets of as many patients.

    Images of a patient are alike, so that images that change sides by themselves would find a difference where there
    is none.

    Args:
        second: (N,) bool, whether an image is of the second set.
        patients: (N,) int, the number of its patient, from 0 on; each patient is in one set.
        count: number of permutations.
        seed: of the permutations.

    Raises:
        ValueError: a patient is in both sets, or a set is empty.
    """

    def __init__(self, second: np.ndarray, patients: np.ndarray, count: int = PERMUTATIONS, seed: int = 0) -> None:
        second, self.patients = np.asarray(second, bool), np.asarray(patients)
        units = int(self.patients.max()) + 1 if len(self.patients) else 0
        images, of_second = (
            np.bincount(self.patients, minlength=units),
            np.bincount(self.patients[second], minlength=units),
        )
        if ((of_second > 0) & (of_second < images)).any():
            raise ValueError("a patient is in both sets")
        if not second.any() or second.all():
            raise ValueError("a set has no image")
        rng, own = np.random.default_rng(seed), (of_second > 0).astype(np.float64)
        others = rng.permuted(np.tile(own, (count, 1)), axis=1)
        self.sides = np.vstack([own, others])
        """(1 + R, patients) float, 1 where a patient is of the second set; the first row is the sets themselves."""

    def sum_by_patient(self, values: np.ndarray) -> np.ndarray:
        """Return the sums (patients, K) of values (N, K) over the images of each patient."""
        sums = np.zeros((self.sides.shape[1], values.shape[1]))
        np.add.at(sums, self.patients, values)
        return sums

    def split_sums(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums (1 + R, K) of values (N, K) over the first and the second set, for each permutation."""
        sums = self.sum_by_patient(values)
        second = self.sides @ sums
        return sums.sum(0) - second, second


def compare_means(values: np.ndarray, permutations: PatientPermutations) -> list[Effect]:
    """Compute the difference of means, second less first, in standard deviations, for each column.

    The standard deviation is the root of the mean variance of the two sets (Cohen's d for sets of equal weight).

    Args:
        values: (N, K) float; NaN where a value is not known.
        permutations: of the two sets; the test's statistic is the absolute difference.

    Returns:
        K effects; NaN where a set has fewer than two values, or nothing varies.
    """
    known = np.isfinite(values)
    total = np.maximum(known.sum(0), 1)
    # sums of squares of values far from 0 would lose the digits that the variance is in
    filled = np.where(known, values - np.where(known, values, 0).sum(0) / total, 0.0)
    moments = [permutations.split_sums(part) for part in (known.astype(float), filled, filled**2)]
    with np.errstate(invalid="ignore", divide="ignore"):
        means, variances = [], []
        for counts, sums, squares in zip(*moments, strict=True):
            mean = sums / counts
            variances.append(np.maximum(squares - counts * mean**2, 0) / (counts - 1))
            means.append(mean)
        spread = np.sqrt((variances[0] + variances[1]) / 2)
        distances = np.where(spread > TIE, (means[1] - means[0]) / spread, np.nan)
    return [Effect(float(column[0]), compute_p(np.abs(column))) for column in distances.T]


def compare_shares(categories: np.ndarray, permutations: PatientPermutations) -> Effect:
    """Compute the total variation distance of two distributions over categories: half the summed absolute differences.

    Args:
        categories: (N,) of any one type that can be compared.
        permutations: of the two sets.

    Returns:
        The distance in [0, 1] and its p; NaN where there is one category only.
    """
    names, numbers = np.unique(categories, return_inverse=True)
    if len(names) < 2:
        return Effect(float("nan"), float("nan"))
    first, second = permutations.split_sums(np.eye(len(names))[numbers])
    distances = np.abs(first / first.sum(1, keepdims=True) - second / second.sum(1, keepdims=True)).sum(1) / 2
    return Effect(float(distances[0]), compute_p(distances))


def compare_features(features: np.ndarray, permutations: PatientPermutations) -> Effect:
    """Compute the squared maximum mean discrepancy of features (Gretton et al. 2012, eq. 5, the biased estimate).

    The kernel is a Gaussian on standardized features, as wide as the median distance of two images.

    Args:
        features: (N, D) float, finite.
        permutations: of the two sets.

    Returns:
        The squared discrepancy and its p; NaN where nothing varies.
    """
    kernel = compute_kernel(features)
    if kernel is None:
        return Effect(float("nan"), float("nan"))
    by_patient = permutations.sum_by_patient(permutations.sum_by_patient(kernel).T)
    sides, counts = permutations.sides, permutations.sum_by_patient(np.ones((len(features), 1)))[:, 0]
    second, whole = sides @ by_patient, by_patient.sum(0)
    both = (second * sides).sum(1)
    across = second.sum(1) - both
    rest = whole.sum() - both - 2 * across
    n_second = sides @ counts
    n_first = counts.sum() - n_second
    squared = rest / n_first**2 + both / n_second**2 - 2 * across / (n_first * n_second)
    return Effect(float(squared[0]), compute_p(squared))


def compute_kernel(features: np.ndarray) -> np.ndarray | None:
    """Return the Gaussian kernel (N, N) of features (N, D); None where they do not vary."""
    scaled = StandardScaler().fit_transform(np.asarray(features, np.float64))
    squares = (scaled**2).sum(1)
    distances = np.maximum(squares[:, None] + squares - 2 * scaled @ scaled.T, 0)
    middle = float(np.median(distances[np.triu_indices(len(scaled), 1)]))
    return np.exp(-distances / middle) if middle > TIE else None


def classify_sets(features: np.ndarray, second: np.ndarray, patients: np.ndarray) -> float:
    """Compute the AUROC of a classifier of the two sets (Lopez-Paz and Oquab 2017), on patients that it did not see.

    Logistic regression on up to 50 principal components, in up to five folds of the patients.

    Args:
        features: (N, D) float, finite.
        second: (N,) bool, whether an image is of the second set.
        patients: (N,) int.

    Returns:
        0.5 where the sets cannot be distinguished, 1 where always; NaN where a set has fewer than two patients.
    """
    sizes = [len(np.unique(patients[side])) for side in (~second, second)]
    if min(sizes) < 2:
        return float("nan")
    folds = min(FOLDS, *sizes)
    components = min(COMPONENTS, features.shape[1], len(features) // 2)
    model = make_pipeline(
        StandardScaler(), PCA(components, random_state=0), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    groups = _mix_patients(second, patients, folds)
    scores = cross_val_predict(model, features, second, groups=groups, cv=GroupKFold(folds), method="predict_proba")
    return float(auroc(scores[:, 1], second.astype(float)).value)


def _mix_patients(second: np.ndarray, patients: np.ndarray, folds: int) -> np.ndarray:
    """Return the fold (N,) of each image: both sets are in each fold, their patients in turn."""
    places = np.empty(len(patients), int)
    for side in (~second, second):
        _, numbers = np.unique(patients[side], return_inverse=True)
        places[side] = numbers % folds
    return places


def compute_p(distances: np.ndarray) -> float:
    """Return the share of permutations at least as far apart as the sets, which stand first and count as one.

    Source: Phipson and Smyth 2010. A permutation without a defined distance counts as farther apart.

    >>> compute_p(np.array([2.0, 1.0, 3.0, 2.0]))
    0.75
    """
    if not np.isfinite(distances[0]):
        return float("nan")
    reached = ~(distances < distances[0] - TIE * max(1.0, abs(distances[0])))
    return float(reached.mean())
