"""scripts/ensemble.py as a user calls it."""

import json

import pytest
from helpers.evaluated_runs import make_run
from helpers.scripts import run_script


def test_an_ensemble_of_predictions_is_a_file_that_evaluate_reads(tmp_path):
    files = [make_run(tmp_path / name, seed=seed) / "predictions/valid.csv" for seed, name in enumerate("abc")]
    done = run_script("ensemble", *files, "--out", tmp_path / "out.csv", "--average", "rank")
    assert done.returncode == 0, done.stderr
    assert "rank of 3 members, 120 single views" in done.stdout
    labels = tmp_path / "a/labels/valid.csv"
    assert f"--labels {labels}" in done.stdout
    given = ["--predictions", tmp_path / "out.csv", "--labels", labels, "--bootstrap", 50]
    done = run_script("evaluate", *given, "--out", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text())["n"] == 120


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv", "--out", "{}/new.csv"], "the table cannot be read"),
        (["none", "--out", "{}/new.csv"], "no checkpoint"),
        (["none", "--out", "{}/there.csv"], "nothing is overwritten"),
        (["none", "--members", "a.yaml", "--out", "{}/new.csv"], "either members"),
        (["--out", "{}/new.csv"], "either members"),
        (["none", "--top-k", "0", "--out", "{}/new.csv"], "at least 1"),
        (["none", "--out", "{}/there.csv/new.csv"], "no folder"),
    ],
)
def test_a_wrong_call_ends_with_one_message(tmp_path, arguments, message):
    (tmp_path / "there.csv").write_text("kept")
    done = run_script("ensemble", *(argument.format(tmp_path) for argument in arguments))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "there.csv").read_text() == "kept"
    assert not (tmp_path / "new.csv").exists()
