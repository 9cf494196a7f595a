from pathlib import Path

import cv2
import numpy as np

from chexpert.data.phantom import Options
from chexpert.data.phantom.sheet import COLUMNS, write_sheet


def test_a_sheet_has_a_tile_for_each_film_and_colours_where_findings_are(tmp_path: Path) -> None:
    write_sheet(tmp_path / "new/sheet.png", Options(valid=8, size=64), count=8, side=100)
    sheet = cv2.imread(str(tmp_path / "new/sheet.png"))
    assert sheet.shape == (2 * (100 + 60), COLUMNS * 100, 3)
    coloured = np.ptp(sheet.astype(int), axis=2) > 60
    assert coloured[:100].any()
    assert not coloured[160:, 200:].any()  # eight films: the rest of the second row stays black
