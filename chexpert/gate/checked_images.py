"""Image files read as a model reads them, with notes on what speaks against a radiograph."""

from dataclasses import dataclass

import numpy as np

from chexpert.data.decoding import measure_color
from chexpert.data.gray import NO_CONTRAST
from chexpert.data.preprocessing import Preprocessing, Source, read_content
from chexpert.gate.pixels import check_color, check_gray, check_size

GRAY_MODES = ("L", "LA", "1", "I", "F")
"""Pillow's words for pixels without colors; I;16 begins with I."""


@dataclass(frozen=True)
class CheckedPreprocessing(Preprocessing):
    """Reads images as :class:`Preprocessing` does, to the same bits, and notes what is wrong with size and pixels."""

    def read_noted(self, path: Source, sha256: str = "") -> tuple[np.ndarray, tuple[str, ...]]:
        """Read an image, fitted, with the notes of reading it and those of the checks that need no fit."""
        image, fitted, notes = self.read_decoded(path, sha256)
        found = [*check_size(image.height, image.width, self.size)]
        if NO_CONTRAST not in notes:
            found += check_gray(image.gray)
        if not image.mode.startswith(GRAY_MODES):
            found += check_color(measure_color(read_content(path)))
        return fitted, (*notes, *found)
