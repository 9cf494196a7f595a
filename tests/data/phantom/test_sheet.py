from pathlib import Path

import cv2
import numpy as np

from chexpert.data.phantom import Options
from chexpert.data.phantom.casebook import plan_split
from chexpert.data.phantom.findings import PAINTED
from chexpert.data.phantom.sheet import COLUMNS, choose_films, write_sheet


def test_a_sheet_has_a_tile_for_each_film_and_colours_where_findings_are(tmp_path: Path) -> None:
    write_sheet(tmp_path / "new/sheet.png", Options(valid=8, size=64), count=8, side=100)
    sheet = cv2.imread(str(tmp_path / "new/sheet.png"))
    assert sheet.shape == (2 * (100 + 60), COLUMNS * 100, 3)
    coloured = np.ptp(sheet.astype(int), axis=2) > 60
    assert coloured[:100].any()
    assert not coloured[160:, 200:].any()  # eight films: the rest of the second row stays black


def test_a_sheet_shows_every_painted_finding_and_a_lateral() -> None:
    for seed in range(3):
        options = Options(seed=seed)
        films = choose_films(options, 24)
        shown = {name for entry in films if not entry.film.lateral for name in PAINTED if entry.film.severity[name] > 0}
        assert (shown, len(films)) == (set(PAINTED), 24)
        assert any(entry.film.lateral for entry in films)
        assert films == choose_films(options, 24)


def test_a_sheet_fills_up_with_the_first_films_in_their_order() -> None:
    entries = plan_split("valid", Options())
    films = choose_films(Options(), 24)
    assert [entries.index(entry) for entry in films] == sorted(entries.index(entry) for entry in films)
    assert films[:12] == entries[:12]


def test_a_sheet_of_few_valid_films_takes_what_they_lack_from_train() -> None:
    options = Options(patients=400, valid=2)
    films = choose_films(options, 24)
    assert films[:2] == plan_split("valid", options)[:2]
    assert {name for entry in films for name in PAINTED if entry.film.severity[name] > 0} == set(PAINTED)


def test_a_layout_without_train_has_no_train_film_on_its_sheet() -> None:
    films = choose_films(Options(patients=9, valid=2, layout="chexlocalize"), 24)
    assert {entry.split for entry in films} == {"valid"}
