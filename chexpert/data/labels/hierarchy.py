"""The tree of observations (Irvin et al. 2019, Fig. 1): which labels follow from others."""

from collections.abc import Iterator, Sequence

import pandas as pd

from chexpert.errors import UserError
from chexpert.observations import PARENTS


def find_ancestors(observation: str) -> Iterator[str]:
    """Yield the parent, its parent, and so on.

    >>> list(find_ancestors("Pneumonia"))
    ['Consolidation', 'Lung Opacity']
    """
    while observation in PARENTS:
        observation = PARENTS[observation]
        yield observation


def find_parents(observations: Sequence[str]) -> list[int]:
    """Return the index of each observation's parent, -1 for a root.

    >>> find_parents(["Edema", "Lung Opacity"])
    [1, -1]

    Raises:
        UserError: a parent is not among the observations.
    """
    names = list(observations)
    parents = [PARENTS.get(name) for name in names]
    lacking = [parent for parent in dict.fromkeys(parents) if parent not in (None, *names)]
    if lacking:
        message = f"not among the observations, although others depend on it: {', '.join(map(str, lacking))}"
        raise UserError(message, code="missing-observation", where="labels.conditional", hint="observations=all")
    return [-1 if parent is None else names.index(parent) for parent in parents]


def propagate(labels: pd.DataFrame) -> pd.DataFrame:
    """Return labels {1, 0, -1, NaN} that are closed towards the root.

    CheXpert's own are not: of 27,000 rows with Cardiomegaly, Enlarged Cardiomediastinum is positive in 1,901.
    A positive child makes its ancestors positive, whatever they were; an uncertain child makes blank ancestors
    uncertain. Nothing else changes, and columns that the table lacks do not matter.
    """
    closed = labels.copy()
    for child in [name for name in PARENTS if name in labels]:
        for ancestor in [name for name in find_ancestors(child) if name in labels]:
            closed.loc[(labels[child] == -1) & closed[ancestor].isna(), ancestor] = -1
            closed.loc[labels[child] == 1, ancestor] = 1
    return closed
