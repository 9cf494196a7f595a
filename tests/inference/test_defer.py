"""Deferral of the studies of a run and of a file of predictions, by each confidence."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from helpers.cli import run_cli
from helpers.errors import find_places, raises
from helpers.report_runs import OBSERVATIONS, edit_json, make_run
from helpers.runs import start

from chexpert.data import write_phantom
from chexpert.evaluation import read_predictions
from chexpert.inference.defer import Amount, defer
from chexpert.inference.predict import predict
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import SALT, hash_name

OWN = {"observations": OBSERVATIONS, "replicates": 50}
TINY_MEMBERS = [
    "model=combined", "backbone@model.members.densenet=resnet10t", "backbone@model.members.efficientnet=resnet10t",
    "~backbone.options", "data.augmentation.flip=0.5", "level=study", "data.views=all", "data.dev=0.3", "explainer=[]",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs of the same images and labels, without a model; the second has other scores."""
    folders = [make_run(tmp_path_factory.mktemp("made") / "run") for _ in range(2)]
    for split in ("dev", "valid"):
        path = run_files.predictions(folders[1], split)
        rows = read_predictions(path)
        scores = np.column_stack([np.roll(own, 3) for own in rows.columns.values()])
        run_files.write_predictions(path, OBSERVATIONS, zip(rows.names, scores.tolist(), strict=True))
    return folders


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_phantom(tmp_path_factory.mktemp("data") / "phantom", patients=20, valid=12, size=96, workers=1)


@pytest.fixture(scope="module")
def combined(tmp_path_factory, phantom):
    folder = tmp_path_factory.mktemp("runs") / "combined"
    start(folder, phantom, *[word for word in TINY_MEMBERS if not word.startswith("~")])
    return folder


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_run_has_the_curve_of_the_plain_confidence(made):
    own = json.loads(run_files.evaluation(made[0], "valid").read_text())["selective"]
    assert list(own["confidences"]) == ["plain"]
    assert (own["development"], own["calibration"]["fitted_on"], own["level"]) == ("dev", "dev", "image")
    assert "selective" not in json.loads(run_files.evaluation(made[0], "dev").read_text())
    done = defer(made[0], level="image", observations=OBSERVATIONS, seed=3)
    assert done.content["confidences"]["plain"]["Edema"]["brier"]["aurc"] == pytest.approx(
        own["confidences"]["plain"]["Edema"]["brier"]["aurc"]
    )


def test_risk_is_chosen_on_dev_and_evaluated_on_valid(made):
    done = defer(made[0], amount=Amount(risk=0.02, loss="brier"), **OWN)
    dev = defer(made[0], split="dev", **OWN)
    kept = [row.confidence for row in dev.rows if row.confidence >= done.cutoff.confidence]
    assert done.cutoff.coverage == pytest.approx(len(kept) / len(dev.rows))
    assert done.cutoff.risk <= 0.02
    assert all(row.confidence < done.cutoff.confidence for row in done.deferred)
    assert len(done.deferred) == sum(row.confidence < done.cutoff.confidence for row in done.rows)
    assert done.content["kept"]["n"] == len(done.rows) - len(done.deferred)


def test_nothing_is_evaluated_on_the_rows_that_it_was_chosen_on(made):
    with raises("shared-patients"):
        defer(made[0], split="dev", amount=Amount(risk=0.5), **OWN)
    with raises("shared-patients"):
        defer(made[0], predictions=run_files.predictions(made[0], "dev"), amount=Amount(risk=0.5), **OWN)
    with raises("shared-patients"):
        defer(made[0], split="dev", threshold="youden", **OWN)


def test_other_studies_of_the_same_patients_are_refused(made, tmp_path):
    dev = run_files.predictions(made[0], "dev")
    (tmp_path / "p.csv").write_text(dev.read_text().replace("/study1/", "/study2/"))
    patient = min(name.split("/")[1] for name in read_predictions(dev).names)
    with raises("shared-patients", patient):
        defer(made[0], predictions=tmp_path / "p.csv", amount=Amount(risk=0.5), **OWN)
    assert defer(made[0], predictions=tmp_path / "p.csv", amount=Amount(count=3), **OWN).count == 3


