"""One file of predictions in every evaluation setting, on a made-up test set with laterals."""

import json
import math

import numpy as np
import pytest
from helpers.cli import run_cli
from helpers.leaderboards import ENTRIES, STUDIES, TRUTH, make_scores, write_board, write_scores
from helpers.made_up_test_set import AUROCS, SCORES, frontal_scores, write_labels, write_predictions
from sklearn.metrics import roc_auc_score

from chexpert.evaluation import (
    describe_setting,
    evaluate,
    evaluate_files,
    join_labels,
    read_labels,
    read_predictions,
    take_settings,
)
from chexpert.evaluation.evaluation_settings import find_kinds
from chexpert.evaluation.run import evaluate_run
from chexpert.observations import COMPETITION
from chexpert.report import describe, describe_evaluation, write_report
from chexpert.runs import files as run_files

OPTIONS = {"level": "image", "study_score": "noisy_or", "calibration": None, "mean_over": ["Edema"], "seed": 0}
"""Settings of a run that its evaluation reads."""
OWN = {
    "labels": "test_labels.csv", "level": "image", "n": 7, "auroc_mean": 0.75,
    "auroc": {"Edema": {"value": 0.75, "positives": 4, "negatives": 3}},
}  # fmt: skip
"""Its metrics of a split."""


def evaluate_settings(predictions, labels, **options):
    content = evaluate_files(predictions, labels, mean_over=["Edema"], replicates=50, **options)
    return content["evaluation_settings"]


@pytest.fixture
def files(tmp_path):
    return write_predictions(tmp_path / "p.csv"), write_labels(tmp_path / "l.csv")


@pytest.mark.parametrize("level", ["study", "image"])
@pytest.mark.parametrize("views", ["max", "mean", "noisy_or"])
def test_each_setting_has_its_auroc_whatever_the_main_one_is(files, level, views):
    found = evaluate_settings(*files, level=level, views=views)
    for name, (n, auroc) in AUROCS.items():
        own = found[name]
        assert (own["n"], own["studies"], own["why"]) == (n, 4, None)
        assert own["auroc"]["Edema"]["value"] == own["auroc_mean"]["value"] == pytest.approx(auroc, abs=1e-12)
        assert own["auroc_mean"]["over"] == ["Edema"]
        assert own["auroc"]["Edema"]["ci_low"] < auroc < own["auroc"]["Edema"]["ci_high"]
    assert [found[name]["images"] for name in AUROCS] == ["all", "all", "frontal"]
    assert [found[name]["views"] for name in AUROCS] == ["max", None, None]


def test_undefined_stays_undefined(files, tmp_path):
    found = evaluate_settings(*files)
    for own in found.values():
        fracture = own["auroc"]["Fracture"]
        assert math.isnan(fracture["value"])
        assert (fracture["positives"], fracture["negatives"]) == (0, own["n"])
    done = run_cli("evaluate", "--predictions", files[0], "--labels", files[1], "--out", tmp_path / "o.json")
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "o.json").read_text())["evaluation_settings"]
    assert all(own["auroc"]["Fracture"]["value"] is None for own in written.values())
    assert all(own["auroc_mean"]["over"] == ["Edema"] for own in written.values())


@pytest.mark.parametrize("level", ["study", "image"])
def test_setting_of_the_main_table_has_its_digits(files, level):
    content = evaluate_files(*files, mean_over=["Edema"], level=level, replicates=50)
    own = content["evaluation_settings"]["studies" if level == "study" else "images"]
    assert own["auroc_mean"] == content["auroc_mean"]
    again = evaluate_settings(*files, level="image" if level == "study" else "study")
    name = "studies" if level == "study" else "images"
    assert again[name]["auroc_mean"] == own["auroc_mean"]


def test_without_a_lateral_all_images_are_given_once(tmp_path):
    names = frontal_scores()
    predictions = write_predictions(tmp_path / "p.csv", names)
    for labels in (write_labels(tmp_path / "some.csv", names), write_labels(tmp_path / "all.csv")):
        found = evaluate_settings(predictions, labels)
        assert (found["images"]["auroc_mean"], found["images"]["n"]) == (None, None)
        assert "frontal images" in found["images"]["why"]
        assert (found["frontal"]["n"], found["frontal"]["auroc_mean"]["value"]) == (4, 0.5)
        assert (found["studies"]["n"], found["studies"]["images"]) == (4, "frontal")


def test_lateral_images_alone_are_not_all_images(tmp_path):
    names = {name: score for name, score in SCORES.items() if "lateral" in name}
    found = evaluate_settings(write_predictions(tmp_path / "p.csv", names), write_labels(tmp_path / "l.csv"))
    for name in ("images", "frontal"):
        assert found[name]["why"]
        assert (found[name]["n"], found[name]["auroc_mean"]) == (None, None)
    assert (found["studies"]["n"], found["studies"]["images"]) == (3, "lateral")


