"""From labels {1, 0, -1, blank} to what the loss sees: a target in [0, 1] and a mask."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from chexpert.problem import ProblemError

Rule = str | float | Sequence[float]
"""zeros, ones, ignore, one soft target in [0, 1], or the bounds [low, high] of a uniform draw."""

WORDS: dict[str, tuple[float, float] | None] = {"zeros": (0.0, 0.0), "ones": (1.0, 1.0), "ignore": None}


class LabelPolicy:
    """What becomes of uncertain (-1) and of blank labels; 0 and 1 stay as they are.

    Args:
        uncertain: the rule for -1, the uncertainty policy. [0.55, 0.85] is label smoothing of U-Ones
            (Pham et al. 2019, arxiv.org/abs/1911.06475), which the original project used.
        blank: the rule for a finding that the report does not mention.
        seed: of the uniform draws. A draw depends on seed, view and observation alone: not on the order
            of the rows, on other rows, or on the copy (small, full) in which the view is read.
    """

    def __init__(self, uncertain: Rule, blank: Rule = "zeros", seed: int = 0) -> None:
        self.uncertain = read_rule(uncertain, "labels.uncertain")
        self.blank = read_rule(blank, "labels.blank")
        self.seed = seed

    @staticmethod
    def find_problems(uncertain: Rule, blank: Rule = "zeros", seed: int = 0) -> list[str]:
        """What is wrong with these arguments, before anything is built."""
        problems = []
        for name, rule in (("labels.uncertain", uncertain), ("labels.blank", blank)):
            try:
                read_rule(rule, name)
            except ProblemError as error:
                problems.append(str(error))
        return problems

    def apply(self, frame: pd.DataFrame, observations: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Targets (N, C) float32 in [0, 1] and mask (N, C) bool: where the mask is False the loss does not look."""
        targets, mask = hard_labels(frame, observations)
        labels = frame[list(observations)].to_numpy("float32")
        for rule, where in ((self.uncertain, labels == -1), (self.blank, np.isnan(labels))):
            if rule is not None:
                targets[where] = self._draw(rule, frame["key"], observations, where)
                mask |= where
        return targets, mask

    def _draw(
        self, rule: tuple[float, float], keys: pd.Series, observations: Sequence[str], where: np.ndarray
    ) -> np.ndarray | float:
        low, high = rule
        if low == high:
            return low
        rows, columns = np.nonzero(where)
        views = keys.to_numpy()
        units = [unit_draw(self.seed, views[r], observations[int(c)]) for r, c in zip(rows, columns, strict=True)]
        return low + (high - low) * np.asarray(units, dtype="float32")


def hard_labels(frame: pd.DataFrame, observations: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The labels as they are, for judging: targets (N, C) in {0, 1}, masked where the label is -1 or blank."""
    labels = frame[list(observations)].to_numpy("float32")
    mask = (labels == 0) | (labels == 1)
    return np.where(mask, labels, 0).astype("float32"), mask


def read_rule(rule: Rule, name: str) -> tuple[float, float] | None:
    """The bounds of a rule, equal for a fixed target, or None for ignore.

    >>> read_rule("ones", "labels.blank"), read_rule([0.55, 0.85], "labels.uncertain")
    ((1.0, 1.0), (0.55, 0.85))
    """
    if isinstance(rule, str) and rule in WORDS:
        return WORDS[rule]
    bounds = rule if isinstance(rule, Sequence) and not isinstance(rule, str) else [rule, rule]
    if len(bounds) == 2 and all(isinstance(x, int | float) and not isinstance(x, bool) for x in bounds):
        low, high = (float(x) for x in bounds)
        if 0 <= low <= high <= 1:
            return low, high
    raise ProblemError(
        f"not a label rule: {rule!r}",
        where=name,
        mend=f"one of {', '.join(WORDS)}, a target in [0, 1], or the bounds [low, high] of a draw in [0, 1]",
    )


def unit_draw(seed: int, key: str, observation: str) -> float:
    """A number in [0, 1) that is a function of its arguments alone."""
    digest = hashlib.blake2b(f"{seed}|{key}|{observation}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
