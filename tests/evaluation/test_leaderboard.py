"""The leaderboard in a box, on a made-up folder in the layout of CheXpert's public test labels."""

import numpy as np
import pytest
from made_runs import LABELS, STUDIES, make_run, make_scores
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from chexpert import rundir
from chexpert.evaluation import compare
from chexpert.observations import COMPETITION
from chexpert.problem import ProblemError
from chexpert.report import describe_comparison

SKILLS = np.linspace(0.2, 2.0, 10)
READINGS = np.random.default_rng(5).random((3, 120, 5)) < np.where(LABELS == 1, 0.7, 0.2)
ROWS = [study.replace("-small/valid", "/test") for study in STUDIES]


def write(path, columns, rows, order):
    """A table of these studies, columns by name, in another order and without a final newline."""
    lines = [",".join(["Study", *columns])]
    lines += [",".join([ROWS[row], *(f"{rows[row][name]:.9g}" for name in columns)]) for row in order]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


@pytest.fixture
def board(tmp_path):
    rng = np.random.default_rng(1)
    tables = {"groundtruth": LABELS}
    tables |= {f"example_models/predictions/standard/team{k}": make_scores(s, k) for k, s in enumerate(SKILLS)}
    tables |= {f"radiologists/benchmark_radiologists/bc{k}": READINGS[k].astype(float) for k in range(3)}
    for name, values in tables.items():
        rows = [dict(zip(COMPETITION, row, strict=True)) | {"Airspace Opacity": 0.0} for row in values]
        columns = list(rng.permutation([*COMPETITION, "Airspace Opacity"]))
        write(tmp_path / "board" / f"{name}.csv", columns, rows, rng.permutation(120))
    return tmp_path / "board"


def value(scores):
    return np.mean([roc_auc_score(LABELS[:, c], scores[:, c]) for c in range(5)])


def test_entries_have_the_aurocs_of_scikit_learn_by_name(tmp_path, board):
    content = compare([make_run(tmp_path / "run", 1.1)], split="valid", leaderboard=board, replicates=20)
    found = {model["name"]: model for model in content["models"]}
    assert len(found) == 11
    for k, skill in enumerate(SKILLS):
        scores = make_scores(skill, k)
        for c, name in enumerate(COMPETITION):
            expected = roc_auc_score(LABELS[:, c], scores[:, c])
            assert found[f"team{k}"]["auroc"][name]["value"] == pytest.approx(expected, abs=1e-6)
        assert found[f"team{k}"]["figure"]["value"] == pytest.approx(value(scores), abs=1e-6)


def test_the_run_is_placed_among_them_and_differences_are_from_it(tmp_path, board):
    run = make_run(tmp_path / "run", 1.1, seed=42)
    content = compare([run], split="valid", leaderboard=board, replicates=200)
    own = value(make_scores(1.1, 42))
    values = [value(make_scores(skill, k)) for k, skill in enumerate(SKILLS)]
    rank = content["ranks"][str(run)]
    assert (rank["value"], rank["of"]) == (rankdata([-own, *[-v for v in values]])[0], 11)
    assert 1 <= rank["ci_low"] <= rank["value"] <= rank["ci_high"] <= 11
    for model in content["models"]:
        if model["reference"]:
            assert model["name"] == str(run)
        else:
            expected = own - values[int(model["name"].removeprefix("team"))]
            assert model["reference_has_more"]["value"] == pytest.approx(expected, abs=1e-6)
            assert model["reference_has_more"]["p_holm"] >= model["reference_has_more"]["p"]


def test_readers_lie_where_their_counts_say_and_below_the_curve_or_not(tmp_path, board):
    run = make_run(tmp_path / "run", 1.1, seed=42)
    judged = compare([run], split="valid", leaderboard=board, replicates=10)["readers"][str(run)]
    scores, below = make_scores(1.1, 42), {}
    for c, name in enumerate(COMPETITION):
        below[name] = 0
        for k in range(3):
            point, truth = judged["points"][f"bc{k}"][name], LABELS[:, c]
            assert point["sensitivity"] == pytest.approx(READINGS[k, truth == 1, c].mean())
            assert point["specificity"] == pytest.approx(1 - READINGS[k, truth == 0, c].mean())
            allowed = (
                scores[truth == 0, c]
                >= np.sort(scores[truth == 0, c])[::-1][round((1 - point["specificity"]) * (truth == 0).sum()) - 1]
            )  # as many false alarms as the reader's
            threshold = scores[truth == 0, c][allowed].min()
            lower = scores[truth == 0, c][~allowed].max(initial=0)
            reached = (scores[truth == 1, c] > lower).mean()  # down to just above the next false alarm
            assert point["below"] == (point["sensitivity"] < reached)
            assert threshold > lower
            below[name] += point["below"]
    assert judged["below"] == below
    assert judged["below_mean"] == pytest.approx(np.mean(list(below.values())))


def test_a_file_of_views_and_missing_studies_on_either_side(tmp_path, board):
    path = tmp_path / "views.csv"
    scores = make_scores(1.1, 42)
    views = [(f"{ROWS[row]}/view{view}_frontal.jpg", scores[row] * view / 2) for row in range(100) for view in (2, 1)]
    views.append(("CheXpert-v1.0/test/patient99999/study1/view1_frontal.jpg", scores[0]))
    rundir.write_predictions(path, COMPETITION, ((name, row.tolist()) for name, row in views))
    content = compare([path], leaderboard=board, replicates=10)
    assert content["n"] == 100
    expected = np.mean([roc_auc_score(LABELS[:100, c], scores[:100, c]) for c in range(5)])
    own = next(model for model in content["models"] if model["reference"])
    assert own["figure"]["value"] == pytest.approx(expected, abs=1e-6)
    assert (own["left_out"], content["labels_left_out"]) == (1, 20)
    text = describe_comparison(content)
    assert "rank of " in text
    assert "readers below the ROC curve of " in text


def test_a_folder_of_another_layout_is_told(tmp_path):
    with pytest.raises(ProblemError, match="public test labels"):
        compare([make_run(tmp_path / "run")], split="valid", leaderboard=tmp_path)
