"""Settings of thresholds and cut-offs, and their tables."""

import re

import numpy as np
import pytest
from helpers.errors import raises

from chexpert.metrics.localization.thresholds import (
    THRESHOLDS,
    choose,
    describe_candidates,
    list_thresholds,
    read_candidates,
    read_cutoff,
    read_threshold,
)

TABLE = "threshold,task\n0.4,Airspace Opacity\n0.2,Edema\n"
CUTOFFS = "prob_threshold,mIoU,task\n0.0,0.1,Edema\n0.1,0.3,Edema\n0.2,0.3,Edema\n0.0,0.2,Airspace Opacity\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "tuned.csv"
        path.write_text(text)
        return str(path)

    return write


def test_words_and_numbers_are_read():
    assert read_threshold("otsu") == "otsu"
    assert read_threshold("tuned") == read_cutoff("tuned") == "tuned"
    assert read_threshold("0.25") == read_cutoff("0.25") == 0.25


def test_chexlocalizes_table_of_thresholds_is_read(write):
    assert read_threshold(write(TABLE)) == {"Lung Opacity": 0.4, "Edema": 0.2}


def test_first_of_the_best_cutoffs_is_chosen(write):
    assert read_cutoff(write(CUTOFFS)) == {"Lung Opacity": 0.0, "Edema": 0.1}


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "missing-column", ", line 1"),
        ("threshold,task\n", "empty-table", ""),
        ("task\nEdema\n", "missing-column", ", line 1"),
    ],
)
def test_table_without_columns_or_rows_is_an_error(write, text, code, place):
    path = write(text)
    with raises(code, f"{path}{place}") as error:
        read_threshold(path)
    assert "threshold, task" in error.value.hint


def test_line_with_a_missing_field_is_an_error(write):
    path = write("threshold,task\n0.5\n")
    with raises("field-count", f"{path}, line 2"):
        read_threshold(path)


@pytest.mark.parametrize("text", ["1.5", "-0.1", "nan"])
@pytest.mark.parametrize("read", [read_threshold, read_cutoff])
def test_number_outside_0_and_1_is_an_error(read, text):
    with raises("value") as error:
        read(text)
    assert text in error.value.message


@pytest.mark.parametrize(
    ("read", "text", "choices"),
    [(read_threshold, "ostu", ["ostu", "otsu", "tuned"]), (read_cutoff, "otsu", ["otsu", "tuned"])],
)
def test_unknown_word_is_an_error_with_the_choices(read, text, choices):
    with raises("choice") as error:
        read(text)
    assert re.findall(r"ostu|otsu|tuned", error.value.message) == choices


@pytest.mark.parametrize("number", ["nan", "inf", "1.2", "-0.1", "high", ""])
def test_invalid_value_of_a_table_is_an_error_of_its_row(write, number):
    for read, text in (
        (read_threshold, f"threshold,task\n0.4,Edema\n{number},Atelectasis\n"),
        (read_cutoff, f"prob_threshold,mIoU,task\n0.4,0.1,Edema\n{number},0.2,Edema\n"),
    ):
        path = write(text)
        with raises("cell", f"{path}, line 3"):
            read(path)


def test_cutoff_of_undefined_miou_is_never_chosen(write):
    rows = ["0.1,nan,Edema", "0.2,0.3,Edema", "0.3,nan,Edema", "0.4,nan,Atelectasis"]
    assert read_cutoff(write("\n".join(["prob_threshold,mIoU,task", *rows]))) == {"Edema": 0.2}


def test_observation_missing_from_a_table_is_an_error():
    for read in (list_thresholds({"Edema": 0.2}, {}), lambda name: choose(None, [], name, "otsu", {"Edema": 0.2})):
        with raises("missing-observation") as error:
            read("Atelectasis")
        assert "Atelectasis" in error.value.message


def test_given_settings_are_chosen_unchanged():
    assert choose(None, [0.2], "Edema", {"Edema": 0.2}, 0.1) == (0.2, 0.1, None)
    assert choose(None, ["otsu"], "Edema", "otsu", {"Edema": 0.3}) == ("otsu", 0.3, None)


def test_default_candidates_are_the_seven_of_chexlocalize():
    assert tuple(np.arange(0.2, 0.8, 0.1)) == THRESHOLDS
    assert len(THRESHOLDS) == 7
    assert THRESHOLDS[-1] == 0.8000000000000003
    assert list_thresholds("tuned", {"Edema": [0.5]})("Edema") == [0.5]
    assert list_thresholds("tuned", {"Edema": [0.5]})("Fracture") == THRESHOLDS


def test_candidates_are_numbers_or_exact():
    assert read_candidates(["0.25", "1e-1", "1"]) == [0.25, 0.1, 1]
    assert read_candidates(["exact"]) == "exact"
    for texts in (["0.2", "exact"], ["1.5"], ["nan"], ["0.2,0.3"], []):
        with raises("value", "--thresholds"):
            read_candidates(texts)


def test_description_says_whether_chexlocalize_tries_them():
    assert describe_candidates(THRESHOLDS) == "0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, as in CheXlocalize"
    assert describe_candidates([0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]) == describe_candidates(
        THRESHOLDS
    )  # as one types them
    assert describe_candidates([0.2, 0.25]) == "0.2, 0.25, not as in CheXlocalize"
    assert "not CheXlocalize's" in describe_candidates("exact")
