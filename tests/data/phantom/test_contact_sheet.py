from pathlib import Path

import cv2
import numpy as np
import pytest

from chexpert.data.phantom import Options
from chexpert.data.phantom.contact_sheet import COLUMNS, select_images, write_sheet
from chexpert.data.phantom.images.findings import PAINTED
from chexpert.data.phantom.tables.cohort import Entry, plan_split


@pytest.fixture(scope="module")
def selected() -> list[Entry]:
    return select_images(Options(), 24)


@pytest.fixture(scope="module")
def valid() -> list[Entry]:
    return plan_split("valid", Options())


def list_findings(entry: Entry) -> set[str]:
    return {name for name in PAINTED if entry.radiograph.severity[name] > 0}


def test_sheet_has_a_tile_per_image_and_colored_findings(tmp_path: Path) -> None:
    write_sheet(tmp_path / "new/sheet.png", Options(valid=8, size=64), count=8, side=100)
    sheet = cv2.imread(str(tmp_path / "new/sheet.png"))
    assert sheet.shape == (2 * (100 + 60), COLUMNS * 100, 3)
    colored = np.ptp(sheet.astype(int), axis=2) > 60
    assert colored[:100].any()
    assert not colored[160:, 200:].any()  # eight radiographs: the rest of the second row stays black


@pytest.mark.parametrize("seed", range(3))
def test_sheet_shows_every_finding_and_a_lateral(selected: list[Entry], seed: int) -> None:
    entries = select_images(Options(seed=seed), 24)
    shown = set().union(*(list_findings(entry) for entry in entries if not entry.radiograph.lateral))
    assert (shown, len(entries)) == (set(PAINTED), 24)
    assert any(entry.radiograph.lateral for entry in entries)
    assert (entries == selected) == (seed == 0)


def test_sheet_is_filled_with_the_first_images_in_order(selected: list[Entry], valid: list[Entry]) -> None:
    places = [valid.index(entry) for entry in selected]
    assert places == sorted(set(places))
    assert set(range(12)) <= set(places)


def test_sheet_shows_each_finding_with_the_fewest_others(selected: list[Entry], valid: list[Entry]) -> None:
    def count_fewest(entries: list[Entry], finding: str) -> int:
        shown = [list_findings(entry) for entry in entries if not entry.radiograph.lateral]
        return min(len(names) for names in shown if finding in names)

    assert [count_fewest(selected, name) for name in PAINTED] == [count_fewest(valid, name) for name in PAINTED]


def test_sheet_takes_missing_findings_from_train() -> None:
    options = Options(patients=400, valid=2)
    entries = select_images(options, 24)
    assert entries[:2] == plan_split("valid", options)[:2]
    assert set().union(*map(list_findings, entries)) == set(PAINTED)


def test_sheet_of_a_layout_without_train_has_no_train_image() -> None:
    entries = select_images(Options(patients=9, valid=2, layout="chexlocalize"), 24)
    assert {entry.split for entry in entries} == {"valid"}
