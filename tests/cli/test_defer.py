"""chexpert defer: what it prints and writes, and wrong command lines."""

import csv
from argparse import ArgumentTypeError

import pytest
from helpers.cli import run_cli
from helpers.errors import find_places
from helpers.report_runs import OBSERVATIONS, make_run

from chexpert.cli.defer import parse_threshold
from chexpert.runs import files as run_files


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("made") / "run")


def defer(run, *arguments):
    return run_cli("defer", run, "--observations", *OBSERVATIONS, "--bootstrap", 20, *arguments)


def test_list_and_summary(made, tmp_path):
    done = defer(made, "--count", 3, "--out", tmp_path / "d.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "d.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["Study", "Confidence", "Observation", "Probability"]
    assert len(rows) == 3
    assert [row["Confidence"] for row in rows] == sorted((row["Confidence"] for row in rows), key=float)
    assert done.stdout.count("AURC less random") == 2


def test_file_without_labels_has_a_list_and_no_risk(made, tmp_path):
    file = run_files.predictions(made, "valid")
    done = defer(made, "--predictions", file, "--risk", 0.5, "--out", tmp_path / "d.csv")
    assert done.returncode == 0, done.stderr
    assert "AURC" not in done.stdout
    assert (tmp_path / "d.csv").is_file()


def test_no_better_confidence_is_said(made):
    done = defer(made, "--ensemble", run_files.predictions(made, "valid"))
    assert done.stdout.count("No confidence is shown to be better than the plain one") == 2


def test_threshold_is_a_number_or_any_rule():
    assert [parse_threshold(text) for text in ("0.3", "sensitivity_0.8")] == [0.3, "sensitivity_0.8"]
    with pytest.raises(ArgumentTypeError):
        parse_threshold("sensitivity_2")


@pytest.mark.parametrize("arguments", [
    ["--count", 3], ["--out", "d.csv"], ["--count", 3, "--coverage", 0.5, "--out", "d.csv"], ["--threshold", 1.5],
    ["--labels", "l.csv"], ["--risk", 1.5, "--out", "d.csv"], ["--confidence", "none"], ["--threshold", "none"],
    ["--threshold", "sensitivity_2"], ["--threshold", "nan"],
])  # fmt: skip
def test_wrong_command_line(made, arguments):
    done = defer(made, *arguments)
    assert (done.returncode, find_places(done.stderr)) == (2, ["chexpert defer"])


def test_nothing_is_overwritten(made, tmp_path):
    (tmp_path / "d.csv").write_text("mine")
    done = defer(made, "--count", 3, "--out", tmp_path / "d.csv")
    assert (done.returncode, find_places(done.stderr)) == (2, [str(tmp_path / "d.csv")])
    assert (tmp_path / "d.csv").read_text() == "mine"