def test_file_of_studies_gives_studies_alone(tmp_path):
    board = write_board(tmp_path)
    content = evaluate_files(
        board / "example_models/predictions/standard/team3.csv", board / "groundtruth.csv", replicates=20
    )
    found = content["evaluation_settings"]
    expected = np.mean([roc_auc_score(TRUTH[name], ENTRIES["team3"][name]) for name in COMPETITION])
    assert found["studies"]["auroc_mean"]["value"] == pytest.approx(expected, abs=1e-9)
    assert (found["studies"]["n"], found["studies"]["views"], found["studies"]["images"]) == (500, None, None)
    for name in ("images", "frontal"):
        assert found[name]["auroc_mean"] is None
        assert "studies" in found[name]["why"]


def test_public_test_set_with_laterals_has_500_studies_668_images_and_518_frontal_ones(tmp_path):
    """As CheXpert's test set: the views of a study differ, the labels do not."""
    frontals = [
        f"{study}/view{view}_frontal.jpg" for row, study in enumerate(STUDIES) for view in (1, 2)[: 1 + (row < 18)]
    ]
    names = sorted([*frontals, *(f"{study}/view3_lateral.jpg" for study in STUDIES[100:250])])
    rows = {study: row for row, study in enumerate(STUDIES)}
    places = [rows[name.rpartition("/")[0]] for name in names]
    noise = np.random.default_rng(0).normal(scale=0.2, size=len(names))
    own = make_scores(1.7, 42)
    scores = {name: np.clip(own[name][places] + noise, 0, 1) for name in COMPETITION}
    predictions = write_scores(tmp_path / "p.csv", scores, names, key="Path")
    labels = write_scores(tmp_path / "l.csv", {k: v[places] for k, v in TRUTH.items()}, names, key="Path")
    found = evaluate_files(predictions, labels, replicates=20)["evaluation_settings"]
    assert [found[name]["n"] for name in AUROCS] == [500, 668, 518]
    frontal = np.array(["frontal" in name for name in names])
    highest = {name: np.full(500, -1.0) for name in COMPETITION}
    for name, values in scores.items():
        np.maximum.at(highest[name], places, values)
    expected = {
        "studies": [roc_auc_score(TRUTH[name], highest[name]) for name in COMPETITION],
        "images": [roc_auc_score(TRUTH[name][places], scores[name]) for name in COMPETITION],
        "frontal": [roc_auc_score(TRUTH[name][places][frontal], scores[name][frontal]) for name in COMPETITION],
    }
    assert len({round(float(np.mean(values)), 6) for values in expected.values()}) == 3
    for name, values in expected.items():
        for observation, value in zip(COMPETITION, values, strict=True):
            assert found[name]["auroc"][observation]["value"] == pytest.approx(value, abs=1e-9)
        assert found[name]["auroc_mean"]["value"] == pytest.approx(np.mean(values), abs=1e-9)


def test_labels_of_studies_give_no_images(tmp_path):
    labels = tmp_path / "l.csv"
    lines = [f"CheXpert-v1.0/test/patient{64741 + row}/study1,{int(row < 2)}" for row in range(4)]
    labels.write_text("\n".join(["Study,Edema", *lines]))
    found = evaluate_settings(write_predictions(tmp_path / "p.csv"), labels)
    assert found["studies"]["auroc_mean"]["value"] == pytest.approx(3 / 4)
    assert found["images"]["why"] == found["frontal"]["why"]
    assert found["frontal"]["auroc_mean"] is None


def test_own_images_have_the_column_or_no_kind(tmp_path):
    names = {f"ward/{number}.png": score for number, score in enumerate((0.1, 0.9, 0.4, 0.3))}
    predictions = write_predictions(tmp_path / "p.csv", names, prefix="")
    labels, kinds = tmp_path / "l.csv", ("Lateral", "Frontal", "frontal", "Frontal")
    rows = [f"{name},{kind},{int(row % 2)},0" for row, (name, kind) in enumerate(zip(names, kinds, strict=True))]
    labels.write_text("\n".join(["Path,Frontal/Lateral,Edema,Fracture", *rows]))
    found = evaluate_settings(predictions, labels)
    assert found["studies"]["why"]
    assert (found["images"]["n"], found["images"]["auroc_mean"]["value"]) == (4, 0.75)
    assert (found["frontal"]["n"], found["frontal"]["auroc_mean"]["value"]) == (3, 0.5)
    labels.write_text("\n".join(["Path,Edema,Fracture", *(f"{name},{row % 2},0" for row, name in enumerate(names))]))
    found = evaluate_settings(predictions, labels)
    assert (found["images"]["n"], found["images"]["images"]) == (4, None)
    assert "unknown" in describe_setting("images", found["images"])
    assert "4 images" in found["frontal"]["why"]


