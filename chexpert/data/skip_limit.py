"""The limit of ``on_missing=skip``: beyond a share of the views of a split, nothing is skipped any more."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from chexpert.errors import Code, UserError

STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Values that a hint names: more files may turn out to be unreadable later than the one that the run stops at."""


@dataclass
class _Split:
    paths: pd.Index
    table: str
    listed: int
    skipped: int


class SkipLimit:
    """Counts the views of each split that are skipped.

    Args:
        share: in [0, 1], of the views of a split, those of ``train`` before any are held out. The number is rounded
            down: with the default 0.01 none of fewer than 100 views may be skipped.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self._splits: dict[str, _Split] = {}

    def start(self, split: str, present: Sequence[str], missing: Sequence[str], table: object) -> None:
        """Count the missing views of a split, and remember those that are there.

        Args:
            split: its name.
            present: CSV paths of the views whose files are there.
            missing: of those whose files are not.
            table: the file that lists them all.

        Raises:
            UserError: too many are missing.
        """
        listed = len(present) + len(missing)
        self._splits[split] = _Split(pd.Index(present), str(table), listed, len(missing))
        if missing:
            self._check(split, len(missing), missing[0], "missing-image")

    def count(self, paths: Iterable[str]) -> None:
        """Count views that turned out to be unreadable; each is given once.

        Raises:
            UserError: with them too many are skipped.
        """
        for path in paths:
            name = next((name for name, split in self._splits.items() if path in split.paths), None)
            if name is None:  # of no split that was read: the limit says nothing of it
                continue
            self._splits[name].skipped += 1
            self._check(name, self._splits[name].skipped, path)

    def check(self, split: str, unreadable: Sequence[str]) -> None:
        """Check these unreadable views beside the missing ones, and count none: they are counted when they are read.

        Raises:
            UserError: too many would be skipped.
        """
        if unreadable:
            self._check(split, self._splits[split].skipped + len(unreadable), unreadable[0])

    def _check(self, name: str, skipped: int, one: str, code: Code = "unreadable-image") -> None:
        listed = self._splits[name].listed
        allowed = int(self.share * listed + 1e-9)  # 0.29 x 100 is 28.999...
        if skipped <= allowed:
            return
        message = (
            f"{skipped:,} of {listed:,} images of {name} are missing or cannot be read, and data.skip_limit="
            f"{self.share:g} lets {allowed:,} be skipped; one of them: {one}"
        )
        higher = next(step for step in STEPS if step * listed + 1e-9 >= skipped)
        hint = f"restore them (chexpert audit ROOT lists them all), or let more be skipped: data.skip_limit={higher:g}"
        raise UserError(message, code=code, where=self._splits[name].table, hint=hint)
