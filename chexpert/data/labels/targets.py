"""What the loss sees of each view, fixed or sampled anew in each epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from chexpert.data.random_streams import unit_sample


@dataclass(frozen=True)
class RandomTargets:
    """Uniform targets, each a function of seed, view, observation and, where it is asked for, epoch alone.

    So a sample does not depend on the order of the rows, on other rows, on workers, or on the copy (small, full) in
    which the view is read.

    Args:
        low: (N, C) lower bounds.
        span: (N, C) high - low; 0 where nothing is sampled.
        keys: of the N views.
        observations: names of the C columns.
        seed: of the samples.
    """

    low: np.ndarray
    span: np.ndarray
    keys: Sequence[str]
    observations: Sequence[str]
    seed: int

    def fill(self, targets: np.ndarray, rows: Sequence[int], epoch: int | None = None) -> None:
        """Write the samples of n rows over their targets (n, C or more), in place."""
        low, span = self.low[list(rows)], self.span[list(rows)]
        n, c = np.nonzero(span)
        places = zip(n.tolist(), c.tolist(), strict=True)
        parts = [] if epoch is None else [epoch]
        units = [unit_sample(self.seed, self.keys[rows[i]], self.observations[j], *parts) for i, j in places]
        targets[n, c] = low[n, c] + span[n, c] * np.asarray(units)


class Targets(NamedTuple):
    """Targets of N views for C observations, U of them with a class of their own for "uncertain"."""

    values: np.ndarray
    """(N, C + U) float32 in [0, 1]. Column C + k is 1 where the k-th three-class observation is uncertain."""
    mask: np.ndarray
    """(N, C + U) bool: False where there is nothing to learn. An entry of class "uncertain" is masked among the first
    C columns: whether the finding is there was not said."""
    random_targets: RandomTargets | None = None
    """Targets that each epoch samples anew."""


def mask_unlabeled(targets: Targets, unlabeled: np.ndarray, third: Sequence[int]) -> Targets:
    """Mask what a data set does not label, whatever the policy makes of blanks.

    Args:
        targets: of N views for C observations, U of them with a class for "uncertain".
        unlabeled: (N, C) bool, True where nothing is known.
        third: the U columns among them.
    """
    columns = np.hstack([unlabeled, unlabeled[:, list(third)]])
    return targets._replace(mask=targets.mask & ~columns)
