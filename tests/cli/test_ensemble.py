"""chexpert ensemble, on files of predictions."""

import json

import pytest
from helpers.cli import run_cli
from helpers.errors import find_places
from helpers.evaluated_runs import make_run


def test_ensemble_writes_a_file_that_evaluate_reads(tmp_path):
    files = [make_run(tmp_path / name, seed=seed) / "predictions/valid.csv" for seed, name in enumerate("abc")]
    done = run_cli("ensemble", *files, "--out", tmp_path / "out.csv", "--average", "rank")
    assert done.returncode == 0, done.stderr
    assert all(fact in done.stdout for fact in ("rank", "3 members", "120"))
    labels = tmp_path / "a/labels/valid.csv"
    assert f"--labels {labels}" in done.stdout
    given = ["--predictions", tmp_path / "out.csv", "--labels", labels, "--bootstrap", 50]
    done = run_cli("evaluate", *given, "--out", tmp_path / "out.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text())["n"] == 120


def test_ensemble_writes_the_disagreement_of_each_pair(tmp_path):
    files = [make_run(tmp_path / name, seed=seed) / "predictions/valid.csv" for seed, name in enumerate("abc")]
    options = ["--out", tmp_path / "out.csv", "--disagreement", tmp_path / "d.json", "--threshold", 0.4]
    done = run_cli("ensemble", *files, *options)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "d.json").read_text())
    assert content["threshold"] == 0.4
    assert {len(own["pairs"]) for own in content["observations"].values()} == {3}
    assert "Q" in done.stdout
    for file in files:  # without a run's folder there are no labels
        file.rename(tmp_path / f"{file.parents[1].name}.csv")
    alone = [tmp_path / f"{name}.csv" for name in "abc"]
    done = run_cli("ensemble", *alone, "--out", tmp_path / "new.csv")
    assert (done.returncode, "--labels L.csv" in done.stdout) == (0, True)
    done = run_cli("ensemble", *alone, "--out", tmp_path / "more.csv", "--disagreement", tmp_path / "more.json")
    assert (done.returncode, find_places(done.stderr)) == (2, ["--labels"])
    assert not (tmp_path / "more.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "places", "named"),
    [
        (["none.csv", "--out", "new.csv"], ["none.csv"], ""),
        (["none", "--out", "new.csv"], ["none"], ""),
        (["none", "--out", "there.csv"], ["chexpert ensemble"], "there.csv"),
        (["none", "--members", "a.yaml", "--out", "new.csv"], ["chexpert ensemble"], "--members"),
        (["--out", "new.csv"], ["chexpert ensemble"], "--members"),
        (["none", "--top-k", "0", "--out", "new.csv"], ["chexpert ensemble"], "--top-k"),
        (["none", "--threshold", "1", "--out", "new.csv"], ["chexpert ensemble"], "--threshold"),
        (["none", "--disagreement", "there.csv", "--out", "new.csv"], ["chexpert ensemble"], "there.csv"),
        (["none", "--out", "there.csv/new.csv"], ["chexpert ensemble"], "there.csv"),
    ],
)
def test_wrong_call_is_an_error(tmp_path, monkeypatch, arguments, places, named):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("kept")
    done = run_cli("ensemble", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert find_places(done.stderr) == places
    assert named in done.stderr.partition("error: ")[2]
    assert (tmp_path / "there.csv").read_text() == "kept"
    assert not (tmp_path / "new.csv").exists()
