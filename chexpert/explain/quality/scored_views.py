"""Which views are scored, so that every observation has its share and none is explained in vain."""

from collections.abc import Sequence

import numpy as np

from chexpert.explain.attribution import Explainer


def choose_scored(present: np.ndarray, per_observation: int, seed: int, first: Sequence[int] = ()) -> list[int]:
    """Sample views until each observation is present in ``per_observation`` of them, or in all that there are.

    A view counts for every observation that it shows. The next one is always sampled for the observation that has
    fewest, so that the first K of the rows are a fair choice too: that is what an explainer gets which can only
    afford K.

    Args:
        present: (N, C) bool, whether the label of an observation is 1.
        per_observation: views wanted of each observation.
        seed: of the sample.
        first: rows that are taken before the others, as those of a sample that is explained anyway.

    Returns:
        Rows, in the order in which they are to be scored.

    >>> sorted(choose_scored(np.array([[1, 0], [1, 1], [0, 0]], dtype=bool), 2, seed=0))
    [0, 1]
    """
    sampled = np.random.default_rng(seed).permutation(len(present)).tolist()
    waiting = [*first, *(row for row in sampled if row not in {*first})]
    counts = np.zeros(present.shape[1], dtype=int)
    rows: list[int] = []
    while True:
        short = [c for c in np.argsort(counts, kind="stable") if counts[c] < per_observation]
        found = next((row for c in short for row in waiting if present[row, c]), None)
        if found is None:
            return rows
        waiting.remove(found)
        rows.append(found)
        counts += present[found]


def limit(outputs: Sequence[Sequence[int]], per_observation: int) -> list[list[int]]:
    """Return the outputs of each view that are scored: the first ``per_observation`` of each, in the order of views.

    >>> limit([[0, 1], [0], [0, 1]], 2)
    [[0, 1], [0], [1]]
    """
    counts: dict[int, int] = {}
    kept = []
    for own in outputs:
        kept.append([c for c in own if counts.get(c, 0) < per_observation])
        counts |= {c: counts.get(c, 0) + 1 for c in own}
    return kept


def affordable(explainer: Explainer, outputs: Sequence[Sequence[int]], passes: int) -> int:
    """Return how many of the views, from the first on, an explainer can take with this many forward passes."""
    spent = np.cumsum([explainer.passes(len(own)) for own in outputs])
    return int((spent <= passes).sum())