def test_studies_whose_views_have_different_labels_are_given_as_images(tmp_path):
    predictions, labels = write_predictions(tmp_path / "p.csv"), write_labels(tmp_path / "l.csv")
    text = labels.read_text().replace(
        "view2_lateral.jpg,Male,60,Lateral,,1.0", "view2_lateral.jpg,Male,60,Lateral,,0.0", 1
    )
    labels.write_text(text)
    found = evaluate_settings(predictions, labels, level="image")
    assert found["studies"]["why"]
    assert "patient64741" not in found["studies"]["why"]
    assert (found["images"]["n"], found["frontal"]["n"]) == (7, 4)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/patient00001/study1/view1_frontal.jpg", "frontal"),
        ("patient00001_study1_view2_lateral.PNG", "lateral"),
        (r"C:\x\patient00001\study1\view3_lateral", "lateral"),
        ("view1_frontal/image.jpg", ""),
        ("review1_frontal.jpg", ""),
    ],
)
def test_kind_of_an_image_comes_from_its_path(name, kind):
    assert find_kinds([name]) == [kind]
    assert find_kinds([name], ["Lateral"]) == [kind or "lateral"]


def test_order_of_the_file_does_not_matter(tmp_path, files):
    shuffled = write_predictions(tmp_path / "s.csv", dict(reversed(SCORES.items())))
    assert repr(evaluate_settings(shuffled, files[1])) == repr(evaluate_settings(*files))


def test_settings_share_the_join_of_the_main_evaluation(files):
    predictions, labels = read_predictions(files[0]), read_labels(files[1])
    main = join_labels(predictions, labels, "image")
    assert take_settings(predictions, labels, main)["images"].labeled is main


def test_settings_have_the_replicates_of_the_main_evaluation(files):
    found = evaluate_files(*files, mean_over=["Edema"], replicates=300)["evaluation_settings"]
    assert {own["replicates"] for own in found.values()} == {300}


def test_text_has_the_settings_side_by_side(files, tmp_path):
    content = evaluate_files(*files, mean_over=["Edema"], replicates=50)
    lines = [line.split("  ") for line in describe_evaluation(content, "made up").splitlines()]
    (header,) = [line for line in lines if line[0] == "AUROC by evaluation setting"]
    assert [cell.strip() for cell in header[1:] if cell] == ["studies (max over views)", "all images", "frontal images"]
    (mean,) = [line for line in lines if line[0] == "mean"]
    assert [cell.split()[0] for cell in mean[1:] if cell] == ["0.750", "0.750", "0.500"]
    plain = evaluate(join_labels(read_predictions(files[0]), read_labels(files[1])), mean_over=["Edema"], replicates=20)
    assert "by evaluation setting" not in describe_evaluation(plain, "made up")


def test_files_of_a_run_name_no_patient_whose_views_have_different_labels(tmp_path):
    run_files.write_json(tmp_path / run_files.METRICS, {"valid": OWN, "epoch_chosen_on": "valid", "skipped": []})
    names = {name.replace("patient64741", "DOE_JANE_1950"): score for name, score in SCORES.items()}
    write_predictions(run_files.predictions(tmp_path, "valid"), names, prefix="")
    path = write_labels(run_files.labels(tmp_path, "valid"), names, prefix="")
    lines = path.read_text().splitlines()
    lines = [line.replace(",0.0,0.0", ",1.0,0.0") if "DOE_JANE_1950/study1/view2" in line else line for line in lines]
    path.write_text("\n".join(lines))
    evaluate_run(tmp_path, OPTIONS)
    evaluation = run_files.evaluation(tmp_path, "valid")
    assert json.loads(evaluation.read_text())["evaluation_settings"]["studies"]["why"]
    for written in (write_report(tmp_path), tmp_path / run_files.METRICS, evaluation):
        assert "DOE" not in written.read_text()


def test_run_has_the_settings_in_its_files_and_its_table(tmp_path):
    splits = dict.fromkeys(("dev", "valid", "test"), OWN)
    run_files.write_json(tmp_path / run_files.METRICS, splits | {"epoch_chosen_on": "dev", "skipped": []})
    for split in splits:
        patients = {"dev": "patient0", "valid": "patient1", "test": "patient64"}[split]
        names = {name.replace("patient64", patients): score for name, score in SCORES.items()}
        write_predictions(run_files.predictions(tmp_path, split), names)
        write_labels(run_files.labels(tmp_path, split))
        path = run_files.labels(tmp_path, split)
        path.write_text(path.read_text().replace("patient64", patients))
    evaluate_run(tmp_path, OPTIONS)
    metrics = json.loads((tmp_path / run_files.METRICS).read_text())
    for split in ("valid", "test"):
        content = json.loads(run_files.evaluation(tmp_path, split).read_text())
        for name, (n, value) in AUROCS.items():
            assert content["evaluation_settings"][name]["auroc_mean"]["value"] == pytest.approx(value)
            short = metrics[split]["evaluation_settings"][name]
            assert (short["n"], short["auroc_mean"]["value"]) == (n, pytest.approx(value))
            assert short["auroc_mean"]["ci_low"] < value < short["auroc_mean"]["ci_high"]
    assert "evaluation_settings" not in metrics["dev"]
    assert metrics["epoch_chosen_on"] == "dev"
    text = describe(tmp_path)
    assert text.count("AUROC by evaluation setting") == 2
    page = write_report(tmp_path).read_text()
    assert page.count("AUROC by evaluation setting") == 2
    assert all(page.count(f"{name}, n = {n}") == 2 for name, n in (("all images", 7), ("frontal images", 4)))
