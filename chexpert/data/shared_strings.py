"""Many strings that processes share without copying them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np


class Texts(Sequence[str]):
    """N strings as one array. Of a list, forked workers would copy every page, by counting references to its items."""

    def __init__(self, texts: Sequence[str | Path]) -> None:
        self._encoded = np.array([os.fsencode(text) for text in texts], dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self._encoded)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [os.fsdecode(text) for text in self._encoded[row]]
        return os.fsdecode(self._encoded[row])

    def take(self, rows: Sequence[int]) -> list[str]:
        """Return the strings of these rows."""
        return [os.fsdecode(text) for text in self._encoded[list(rows)].tolist()]
