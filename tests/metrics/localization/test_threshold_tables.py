"""Thresholds in the file that chexpert localize wrote."""

import pytest
from helpers.errors import raises

from chexpert.metrics.localization.thresholds import read_threshold


def test_numbers_of_a_localization_table_are_thresholds(tmp_path):
    path = tmp_path / "table.json"
    path.write_text('{"Edema": {"threshold": 0.25}, "Cardiomegaly": {"threshold": "otsu"}, "Fracture": {}}')
    assert read_threshold(str(path)) == {"Edema": 0.25}


@pytest.mark.parametrize(
    ("text", "code"),
    [('{"Edema": {"threshold": "otsu"}}', "missing-column"), ('{"Edema": 3}', "missing-column"), ("{", "damaged-file")],
)
def test_file_without_numbers_is_an_error(tmp_path, text, code):
    path = tmp_path / "table.json"
    path.write_text(text)
    with raises(code, str(path)):
        read_threshold(str(path))
