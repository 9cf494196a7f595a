"""chexpert recalibrate: its files, and that nothing is overwritten."""

import pytest
from helpers.cli import run_cli
from helpers.errors import find_places
from helpers.recalibrated_runs import make_run

from chexpert.runs import files as run_files


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run")


def test_files_are_written_once(run):
    words = ["recalibrate", run, "--labels", run_files.labels(run, "valid"), "--bootstrap", "20"]
    done = run_cli(*words)
    assert done.returncode == 0, done.stderr
    assert "Fracture" in done.stdout
    names = {path.name for path in (run / "recalibration").iterdir()}
    assert names == {"calibration.json", "thresholds.json", "prediction_sets.json", "recalibration.json"}
    again = run_cli(*words)
    assert (again.returncode, find_places(again.stderr)) == (2, [str(run / "recalibration")])


@pytest.mark.parametrize("word", ["Edema", "Edema=", "Edema=x"])
def test_prevalence_without_a_number_is_an_error(run, word):
    done = run_cli("recalibrate", run, "--labels", run_files.labels(run, "valid"), "--prevalence", word)
    assert (done.returncode, done.stdout) == (2, "")


def test_prevalence_is_given_in_any_spelling(run, tmp_path):
    words = ["--prevalence", "edema=0.2", "--write", "prior-shift", "--out", tmp_path / "out", "--bootstrap", "20"]
    done = run_cli("recalibrate", run, "--labels", run_files.labels(run, "valid"), *words)
    assert done.returncode == 0, done.stderr
    assert "prior shift: prevalence 0.200" in done.stdout
