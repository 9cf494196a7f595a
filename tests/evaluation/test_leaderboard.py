"""The leaderboard in a box, on a made-up folder in the layout of CheXpert's public test labels."""

import numpy as np
import pytest
from helpers.evaluated_runs import make_run
from helpers.leaderboards import COUNT, ENTRIES, READERS, STUDIES, TRUTH, make_scores, write_board, write_scores
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from chexpert.errors import UserError
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


def test_entries_have_the_aurocs_of_scikit_learn(placed):
    found = {model["name"]: model for model in placed["models"]}
    assert (len(found), placed["n"], placed["level"]) == (11, 500, "study")
    for entry, scores in ENTRIES.items():
        assert found[entry]["figure"]["value"] == pytest.approx(value(scores), abs=1e-9)
        for name in COMPETITION:
            expected = roc_auc_score(TRUTH[name], scores[name])
            assert found[entry]["auroc"][name]["value"] == pytest.approx(expected, abs=1e-9)


def test_the_model_is_placed_among_them_and_differences_are_from_it(placed):
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
    """Positives found at so many false alarms, by trying every threshold; between two the line of the curve."""
    thresholds = [np.inf, *np.unique(scores)[::-1]]
    steps = [[((scores >= t) & (truth == c)).sum() for c in (0, 1)] for t in thresholds]
    (false, lower), (beyond, upper) = (
        max(step for step in steps if step[0] <= alarms),
        min((step for step in steps if step[0] > alarms), default=[COUNT + 1, 0]),
    )
    return lower if false == alarms else lower + (upper - lower) * (alarms - false) / (beyond - false)


def test_readers_lie_where_their_counts_say_and_below_the_curve_or_not(placed):
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


def test_a_point_on_an_upright_part_of_the_curve_is_below_its_upper_end(tmp_path):
    """Two in three found at no false alarm; a model that finds all three at none is above."""
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


def test_single_views_and_studies_missing_on_either_side(tmp_path, board):
    """The larger of two views counts; the last hundred studies are missing, and one has no truth."""
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
    text = describe_comparison(content)
    for message in ("rank of ", "readers below the ROC curve of ", "left out of team3: 100 rows", "groundtruth.csv"):
        assert message in text


def test_a_run_evaluated_by_image_is_placed_by_study_on_the_test_split(tmp_path, board):
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


def test_an_observation_without_positives_is_left_out_of_metric_and_rank(tmp_path, board):
    """Of the first studies none has a consolidation."""
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


def test_a_folder_of_another_layout_is_reported(tmp_path):
    with pytest.raises(UserError, match="public test labels"):
        compare([write_scores(tmp_path / "own.csv", OWN)], leaderboard=tmp_path)


def test_readers_are_shown_in_one_table(placed):
    text = describe_comparison(placed)
    (labeled,) = placed["readers"].values()
    point = labeled["points"]["bc6"]["Edema"]
    cell = f"{point['sensitivity']:.2f} / {point['specificity']:.2f}{' below' if point['below'] else ''}"
    row = next(line for line in text.splitlines() if line.startswith("bc6 "))
    assert cell in row
    counts = next(line for line in text.splitlines() if line.startswith("below the ROC curve"))
    assert [int(part) for part in counts.replace(" of 3", "").split()[-5:]] == [
        labeled["below"][n] for n in COMPETITION
    ]
