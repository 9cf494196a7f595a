"""Which label of an external data set is which observation of CheXpert, and which observations it does not label."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chexpert.observations import OBSERVATIONS


@dataclass(frozen=True)
class Counterpart:
    """What a label of an external data set is in CheXpert.

    Attributes:
        observation: its name in CheXpert; None where no observation means the same.
        why: the reason, where the names alone do not show it.
    """

    observation: str | None
    why: str = ""


class LabelTable:
    """The labels of an external data set, each with its counterpart.

    Args:
        counterparts: by the name of the label, as the data set spells it.
        absent: why the data set has no label of an observation, where there is more to say than that none is listed.
    """

    def __init__(self, counterparts: Mapping[str, Counterpart], absent: Mapping[str, str] | None = None) -> None:
        self.counterparts, self.reasons = dict(counterparts), dict(absent or {})

    @property
    def observations(self) -> tuple[str, ...]:
        """Return the observations with a counterpart, in CheXpert's order."""
        known = {counterpart.observation for counterpart in self.counterparts.values()}
        return tuple(name for name in OBSERVATIONS if name in known)

    @property
    def absent(self) -> tuple[str, ...]:
        """Return the observations that the data set does not label: nothing is known of them, so none is negative."""
        return tuple(name for name in OBSERVATIONS if name not in self.observations)

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Return the labels without a counterpart."""
        return tuple(name for name, counterpart in self.counterparts.items() if counterpart.observation is None)

    def list_labels(self, observation: str) -> list[str]:
        """Return the labels that an observation is read from."""
        return [name for name, counterpart in self.counterparts.items() if counterpart.observation == observation]

    def translate(self, labels: Mapping[str, np.ndarray], rows: int) -> dict[str, np.ndarray]:
        """Return the 14 observations, (N,) float32 in {1, 0, -1, NaN}, from the labels of a data set.

        Args:
            labels: (N,) in {1, 0, -1, NaN} by the name of the label, at least those with a counterpart.
            rows: N.

        Returns:
            By observation; NaN throughout where the data set has no label of it.
        """
        found = {}
        for observation in OBSERVATIONS:
            own = [labels[name] for name in self.list_labels(observation)]
            found[observation] = combine(np.stack(own)) if own else np.full(rows, np.nan, dtype="float32")
        return found


def combine(labels: np.ndarray) -> np.ndarray:
    """Return the label of "one of them": (L, N) in {1, 0, -1, NaN} to (N,) float32.

    Positive where one is; else uncertain where one is; else blank where one is; else negative.

    >>> combine(np.array([[1, 0, 0, 0], [-1, -1, np.nan, 0]])).tolist()
    [1.0, -1.0, nan, 0.0]
    """
    blank = np.isnan(labels).any(0)
    joined = np.select([(labels == 1).any(0), (labels == -1).any(0), blank], [1, -1, np.nan], 0)
    return joined.astype("float32")