@pytest.mark.parametrize("labeled", [False, True])
def test_hashed_studies_of_the_development_split_are_refused(made, tmp_path, labeled):
    """By the run's own salt, with or without labels; where no file has a label of them, too."""
    run = shutil.copytree(made[0], tmp_path / "run")
    for folder in ("predictions", "labels"):
        for file in (run / folder).glob("*.csv"):
            file.write_text(re.sub(r"\w+/patient(\d{5})/study1/view1_frontal.jpg", r"ward/DOE\1.dcm", file.read_text()))
    dev, valid = (run_files.predictions(run, split) for split in ("dev", "valid"))
    (run / SALT).write_text("secret")

    def write(names):
        header, *lines = valid.read_text().splitlines()
        rows = [
            f"{hash_name(name, 'secret')},{line.partition(',')[2]}" for name, line in zip(names, lines, strict=True)
        ]
        (tmp_path / "p.csv").write_text("\n".join([header, *rows]) + "\n")
        return {"predictions": tmp_path / "p.csv"} | ({"labels": run_files.labels(run, "valid")} if labeled else {})

    names = read_predictions(valid).names
    assert defer(run, **write([f"DOE{name[8:]}" for name in names]), amount=Amount(risk=0.5), **OWN).cutoff
    names[-1] = read_predictions(dev).names[0]
    with raises("shared-patients", names[-1]):
        defer(run, **write([f"DOE{name[8:]}" for name in names]), amount=Amount(risk=0.5), **OWN)


@pytest.mark.parametrize("rule", ["sensitivity_0.8", "specificity_0.75"])
def test_threshold_by_any_rule(made, rule):
    done = defer(made[0], threshold=rule, **OWN)
    assert done.content["threshold_rule"] == rule


def test_ensemble_of_runs_or_of_files_is_the_same(made):
    file = run_files.predictions(made[1], "valid")
    runs, files = (defer(made[0], ensemble=[own], amount=Amount(count=5), **OWN) for own in (made[1], file))
    assert list(runs.content["confidences"]) == ["plain", "ensemble"]
    assert runs.content == files.content
    assert runs.kind == "plain"
    first = defer(made[0], ensemble=[file], confidences=["ensemble"], amount=Amount(count=5), **OWN)
    assert first.kind == "ensemble"
    assert [row.name for row in first.deferred] != [row.name for row in runs.deferred]
    by_hand = np.mean([
        np.std([read_predictions(run_files.predictions(run, "valid")).columns[name] for run in made], axis=0)
        for name in OBSERVATIONS
    ], axis=0)  # fmt: skip
    assert -first.rows[0].confidence == pytest.approx(by_hand.max())


def test_file_without_labels_is_a_list_alone(made):
    file = run_files.predictions(made[0], "valid")
    own = defer(made[0], predictions=file, amount=Amount(count=4), **OWN)
    assert own.content is None
    assert own.deferred == defer(made[0], amount=Amount(count=4), **OWN).deferred
    raw = defer(made[0], predictions=file, calibrated=True, amount=Amount(count=4), **OWN)
    assert raw.setting["calibration"] is None


def test_order_of_a_file_changes_nothing(made, tmp_path):
    header, *lines = run_files.predictions(made[0], "valid").read_text().splitlines()
    (tmp_path / "p.csv").write_text("\n".join([header, *reversed(lines)]) + "\n")
    options = {"labels": run_files.labels(made[0], "valid"), "amount": Amount(count=7)} | OWN
    one = defer(made[0], predictions=tmp_path / "p.csv", **options)
    other = defer(made[0], amount=Amount(count=7), **OWN)
    assert one.deferred == other.deferred
    assert one.content["confidences"]["plain"]["mean"]["brier"]["aurc"] == pytest.approx(
        other.content["confidences"]["plain"]["mean"]["brier"]["aurc"]
    )


@pytest.mark.parametrize(
    ("options", "code", "where"),
    [
        ({"split": "test"}, "missing-split", None),
        ({"confidences": ["ensemble"]}, "too-few", "--confidence ensemble"),
        ({"amount": Amount(count=61)}, "value", "--count 61"),
        ({"amount": Amount(risk=0.0, loss="brier")}, "value", "--risk 0"),
        ({"observations": ["Fracture"]}, "unknown-observation", "--observations"),
    ],
)
def test_wrong_options_are_one_error(made, options, code, where):
    with raises(code, where):
        defer(made[0], **(OWN | options))


def test_folder_that_is_no_run(tmp_path):
    with raises("missing-run", tmp_path):
        defer(tmp_path)


def test_run_without_a_development_split_has_no_cutoff(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "run")
    edit_json(tmp_path / "run" / run_files.METRICS, lambda own: {key: own[key] for key in own if key != "dev"})
    with raises("missing-split", tmp_path / "run"):
        defer(tmp_path / "run", amount=Amount(risk=0.1), **OWN)
    assert defer(tmp_path / "run", amount=Amount(count=3), **OWN).count == 3


