"""Prediction sets in the table of predictions."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.cli import run_cli
from helpers.errors import find_places, raises
from helpers.runs import start

import chexpert
from chexpert.data import write_phantom
from chexpert.evaluation import Calibration, PredictionSets, read_predictions
from chexpert.inference.predict import predict
from chexpert.metrics.conformal import list_ranks
from chexpert.observations import COMPETITION
from chexpert.runs import files as run_files

SPLIT = ["level=study", "data.views=all", "data.dev=0.5", "explainer=[]"]
RATE = 0.4
"""Of which 2 patients a class are enough."""


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", patients=24, valid=12, size=64, workers=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory, phantom):
    folder = tmp_path_factory.mktemp("runs") / "run"
    start(folder, phantom, *SPLIT)
    return folder


@pytest.fixture
def table(run, tmp_path):
    path = tmp_path / "input.csv"
    path.write_text("\n".join(["Path", *(row["Path"] for row in read(run_files.predictions(run, "valid")))]) + "\n")
    return path


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("options", [{}, {"level": "image"}, {"calibrated": True}])
def test_columns_are_the_sets_of_the_raw_scores(run, table, tmp_path, options):
    plain = predict(run, [table], tmp_path / "plain.csv", level=options.get("level", "study"))
    outcome = predict(run, [table], tmp_path / "out.csv", sets=RATE, **options)
    level = options.get("level", "study")
    scores = read_predictions(plain.output).columns
    sets = PredictionSets.read(run / run_files.PREDICTION_SETS)
    expected = sets.apply(np.column_stack([scores[name] for name in COMPETITION]), COMPETITION, level, RATE)
    rows = read(outcome.output)
    assert {name: [row[f"{name} set"] for row in rows] for name in COMPETITION} == expected
    assert list(outcome.missing_sets.items()) == list(sets.list_missing(COMPETITION, level, RATE).items())
    assert list(rows[0]) == [level.replace("image", "path").title(), *COMPETITION, *(f"{n} set" for n in COMPETITION)]


def test_probabilities_stay_as_they_are(run, table, tmp_path):
    predict(run, [table], tmp_path / "plain.csv")
    predict(run, [table], tmp_path / "out.csv", sets=RATE)
    keep = [[row[name] for name in ("Study", *COMPETITION)] for row in read(tmp_path / "out.csv")]
    assert keep == [list(row.values()) for row in read(tmp_path / "plain.csv")]


def test_python_returns_the_columns_of_the_command(run, table, tmp_path):
    predict(run, [table], tmp_path / "out.csv", sets=RATE, observations="all")
    found = chexpert.open_run(run).predict(table, level="study", sets=RATE)
    for row in read(tmp_path / "out.csv"):
        assert found.loc[row["Study"], "Edema set"] == row["Edema set"]
        assert found.loc[row["Study"], "Edema"] == float(row["Edema"])
    array = chexpert.open_run(run).predict(np.zeros((2, 64, 64), "uint8"), sets=RATE)
    assert array.index.tolist() == [0, 1]
    assert "Edema set" in array


@pytest.mark.parametrize("rate", [0, 0.5, -0.1, 1, True, "0.1", float("nan")])
def test_other_error_rates_are_an_error(run, table, tmp_path, rate):
    with raises("value", f"--sets {rate}"):
        predict(run, [table], tmp_path / "out.csv", sets=rate)
    with raises("value", f"sets={rate}"):
        chexpert.open_run(run).predict(table, sets=rate)


def test_scores_that_were_not_fitted_are_errors(run, table, tmp_path):
    with raises("other-calibration", "--study-score mean"):
        predict(run, [table], tmp_path / "out.csv", sets=RATE, views="mean")
    with raises("other-calibration", "--tta 2"):
        predict(run, [table], tmp_path / "out.csv", sets=RATE, tta=2)
    with raises("too-few", run_files.PREDICTION_SETS):
        predict(run, [table], tmp_path / "out.csv", sets=0.001)
    assert not list(tmp_path.glob("out.csv*"))


def test_run_without_sets_and_labels_of_other_observations_are_errors(run, table, tmp_path):
    path = run / run_files.PREDICTION_SETS
    kept = path.read_text()
    try:
        content = json.loads(kept)
        content["levels"]["study"].pop("Edema")
        path.write_text(json.dumps(content))
        with raises("other-observations", run_files.PREDICTION_SETS):
            predict(run, [table], tmp_path / "out.csv", sets=RATE)
        path.unlink()
        with raises("missing-calibration", path):
            predict(run, [table], tmp_path / "out.csv", sets=RATE)
    finally:
        path.write_text(kept)


def test_recalibrated_sets_are_those_beside_the_calibration_else_the_runs_own(run, table, tmp_path):
    own = Calibration.read(run / run_files.CALIBRATION)
    file = tmp_path / "shifted" / run_files.CALIBRATION
    replace(own, of=own.digest).write(file)
    predict(run, [table], tmp_path / "own.csv", calibrated=True, sets=RATE)
    predict(run, [table], tmp_path / "shifted.csv", calibration_file=file, sets=RATE)
    assert read(tmp_path / "shifted.csv") == read(tmp_path / "own.csv")
    everything = {"rows": 5, "scores": [0.0] * len(list_ranks(5))}
    bounds = {"absent": everything, "present": everything}
    levels = {"study": dict.fromkeys(COMPETITION, bounds)}
    PredictionSets("recalibration", own.views, levels, own.digest).write(file.with_name(run_files.PREDICTION_SETS))
    predict(run, [table], tmp_path / "refit.csv", calibration_file=file, sets=RATE)
    assert read(tmp_path / "refit.csv") != read(tmp_path / "own.csv")


def test_recalibration_of_another_run_is_an_error(run, phantom, table, tmp_path):
    own = Calibration.read(run / run_files.CALIBRATION)
    other = replace(own, method="other")
    file = tmp_path / run_files.CALIBRATION
    replace(own, of=other.digest).write(file)
    exported = run_files.checkpoint(run).with_suffix(run_files.SAFETENSORS)
    for weights in (run, run_files.checkpoint(run), run_files.checkpoint(run, run_files.LAST), exported):
        with raises("other-calibration"):
            predict(weights, [table], tmp_path / "out.csv", calibration_file=file)
    replace(own, of=own.digest).write(file)
    assert predict(exported, [table], tmp_path / "exported.csv", root=phantom, calibration_file=file).output.is_file()
    sets = file.with_name(run_files.PREDICTION_SETS)
    replace(PredictionSets.read(run / run_files.PREDICTION_SETS), of=other.digest).write(sets)
    with raises("other-calibration", sets):
        predict(run, [table], tmp_path / "out.csv", calibration_file=file, sets=RATE)
    assert predict(run, [table], tmp_path / "out.csv", calibration_file=file).output.is_file()


def test_missing_file_of_a_calibration_is_named(run, table, tmp_path):
    with raises("missing-file", tmp_path / "none.json"):
        predict(run, [table], tmp_path / "out.csv", calibration_file=tmp_path / "none.json", sets=RATE)


def test_command_prints_observations_without_a_set(run, table, tmp_path):
    done = run_cli("predict", run, table, tmp_path / "out.csv", "--sets", "0.2", "--ids", "path")
    assert done.returncode == 0, done.stderr
    missing = PredictionSets.read(run / run_files.PREDICTION_SETS).list_missing(COMPETITION, "study", 0.2)
    assert [line for line in done.stdout.splitlines() if "no set of" in line] == [
        f"no set of {name}: {why}" for name, why in missing.items()
    ]
    done = run_cli("predict", run, table, tmp_path / "new.csv", "--sets", "0.7")
    assert (done.returncode, find_places(done.stderr)) == (2, ["--sets 0.7"])
