"""A label policy: a table of labels 1, 0, -1 and blank in, targets in [0, 1] and a mask out."""

from collections.abc import Sequence

import pandas as pd

from chexpert.data import LabelPolicy, Targets


class FirstVisitOnly(LabelPolicy):
    """The policy of the project, but uncertain labels count on a patient's first study alone.

    Later reports are often uncertain because they compare with the first.
    """

    def apply(self, frame: pd.DataFrame, observations: Sequence[str]) -> Targets:
        """Return targets and mask of the views of a table."""
        later = ~frame["study"].astype(str).str.endswith("study1")
        names = list(observations)
        kept = frame.copy()
        kept.loc[later, names] = kept.loc[later, names].where(kept.loc[later, names] != -1)
        return super().apply(kept, observations)
