from pathlib import Path

import cv2
import numpy as np

from chexpert.data.phantom import Options
from chexpert.data.phantom.contact_sheet import COLUMNS, select_images, write_sheet
from chexpert.data.phantom.images.findings import PAINTED
from chexpert.data.phantom.tables.cohort import Entry, plan_split


def show(entry: Entry) -> set[str]:
    return {name for name in PAINTED if entry.radiograph.severity[name] > 0}


def test_a_sheet_has_a_tile_for_each_film_and_colors_where_findings_are(tmp_path: Path) -> None:
    write_sheet(tmp_path / "new/sheet.png", Options(valid=8, size=64), count=8, side=100)
    sheet = cv2.imread(str(tmp_path / "new/sheet.png"))
    assert sheet.shape == (2 * (100 + 60), COLUMNS * 100, 3)
    colored = np.ptp(sheet.astype(int), axis=2) > 60
    assert colored[:100].any()
    assert not colored[160:, 200:].any()  # eight radiographs: the rest of the second row stays black


def test_a_sheet_shows_every_painted_finding_and_a_lateral() -> None:
    for seed in range(3):
        options = Options(seed=seed)
        radiographs = select_images(options, 24)
        shown = set().union(*(show(entry) for entry in radiographs if not entry.radiograph.lateral))
        assert (shown, len(radiographs)) == (set(PAINTED), 24)
        assert any(entry.radiograph.lateral for entry in radiographs)
        assert radiographs == select_images(options, 24)


def test_a_sheet_fills_up_with_the_first_films_in_their_order() -> None:
    entries = plan_split("valid", Options())
    places = [entries.index(entry) for entry in select_images(Options(), 24)]
    assert places == sorted(set(places))
    assert set(range(12)) <= set(places)


def test_a_sheet_shows_a_finding_where_it_is_least_covered_by_others() -> None:
    def fewest(entries: list[Entry], finding: str) -> int:
        shown = [show(entry) for entry in entries if not entry.radiograph.lateral]
        return min(len(names) for names in shown if finding in names)

    chosen, entries = select_images(Options(), 24), plan_split("valid", Options())
    assert [fewest(chosen, name) for name in PAINTED] == [fewest(entries, name) for name in PAINTED]


def test_a_sheet_of_few_valid_films_takes_what_they_lack_from_train() -> None:
    options = Options(patients=400, valid=2)
    radiographs = select_images(options, 24)
    assert radiographs[:2] == plan_split("valid", options)[:2]
    assert set().union(*map(show, radiographs)) == set(PAINTED)


def test_a_layout_without_train_has_no_train_film_on_its_sheet() -> None:
    radiographs = select_images(Options(patients=9, valid=2, layout="chexlocalize"), 24)
    assert {entry.split for entry in radiographs} == {"valid"}
