"""chexpert evaluate, on files of predictions and labels."""

import json
import subprocess
import sys

import numpy as np
import pytest
from helpers.cli import run_cli
from helpers.errors import find_places
from sklearn.metrics import roc_auc_score

STUDIES = [f"CheXpert-v1.0/test/patient{64741 + row}/study1" for row in range(60)]
NAMES = ["Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"]


def evaluate(*arguments):
    return run_cli("evaluate", *arguments)


def write(path, names, columns, values, key="Study"):
    lines = [",".join([key, *columns])]
    lines += [",".join([name, *(f"{value:.9g}" for value in row)]) for name, row in zip(names, values, strict=True)]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    labels = (rng.random((60, 5)) < 0.3).astype("float64")
    scores = (rng.random((60, 5)) + labels).round(2) / 2
    truth = write(tmp_path / "groundtruth.csv", STUDIES, NAMES, labels)
    return tmp_path, truth, scores, labels


def test_order_of_rows_and_columns_does_not_matter(files):
    folder, truth, scores, labels = files
    plain = write(folder / "plain.csv", STUDIES, NAMES, scores)
    order = np.random.default_rng(1).permutation(60)
    shuffled = write(folder / "shuffled.csv", [STUDIES[row] for row in order], NAMES[::-1], scores[order][:, ::-1])
    found = []
    for path in (plain, shuffled):
        done = evaluate("--predictions", path, "--labels", truth, "--out", path.with_suffix(".json"), "--bootstrap", 50)
        assert done.returncode == 0, done.stderr
        assert "n = 60" in done.stdout
        found.append(json.loads(path.with_suffix(".json").read_text()))
    for c, name in enumerate(NAMES):
        expected = roc_auc_score(labels[:, c], scores[:, c])
        assert found[0]["auroc"][name]["value"] == found[1]["auroc"][name]["value"] == pytest.approx(expected, abs=1e-9)
    assert found[0]["auroc_mean"]["over"] == NAMES


def test_images_are_joined_and_missing_studies_are_listed(files):
    folder, truth, scores, labels = files
    views = [f"{study}/view{view}_frontal.jpg" for study in STUDIES[:50] for view in (1, 2)] + [
        "x/patient1/study9/v.jpg"
    ]
    rows = np.vstack([np.repeat(scores[:50], 2, axis=0) * np.tile([[1.0], [0.5]], (50, 1)), scores[:1]])
    path, out = write(folder / "images.csv", views, NAMES, rows, key="Path"), folder / "out.json"
    done = evaluate("--predictions", path, "--labels", truth, "--out", out, "--bootstrap", 50)
    assert done.returncode == 0, done.stderr
    assert "x/patient1/study9" in done.stdout
    content = json.loads(out.read_text())
    assert (content["n"], len(content["left_out"]["labels"])) == (50, 10)
    assert content["left_out"]["predictions"] == ["x/patient1/study9"]
    expected = roc_auc_score(labels[:50, 3], scores[:50, 3])
    assert content["auroc"]["Edema"]["value"] == pytest.approx(expected, abs=1e-9)


def test_thresholds_are_chosen_on_other_studies(files):
    folder, truth, scores, labels = files
    plain = write(folder / "plain.csv", STUDIES, NAMES, scores)
    others = [study.replace("test", "valid").replace("patient", "patient1") for study in STUDIES]
    tuning = write(folder / "tp.csv", others, NAMES, scores), write(folder / "tl.csv", others, NAMES, labels)
    arguments = ["--predictions", plain, "--labels", truth, "--out", folder / "o.json", "--bootstrap", 20]
    done = evaluate(*arguments, "--tune-predictions", tuning[0], "--tune-labels", tuning[1])
    assert done.returncode == 0, done.stderr
    assert str(tuning[0]) in done.stdout
    done = evaluate(*arguments, "--tune-predictions", plain, "--tune-labels", truth)
    assert (done.returncode, find_places(done.stderr)) == (2, ["patient64741/study1"])
    assert "60" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "places", "named"),
    [
        (["--bootstrap", "1"], ["chexpert evaluate"], "--bootstrap"),
        (["--tune-labels", "x"], ["chexpert evaluate"], "--tune-predictions"),
        (["--mean-over", "Fracture"], ["--mean-over"], "Fracture"),
        (["--group-by", "sex"], ["--group-by"], "sex"),
        (["--level", "image"], ["plain.csv"], "--level study"),
    ],
)
def test_wrong_call_is_an_error(files, monkeypatch, arguments, places, named):
    folder, truth, scores, _ = files
    plain, out = write(folder / "plain.csv", STUDIES, NAMES, scores), folder / "out.json"
    monkeypatch.chdir(folder)
    done = evaluate("--predictions", plain.name, "--labels", truth, "--out", out, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert find_places(done.stderr) == places
    assert named in done.stderr.partition("error: ")[2]
    assert not out.exists()


def test_input_is_not_overwritten(files):
    folder, truth, scores, _ = files
    plain = write(folder / "plain.csv", STUDIES, NAMES, scores)
    before = plain.read_text()
    done = evaluate("--predictions", plain, "--labels", truth, "--out", folder / "x/../plain.csv")
    assert done.returncode == 2
    assert str(plain) in done.stderr.partition("error: ")[2]
    assert plain.read_text() == before


def test_closed_standard_output_loses_no_file(files):
    folder, truth, scores, _ = files
    predictions, out = write(folder / "p.csv", STUDIES, NAMES, scores), folder / "out.json"
    asked = ["--predictions", predictions, "--labels", truth, "--out", out, "--bootstrap", 50]
    command = [sys.executable, "-m", "chexpert", "evaluate", *map(str, asked)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as done:
        done.stdout.close()
        assert done.stderr.read().decode() == f"written: {out}\n"
    assert done.returncode == 0
    assert json.loads(out.read_text())["n"] == 60
