"""From labels {1, 0, -1, blank} to what the loss sees: a target in [0, 1] and a mask."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chexpert.data.labels.hierarchy import find_parents, propagate
from chexpert.data.labels.learned_targets import get_values, read_targets_file
from chexpert.data.labels.policy_checks import CERTAIN, CONDITIONAL_ROWS, find_policy_errors
from chexpert.data.labels.rules import LEARNED, SELF_TRAINED, THREE_CLASS, Rules, read_rules
from chexpert.data.labels.self_training import find_predictions, read_targets
from chexpert.data.labels.targets import RandomTargets, Targets
from chexpert.data.shared_strings import Texts
from chexpert.data.sources.frame import find_key
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS

KEYS = ("key", "Path")
"""Columns that name the rows."""


class LabelPolicy:
    """What becomes of uncertain (-1) and of blank labels; 0 and 1 stay as they are, unless their targets are learned.

    Args:
        uncertain: the rule for -1, the uncertainty policy, or a rule by observation with ``default`` for the rest.
            [0.55, 0.85] is label smoothing of U-Ones (Pham et al. 2019, arxiv.org/abs/1911.06475), which the
            original project used.
        blank: the rules for a finding that the report does not mention; not ``three_class``.
        redraw: sample a range anew in each epoch.
        propagate: close the labels towards the root of the hierarchy first.
        conditional: learn the probability given the parent finding (Pham et al. 2019): labels are propagated, and
            the model's probabilities are multiplied down the tree wherever it is used.
        conditional_rows: of conditional learning: ``positive_parents`` (its first stage) or ``all`` (its second).
        predictions: for ``self_trained``, the run whose predictions/train.csv to take, or a file of that form.
        seed: of the samples.
        certain: what 1 and 0 become: ``hard``, themselves, or ``learned``, where a rule of the observation is.
        file: for ``learned``, P(finding | label) as ``chexpert learn-targets`` writes it.
    """

    def __init__(
        self,
        uncertain: Rules,
        blank: Rules = "zeros",
        redraw: bool = False,
        propagate: bool = False,
        conditional: bool = False,
        conditional_rows: str = CONDITIONAL_ROWS[0],
        predictions: str | Path | None = None,
        seed: int = 0,
        certain: str = CERTAIN[0],
        file: str | Path | None = None,
    ) -> None:
        self.uncertain = read_rules(uncertain, "labels.uncertain")
        self.blank = read_rules(blank, "labels.blank")
        self.redraw, self.propagate, self.seed = redraw, propagate or conditional, seed
        self.conditional, self.conditional_rows = conditional, conditional_rows
        self.predictions, self.certain, self.file = predictions, certain, file

    @staticmethod
    def validate_args(
        uncertain: Rules,
        blank: Rules = "zeros",
        conditional: bool = False,
        conditional_rows: str = CONDITIONAL_ROWS[0],
        predictions: str | None = None,
        observations: Sequence[str] = (),
        **others: Any,
    ) -> list[UserError]:
        """Return the errors in these arguments, and in them for these observations, before anything is built."""
        given: dict[str, Any] = {"uncertain": uncertain, "blank": blank, "conditional": conditional}
        given |= {"conditional_rows": conditional_rows, "predictions": predictions}
        return list(find_policy_errors(given | others, observations))

    def three_class(self, observations: Sequence[str]) -> list[int]:
        """Return the indices of the U observations for which "uncertain" is a class of its own."""
        return [c for c, name in enumerate(observations) if self.uncertain[name] == THREE_CLASS]

    def parents(self, observations: Sequence[str]) -> list[int] | None:
        """Return the index of each observation's parent (-1 for a root) where probabilities are conditional on it."""
        return find_parents(observations) if self.conditional else None

    def read_learned(self, observations: Sequence[str]) -> dict[str, Any]:
        """Return the learned targets of those of the observations that have a rule ``learned``, as their file has them.

        Raises:
            UserError: the file is missing or damaged, or has no targets of an observation.
        """
        names = [name for name in observations if LEARNED in (self.uncertain[name], self.blank[name])]
        return read_targets_file(self.file, names) if names else {}

    def apply(self, frame: pd.DataFrame, observations: Sequence[str]) -> Targets:
        """Return what a loss learns from the labels of a table.

        Args:
            frame: N rows, as :func:`chexpert.data.read_frame` or ``pandas.read_csv("train.csv")`` reads them: a column
                for each observation, in {1, 0, -1, NaN}. Samples of a range follow from ``key`` or ``Path``, or
                without both from the index.
            observations: names of C columns.

        Returns:
            ``values`` (N, C) float32 in [0, 1] and ``mask`` (N, C) bool, False where there is nothing to learn; with
            U columns more under ``three_class``, see :class:`Targets`.

        Raises:
            UserError: it is no table, a column is missing or there twice, or a label is another value.

        >>> frame = pd.DataFrame({"Edema": [1, 0, -1, None]})
        >>> LabelPolicy("ones", blank="ignore").apply(frame, ["Edema"]).values.ravel().tolist()
        [1.0, 0.0, 1.0, 0.0]
        """
        check_labels(frame, observations)
        labels = (propagate(frame) if self.propagate else frame)[list(observations)].to_numpy("float32")
        keys = find_keys(frame)
        low, high = self._bounds(labels, keys, observations)
        mask = ~np.isnan(low)
        values = np.where(mask, low, 0).astype("float32")
        span = np.where(mask, high - low, 0)
        random_targets = RandomTargets(low, span, Texts(keys), list(observations), self.seed) if span.any() else None
        if random_targets is not None:
            random_targets.fill(values, range(len(frame)))
        third = self.three_class(observations)
        unsure = labels[:, third] == -1
        values = np.hstack([values, unsure.astype("float32")])
        mask = np.hstack([mask, mask[:, third] | unsure])
        if self.conditional and self.conditional_rows == CONDITIONAL_ROWS[0]:
            asked = find_asked(labels, find_parents(observations))
            mask &= np.hstack([asked, asked[:, third]])
        return Targets(values, mask, random_targets if self.redraw else None)

    def _bounds(
        self, labels: np.ndarray, keys: Sequence[str], observations: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Low and high (N, C) of each target; NaN where there is none."""
        low = np.where((labels == 0) | (labels == 1), labels, np.nan).astype(float)
        high = low.copy()
        taught = np.zeros(labels.shape, dtype=bool)
        learned = self.read_learned(observations)
        for c, name in enumerate(observations):
            own = labels[:, c]
            values = get_values(learned, name) if learned and name in learned["observations"] else None
            if values is not None and self.certain == LEARNED:
                for value, label in zip(values[:2], (1, 0), strict=True):  # the label itself where none was learned
                    low[own == label, c] = high[own == label, c] = label if np.isnan(value) else value
            places = enumerate(((self.uncertain, own == -1), (self.blank, np.isnan(own))), 2)
            for place, (rules, where) in places:
                rule = rules[name]
                if rule == SELF_TRAINED:
                    taught[where, c] = True
                elif rule == LEARNED and values is not None:  # NaN, which is masked, where none was learned
                    low[where, c] = high[where, c] = values[place]
                elif not isinstance(rule, str):
                    low[where, c], high[where, c] = rule
        if taught.any():
            low[taught] = high[taught] = read_targets(find_predictions(self.predictions), keys, observations, taught)
        return low, high


def check_labels(frame: pd.DataFrame, observations: Sequence[str]) -> None:
    """Check that a table has labels of these observations.

    Raises:
        UserError: it is no table, a column is missing or there twice, or a label is neither 1, 0, -1 nor blank.
    """
    if not isinstance(frame, pd.DataFrame):
        message, hint = f"no table, but of type {type(frame).__name__}", "give a table: pandas.DataFrame(...)"
        raise UserError(message, code="value", where="the table", hint=hint)
    if missing := [name for name in observations if name not in frame]:
        hint = f"columns named {', '.join(OBSERVATIONS)}"
        raise UserError(
            f"no column {', '.join(map(repr, missing))}", code="missing-column", where="the table", hint=hint
        )
    used = [*observations, *(name for name in KEYS if name in frame)]
    if twice := [name for name in dict.fromkeys(used) if (frame.columns == name).sum() > 1]:
        message = f"several columns are called {', '.join(twice)}"
        raise UserError(message, code="repeated", where="the table", hint="keep one of each name")
    for name in observations:
        known = frame[name].isna() | frame[name].isin([1, 0, -1])
        if not known.all():
            where, hint = f"row {frame.index[~known][0]!r}, column {name}", "1, 0, -1, or NaN where it is blank"
            raise UserError(f"no label: {frame[name][~known].iloc[0]!r}", code="cell", where=where, hint=hint)


def find_keys(frame: pd.DataFrame) -> list[str]:
    """Return a name for each row of a table, from which its samples follow: the same view has the same samples."""
    if "key" in frame:
        return list(frame["key"])
    if "Path" in frame:
        return [find_key(str(path)) or str(path) for path in frame["Path"]]
    return list(map(str, frame.index))


def hard_labels(
    frame: pd.DataFrame, observations: Sequence[str], *, blank_is_negative: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels as they are, for evaluation, masked where a label is uncertain or blank.

    Reports seldom mention what is not there: of train.csv's Atelectasis 1 % is 0 and 69 % blank, so labels read from
    reports are evaluated with ``blank_is_negative``, as the tables of Irvin et al. 2019 count them.

    Args:
        frame: table with a column for each observation, in {1, 0, -1, NaN}.
        observations: names of the C observations.
        blank_is_negative: whether a blank counts as 0 instead of being masked.

    Returns:
        Targets (N, C) float32 in {0, 1}, 0 where masked; and the mask (N, C) bool, False where there is no label.
    """
    labels = frame[list(observations)].to_numpy("float32")
    labels = np.nan_to_num(labels, nan=0) if blank_is_negative else labels
    mask = (labels == 0) | (labels == 1)
    return np.where(mask, labels, 0).astype("float32"), mask


def find_asked(labels: np.ndarray, parents: Sequence[int]) -> np.ndarray:
    """Return where a question arises (N, C): for a root everywhere, else in rows whose parent label is positive."""
    columns = [labels[:, parent] == 1 if parent >= 0 else np.ones(len(labels), bool) for parent in parents]
    return np.stack(columns, axis=1)


def find_scarce(targets: np.ndarray, mask: np.ndarray, observations: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return the observations with almost no negatives or positives to learn from, and how much there is of both.

    Almost none: fewer negatives than 10 % of what can be learned from, since no finding is on nine of ten images, or
    fewer positives than 1 %, where CheXpert's rarest, Pleural Other, has 1.6 %. Masking the blanks of CheXpert leaves
    Atelectasis 1,328 negatives against 33,376 positives: 3.8 %.

    Args:
        targets: (N, C or more) in [0, 1]; a soft target counts in parts on both sides.
        mask: of the same shape, bool: False where there is nothing to learn from.
        observations: names of the first C columns.

    Returns:
        (positives, negatives) by observation, of the scarce ones; one that is masked throughout is scarce too.
    """
    scarce = {}
    for c, name in enumerate(observations):
        learned = targets[mask[:, c], c]
        positives = float(learned.sum(dtype=float))
        negatives = len(learned) - positives
        if negatives < 0.1 * len(learned) or positives < 0.01 * len(learned) or not len(learned):
            scarce[name] = positives, negatives
    return scarce
