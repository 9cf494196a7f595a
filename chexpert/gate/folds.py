"""Patients in folds: what is measured on an image was not fitted on its patient."""

from collections.abc import Sequence

import numpy as np


def assign_folds(patients: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Return the fold (N,) of each image, from 0 to ``count`` - 1: the images of a patient are in one fold.

    >>> folds = assign_folds(["a", "b", "a"], 2, seed=0)
    >>> bool(folds[0] == folds[2]), bool(folds[0] != folds[1])
    (True, True)
    """
    names, numbers = np.unique(np.asarray(patients), return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(names)) % count)[numbers]