def test_other_views_are_refused(made, tmp_path):
    header, *lines = run_files.predictions(made[1], "valid").read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join([header, *lines[1:]]) + "\n")
    with raises("other-rows"):
        defer(made[0], ensemble=[tmp_path / "other.csv"], **OWN)


def test_file_of_members_needs_their_tables(made, tmp_path):
    file = run_files.predictions(made[0], "valid")
    with raises("missing-argument", "--confidence members"):
        defer(made[0], predictions=file, confidences=["members"], **OWN)
    with raises("missing-folder", tmp_path / "none"):
        defer(made[0], predictions=file, confidences=["members"], spread=tmp_path / "none", **OWN)


def test_members_and_views_of_a_combined_run(combined, tmp_path):
    options = {"amount": Amount(count=3), "replicates": 50, "tta": "flip"}
    done = defer(combined, confidences=["members", "tta"], **options)
    assert list(done.content["confidences"]) == ["plain", "members", "tta"]
    assert all(row.confidence <= 0 for row in done.rows)
    # the same from the tables that predict writes
    paths = [row["Path"] for row in read(run_files.predictions(combined, "valid"))]
    (tmp_path / "in.csv").write_text("\n".join(["Path", *paths]) + "\n")
    predict(combined, [tmp_path / "in.csv"], tmp_path / "p.csv", spread=tmp_path / "spread", level="image")
    assert sorted(path.name for path in (tmp_path / "spread/members").iterdir()) == ["densenet.csv", "efficientnet.csv"]
    again = defer(
        combined, predictions=tmp_path / "p.csv", labels=run_files.labels(combined, "valid"),
        spread=tmp_path / "spread", confidences=["members"], amount=Amount(count=3), replicates=50,
    )  # fmt: skip
    assert again.deferred == done.deferred


def test_spread_changes_no_prediction(combined, tmp_path):
    paths = [row["Path"] for row in read(run_files.predictions(combined, "valid"))]
    (tmp_path / "in.csv").write_text("\n".join(["Path", *paths]) + "\n")
    for tta in (None, "flip"):
        files = [tmp_path / f"{tta}-{spread}.csv" for spread in (None, "spread")]
        for file, spread in zip(files, (None, tmp_path / "spread"), strict=True):
            predict(combined, [tmp_path / "in.csv"], file, tta=tta, spread=spread)
        assert files[0].read_bytes() == files[1].read_bytes()
    views = [read_predictions(tmp_path / f"spread/tta/view-0{number}.csv") for number in range(2)]
    assert read_predictions(tmp_path / "None-None.csv").columns["Edema"].tolist() == views[0].columns["Edema"].tolist()
    with raises("not-empty", tmp_path / "spread/tta"):
        predict(combined, [tmp_path / "in.csv"], tmp_path / "new.csv", tta="flip", spread=tmp_path / "spread")


def test_hashed_names_stay_hashed(combined, phantom, tmp_path):
    images = sorted((phantom / "CheXpert-v1.0-small/valid").rglob("*.jpg"))[:6]
    (tmp_path / "ward").mkdir()
    for number, image in enumerate(images):
        shutil.copy(image, tmp_path / f"ward/DOE{number}.jpg")
    predict(combined, [tmp_path / "ward"], tmp_path / "p.csv", spread=tmp_path / "spread")
    truth = read(run_files.labels(combined, "valid"))[0]
    names = [name for name in truth if name in read_predictions(tmp_path / "p.csv").columns]
    lines = [",".join([f"ward/DOE{number}.jpg", *"101010"[: len(names)]]) for number in range(6)]
    (tmp_path / "l.csv").write_text("\n".join([",".join(["Path", *names]), *lines]) + "\n")
    out = tmp_path / "defer.csv"
    done = run_cli(
        "defer", combined, "--predictions", tmp_path / "p.csv", "--labels", tmp_path / "l.csv", "--count", 2, "--out",
        out, "--confidence", "members", "--spread", tmp_path / "spread", "--hashed-by", combined, "--bootstrap", 20,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(re.fullmatch("id-[0-9a-f]{12}", row["Study"]) for row in read(out))
    assert "DOE" not in out.read_text()


def test_single_network_has_no_members(combined, tmp_path, phantom):
    start(tmp_path / "single", phantom, "level=study", "data.dev=0.3", "explainer=[]")
    done = run_cli("defer", tmp_path / "single", "--confidence", "members")
    assert (done.returncode, find_places(done.stderr)) == (2, ["--confidence members"])
    with raises("missing-argument", "--tta"):
        defer(tmp_path / "single", confidences=["tta"])
    with raises("conflict"):
        defer(tmp_path / "single", confidences=["tta"], tta="flip")
