"""Targets of a label policy mixed with the probabilities of teachers."""

from collections.abc import Sequence

import numpy as np

from chexpert.data.labels.targets import RandomTargets, Targets


def soften(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities whose logits are divided by the temperature; NaN stays.

    >>> soften(np.array([0.8, 0.5, 1.0]), 2.0).round(3).tolist()
    [0.667, 0.5, 1.0]
    """
    if temperature == 1:
        return probabilities
    yes, no = (part ** (1 / temperature) for part in (probabilities, 1 - probabilities))
    return yes / (yes + no)


def mix_targets(own: Targets, taught: np.ndarray, weight: float) -> Targets:
    """Return targets of which a share is a teacher's.

    Args:
        own: of N views for C observations, from the label policy.
        taught: (N, C) probabilities of the teacher; NaN where it teaches nothing, and the target stays.
        weight: the teacher's share, in (0, 1]; where the label policy masks, the teacher's probability is the target.

    >>> own = Targets(np.array([[1.0], [0.0], [0.0]]), np.array([[True], [False], [True]]))
    >>> mixed = mix_targets(own, np.array([[0.5], [0.25], [np.nan]]), 0.5)
    >>> mixed.values.ravel().tolist(), mixed.mask.ravel().tolist()
    ([0.75, 0.25, 0.0], [True, True, True])
    """
    known = ~np.isnan(taught)
    share = np.where(known, np.where(own.mask, weight, 1.0), 0.0)
    filled = np.where(known, taught, 0.0)
    values = (share * filled + (1 - share) * own.values).astype("float32")
    return Targets(values, own.mask | known, _mix_random(own.random_targets, share, filled))


def _mix_random(own: RandomTargets | None, share: np.ndarray, taught: np.ndarray) -> RandomTargets | None:
    """Return sampled targets of which the label's share alone is sampled."""
    if own is None:
        return None
    low = np.where(own.span > 0, share * taught + (1 - share) * own.low, own.low)
    keys: Sequence[str] = own.keys
    return RandomTargets(low, (1 - share) * own.span, keys, own.observations, own.seed)
