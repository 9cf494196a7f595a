"""Settings of thresholds and cut-offs, and their tables."""

import pytest

from chexpert.errors import UserError
from chexpert.metrics.localization.thresholds import choose, list_thresholds, read_cutoff, read_threshold

THRESHOLDS = "threshold,task\n0.4,Airspace Opacity\n0.2,Edema\n"
CUTOFFS = "prob_threshold,mIoU,task\n0.0,0.1,Edema\n0.1,0.3,Edema\n0.2,0.3,Edema\n0.0,0.2,Airspace Opacity\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "tuned.csv"
        path.write_text(text)
        return str(path)

    return write


def test_words_and_numbers_are_settings():
    assert read_threshold("otsu") == "otsu"
    assert read_threshold("tuned") == read_cutoff("tuned") == "tuned"
    assert read_threshold("0.25") == read_cutoff("0.25") == 0.25


def test_a_table_of_thresholds_is_read_as_chexlocalize_writes_it(write):
    assert read_threshold(write(THRESHOLDS)) == {"Lung Opacity": 0.4, "Edema": 0.2}


def test_of_a_table_of_cutoffs_the_first_of_the_best_is_taken(write):
    assert read_cutoff(write(CUTOFFS)) == {"Lung Opacity": 0.0, "Edema": 0.1}


@pytest.mark.parametrize("text", ["", "task\nEdema\n", "threshold,task\nhigh,Edema\n", "threshold,task\n0.5\n"])
def test_a_table_of_another_form_is_reported(write, text):
    path = write(text)
    with pytest.raises(UserError, match=r"columns threshold, task|fields instead of") as error:
        read_threshold(path)
    assert path in str(error.value)


@pytest.mark.parametrize("read", [read_threshold, read_cutoff])
def test_what_is_no_setting_is_reported(read):
    for text, message in (
        ("1.5", "not possible"),
        ("-0.1", "not possible"),
        ("nan", "not possible"),
        ("absent", "absent"),
    ):
        with pytest.raises(UserError, match=message):
            read(text)
    with pytest.raises(UserError):
        read_cutoff("otsu")


def test_a_misspelled_word_is_reported_with_the_choices():
    with pytest.raises(UserError, match=r"ostu is not otsu, tuned, a number in \[0, 1\], or a file: no such file"):
        read_threshold("ostu")
    with pytest.raises(UserError, match=r"otsu is not tuned, a number in \[0, 1\], or a file: no such file"):
        read_cutoff("otsu")


@pytest.mark.parametrize("number", ["nan", "inf", "1.2", "-0.1", "high", ""])
def test_a_value_of_a_table_that_is_not_possible_is_reported_with_its_row(write, number):
    for read, text in (
        (read_threshold, f"threshold,task\n0.4,Edema\n{number},Atelectasis\n"),
        (read_cutoff, f"prob_threshold,mIoU,task\n0.4,0.1,Edema\n{number},0.2,Edema\n"),
    ):
        with pytest.raises(UserError, match="row 3: "):
            read(write(text))


def test_an_undefined_miou_never_wins(write):
    rows = ["0.1,nan,Edema", "0.2,0.3,Edema", "0.3,nan,Edema", "0.4,nan,Atelectasis"]
    assert read_cutoff(write("\n".join(["prob_threshold,mIoU,task", *rows]))) == {"Edema": 0.2}


def test_an_observation_that_a_table_lacks_is_reported():
    with pytest.raises(UserError, match="no Atelectasis"):
        list_thresholds({"Edema": 0.2})("Atelectasis")
    with pytest.raises(UserError, match="no Atelectasis"):
        choose(None, "Atelectasis", "otsu", {"Edema": 0.2})


def test_what_is_given_is_chosen_without_looking():
    assert choose(None, "Edema", {"Edema": 0.2}, 0.1) == (0.2, 0.1, None)
    assert choose(None, "Edema", "otsu", {"Edema": 0.3}) == ("otsu", 0.3, None)
