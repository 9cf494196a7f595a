"""The leaderboard on a made-up folder in the layout of CheXpert's public test labels."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import raises
from helpers.evaluated_runs import make_run
from helpers.golden import check_golden
from helpers.leaderboards import COUNT, ENTRIES, READERS, STUDIES, TRUTH, make_scores, write_board, write_scores
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from chexpert.evaluation import compare
from chexpert.observations import COMPETITION
from chexpert.report import describe_comparison
from chexpert.runs import files as run_files

OWN = make_scores(1.7, 42)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    return write_board(tmp_path_factory.mktemp("board"))


@pytest.fixture(scope="module")
def placed(tmp_path_factory, board):
    path = write_scores(tmp_path_factory.mktemp("own") / "own.csv", OWN)
    return compare([path], leaderboard=board, replicates=200)


def value(scores, rows=slice(None)):
    return float(np.mean([roc_auc_score(TRUTH[name][rows], scores[name][rows]) for name in COMPETITION]))


def test_aurocs_of_entries_match_sklearn(placed):
    found = {model["name"]: model for model in placed["models"]}
    assert (len(found), placed["n"], placed["level"]) == (11, 500, "study")
    for entry, scores in ENTRIES.items():
        assert found[entry]["figure"]["value"] == pytest.approx(value(scores), abs=1e-9)
        for name in COMPETITION:
            expected = roc_auc_score(TRUTH[name], scores[name])
            assert found[entry]["auroc"][name]["value"] == pytest.approx(expected, abs=1e-9)


def test_model_is_ranked_and_is_the_reference(placed):
    ((name, rank),) = placed["ranks"].items()
    own, values = value(OWN), {entry: value(scores) for entry, scores in ENTRIES.items()}
    assert (rank["value"], rank["of"]) == (rankdata([-own, *(-other for other in values.values())])[0], 11)
    assert 1 <= rank["ci_low"] <= rank["value"] <= rank["ci_high"] <= 11
    assert [model["name"] for model in placed["models"] if model["reference"]] == [name]
    for model in placed["models"]:
        if not model["reference"]:
            more = model["reference_has_more"]
            assert more["value"] == pytest.approx(own - values[model["name"]], abs=1e-9)
            assert more["ci_low"] < more["value"] < more["ci_high"]
            assert more["p_holm"] >= more["p"]


def reach(scores, truth, alarms):
    """Count the positives at a number of false alarms: at every threshold, linear between two."""
    thresholds = [np.inf, *np.unique(scores)[::-1]]
    steps = [[((scores >= t) & (truth == c)).sum() for c in (0, 1)] for t in thresholds]
    (false, lower), (beyond, upper) = (
        max(step for step in steps if step[0] <= alarms),
        min((step for step in steps if step[0] > alarms), default=[COUNT + 1, 0]),
    )
    return lower if false == alarms else lower + (upper - lower) * (alarms - false) / (beyond - false)


def test_readers_match_their_counts_and_a_slow_curve(placed):
    (labeled,) = placed["readers"].values()
    below = dict.fromkeys(COMPETITION, 0)
    for name in COMPETITION:
        for reader, readings in READERS.items():
            point, truth, answers = labeled["points"][reader][name], TRUTH[name], readings[name]
            assert point["sensitivity"] == pytest.approx(answers[truth == 1].mean())
            assert point["specificity"] == pytest.approx(1 - answers[truth == 0].mean())
            assert point["below"] == (answers[truth == 1].sum() < reach(OWN[name], truth, answers[truth == 0].sum()))
            below[name] += point["below"]
    assert labeled["below"] == below
    assert labeled["below_mean"] == pytest.approx(np.mean(list(below.values())))


def test_reader_on_a_vertical_part_is_below_its_upper_end(tmp_path):
    """The model finds all three positives without a false alarm; so does one reader, the other finds two."""
    rows = [f"p{row}/s" for row in range(6)]
    truth, perfect = {"Edema": [1.0, 1, 1, 0, 0, 0]}, {"Edema": [0.9, 0.8, 0.7, 0.3, 0.2, 0.1]}
    write_scores(tmp_path / "board/groundtruth.csv", truth, rows)
    write_scores(tmp_path / "board/example_models/predictions/standard/a.csv", perfect, rows)
    readings = {"low": [1.0, 1, 0, 0, 0, 0], "same": [1.0, 1, 1, 0, 0, 0]}
    for reader, answers in readings.items():
        write_scores(tmp_path / f"board/radiologists/benchmark_radiologists/{reader}.csv", {"Edema": answers}, rows)
    path = write_scores(tmp_path / "own.csv", perfect, rows)
    labeled = compare([path], leaderboard=tmp_path / "board", replicates=5)["readers"][str(path)]
    assert {reader: own["Edema"]["below"] for reader, own in labeled["points"].items()} == {"low": True, "same": False}


def test_views_are_reduced_and_missing_studies_left_out(tmp_path, board):
    """The larger score of two views is taken; the last 100 studies are missing, and one has no label."""
    names = [f"{study}/view{view}_frontal.jpg" for study in STUDIES[:400] for view in (1, 2)]
    names.append("CheXpert-v1.0/test/patient99999/study1/view1_frontal.jpg")
    columns = {name: [*(OWN[name][row] / part for row in range(400) for part in (2, 1)), 0.5] for name in COMPETITION}
    path = write_scores(tmp_path / "views.csv", columns, names, key="Path")
    content = compare([path], leaderboard=board, replicates=10)
    assert content["n"] == 400
    found = {model["name"]: model for model in content["models"]}
    assert found[str(path)]["figure"]["value"] == pytest.approx(value(OWN, slice(400)), abs=1e-9)
    assert found["team3"]["figure"]["value"] == pytest.approx(value(ENTRIES["team3"], slice(400)), abs=1e-9)
    assert (found[str(path)]["left_out"], found["team3"]["left_out"], content["labels_left_out"]) == (1, 100, 100)
    assert [Path(labels).name for labels in content["labels_of"]] == ["groundtruth.csv"]
    assert "team3: 100 " in describe_comparison(content)


def test_run_at_level_image_is_ranked_by_study_on_test(tmp_path, board):
    run = make_run(tmp_path / "run")
    names = [f"{study}/view1_frontal.jpg" for study in STUDIES]
    write_scores(run_files.predictions(run, "test"), OWN, names, key="Path")
    write_scores(run_files.labels(run, "test"), {name: 1 - TRUTH[name] for name in COMPETITION}, names, key="Path")
    run_files.write_json(
        run / run_files.METRICS, {"test": {"level": "image", "labels": "other.csv"}, "epoch_chosen_on": "dev"}
    )
    content = compare([run], leaderboard=board, replicates=10)
    own = next(model for model in content["models"] if model["reference"])
    assert own["figure"]["value"] == pytest.approx(value(OWN), abs=1e-9)
    assert (content["split"], content["level"], content["n"]) == ("test", "study", COUNT)


def test_observation_without_positives_is_not_in_the_rank(tmp_path, board):
    """None of these studies has a consolidation."""
    rows = [row for row in range(COUNT) if not TRUTH["Consolidation"][row]][:200]
    path = write_scores(tmp_path / "own.csv", OWN, rows=rows)
    content = compare([path], leaderboard=board, replicates=50)
    over = [name for name in COMPETITION if name != "Consolidation"]
    assert content["models"][0]["over"] == over

    def mean(scores):
        return np.mean([roc_auc_score(TRUTH[name][rows], scores[name][rows]) for name in over])

    better = sum(mean(scores) > mean(OWN) for scores in ENTRIES.values())
    assert content["ranks"][str(path)]["value"] == 1 + better
    assert content["readers"][str(path)]["points"]["bc4"]["Consolidation"]["below"] is None


def test_folder_without_entries_is_an_error(tmp_path):
    with raises("missing-file", tmp_path):
        compare([write_scores(tmp_path / "own.csv", OWN)], leaderboard=tmp_path)


def test_text_has_ranks_and_a_table_of_readers(placed, board):
    (own,) = placed["ranks"]
    content = json.loads(json.dumps(placed).replace(own, "own.csv").replace(str(board), "board"))
    check_golden(describe_comparison(content), Path(__file__).parent / "golden/leaderboard.txt")
