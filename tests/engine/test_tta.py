"""Runs with test-time augmentation: what they write beside, and that all else stays."""

import html
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.errors import raises
from helpers.resumed_runs import SHORT, stop_at
from helpers.runs import TINY, start, train

import chexpert
from chexpert.errors import UserError
from chexpert.evaluation import compare
from chexpert.inference.ensemble import find_labels
from chexpert.inference.members import find_split
from chexpert.inference.predict import predict
from chexpert.metrics.comparison import compare_aurocs
from chexpert.observations import COMPETITION
from chexpert.report import describe, write_report
from chexpert.report.text.run import describe_tta
from chexpert.runs import files as run_files
from chexpert.signals import Stopped

OPTIONS = ["explainer=[]", "data.dev=0.3", "data.augmentation.flip=0.5", "level=study", "data.views=all"]
EVALUATIONS = ["calibration.json", "evaluation/dev.json", "evaluation/valid.json"]
SAME = [*EVALUATIONS, "predictions/dev.csv", "predictions/valid.csv"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, phantom):
    """A run without and one with ``tta=flip``."""
    folders = {}
    for tta in ("null", "flip"):
        folders[tta] = tmp_path_factory.mktemp("runs") / "run"
        start(folders[tta], phantom, *OPTIONS, f"tta={tta}")
    return folders


def read_json(path):
    return json.loads(path.read_text())


def read_table(folder, name="valid-tta"):
    return pd.read_csv(run_files.predictions(folder, name), index_col="Path")


def test_all_else_stays_as_it_is(runs):
    for name in SAME:
        assert (runs["flip"] / name).read_bytes() == (runs["null"] / name).read_bytes(), name
    ours, theirs = (read_json(runs[tta] / "metrics.json") for tta in ("flip", "null"))
    assert ours.keys() - theirs.keys() == {"tta"}
    assert all(ours[key] == theirs[key] for key in ("dev", "valid", "best_epoch"))
    written = sorted(path.name for path in (runs["flip"] / "predictions").iterdir())
    assert written == ["dev.csv", "valid-tta.csv", "valid.csv"]


def test_predictions_are_the_mean_of_both_images(runs, phantom):
    loaded, table = chexpert.load(runs["flip"]), read_table(runs["flip"])
    assert list(table.index) == list(read_table(runs["flip"], "valid").index)
    for path, row in list(table.iterrows())[:4]:
        image = loaded.preprocessing(phantom / path)[None]
        with torch.no_grad():
            both = [loaded.model(one).sigmoid()[0].numpy() for one in (image, image.flip(3))]
        assert row.to_numpy() == pytest.approx(np.mean(both, axis=0), abs=1e-6)
        assert both[0] != pytest.approx(both[1], abs=1e-6)


def test_fewer_batches_of_validation_are_fewer_of_test_time_augmentation(tmp_path, phantom):
    start(tmp_path / "run", phantom, "explainer=[]", "tta=shift", "trainer.limit_val_batches=1", "data.batch_size=4")
    ours, theirs = (read_table(tmp_path / "run", name).index for name in ("valid-tta", "valid"))
    assert len(ours) == 4
    assert list(ours) == list(theirs)


def test_report_has_the_printed_gain(runs, tmp_path):
    (line,) = describe_tta(read_json(runs["flip"] / "metrics.json")["tta"])
    flip, null = (write_report(runs[tta], out=tmp_path / f"{tta}.html").read_text() for tta in ("flip", "null"))
    assert line in html.unescape(flip)
    assert "test-time augmentation:" not in null


def test_gain_is_that_of_compare(runs):
    gain, run = read_json(runs["flip"] / "metrics.json")["tta"], runs["flip"]
    assert gain["option"] == "flip"
    content = compare([run, run_files.predictions(run, "valid-tta")], labels=run_files.labels(run, "valid"))
    models = {"tta" if "valid-tta" in one["name"] else "plain": one for one in content["models"]}
    found = gain["valid"]
    for side, model in models.items():
        assert found["auroc_mean"][side] == pytest.approx(model["figure"]["value"], abs=1e-12)
        for name in COMPETITION:
            assert found["auroc"][name][side] == pytest.approx(model["auroc"][name]["value"], abs=1e-12, nan_ok=True)
    more = next(model["reference_has_more"] for model in content["models"] if not model["reference"])
    sign = 1 if content["models"][0] is models["tta"] else -1
    difference = found["auroc_mean"]["difference"]
    assert difference["value"] == pytest.approx(sign * more["value"], abs=1e-12)
    assert sorted(abs(difference[end]) for end in ("ci_low", "ci_high")) == pytest.approx(
        sorted(abs(more[end]) for end in ("ci_low", "ci_high")), abs=1e-12
    )
    assert difference["p"] == pytest.approx(more["p"], abs=1e-12)


def test_difference_of_an_observation_is_paired(runs):
    """Against the function of arrays, on studies that are made here."""
    run = runs["flip"]
    labels = pd.read_csv(run_files.labels(run, "valid"), index_col="Path")
    tables = {name: read_table(run, name) for name in ("valid", "valid-tta")}
    studies = [path.rpartition("/")[0] for path in tables["valid"].index]
    scores = {name: table.groupby(studies, sort=False).max() for name, table in tables.items()}
    truth = labels.loc[tables["valid"].index].groupby(studies, sort=False).first()
    expected = compare_aurocs(scores["valid-tta"]["Edema"], scores["valid"]["Edema"], truth["Edema"])
    found = read_json(run / "metrics.json")["tta"]["valid"]["auroc"]["Edema"]["difference"]
    assert found["value"] == pytest.approx(expected.interval.value, abs=1e-12)
    assert found["ci_high"] - found["ci_low"] == pytest.approx(
        expected.interval.ci_high - expected.interval.ci_low,
        rel=0.2,  # other resamples, in another order
    )


def test_an_ensemble_knows_the_rows(runs):
    file = run_files.predictions(runs["flip"], "valid-tta")
    assert find_split(file, "dev") == "valid"
    assert find_labels([file], "dev") == run_files.labels(runs["flip"], "valid")


def test_the_gain_is_printed(runs):
    (line,) = [line for line in describe(runs["flip"]).splitlines() if line.startswith("tta=flip, valid split")]
    mean = read_json(runs["flip"] / "metrics.json")["tta"]["valid"]["auroc_mean"]
    assert f"{mean['plain']:.3f} -> {mean['tta']:.3f}" in line
    assert "tta=" not in describe(runs["null"])


def test_predict_gives_the_digits_of_the_run(runs, phantom, tmp_path):
    paths = read_table(runs["flip"]).index
    (tmp_path / "input.csv").write_text("\n".join(["Path", *paths]) + "\n")
    for number, run in enumerate(runs.values()):  # a run that was not evaluated so, too
        outcome = predict(run, [tmp_path / "input.csv"], tmp_path / f"{number}.csv", level="image", tta="flip")
        assert outcome.tta == 2
        written = (tmp_path / f"{number}.csv").read_text()
        assert written == run_files.predictions(runs["flip"], "valid-tta").read_text()
    table = chexpert.open_run(runs["null"]).predict(tmp_path / "input.csv", tta="flip")
    pd.testing.assert_frame_equal(table, read_table(runs["flip"]), check_dtype=False)
    own = chexpert.open_run(runs["flip"]).predictions("valid-tta")
    pd.testing.assert_frame_equal(own, read_table(runs["flip"]), check_dtype=False)


def test_a_stopped_prediction_resumes_by_the_same_views_only(runs, phantom, tmp_path):
    images = [phantom / path for path in list(read_table(runs["flip"]).index)[:6]]

    def stop(loader):
        yield next(iter(loader))
        raise KeyboardInterrupt

    out = tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        predict(runs["flip"], images, out, tta="flip", batch_size=2, watch=stop)
    head = json.loads((tmp_path / "out.csv.part").read_text().splitlines()[0])
    assert head["tta"] == "flip"
    for tta in (None, 4):
        with raises("other-config", f"{out}.part"):
            predict(runs["flip"], images, out, tta=tta)
    assert predict(runs["flip"], images, out, tta="flip").resumed == 2


@pytest.mark.parametrize(
    ("tta", "code", "where"),
    [("shift", None, ""), ("flop", "choice", "--tta"), (1, "value", "--tta"), (True, "value", "--tta")],
)
def test_choices_of_a_prediction(runs, phantom, tmp_path, tta, code, where):
    image = phantom / read_table(runs["flip"]).index[0]
    if code is None:
        assert predict(runs["flip"], [image], tmp_path / "out.csv", tta=tta).tta == 5
        return
    with raises(code, where):
        predict(runs["flip"], [image], tmp_path / "out.csv", tta=tta)
    with raises(code, "tta"):
        chexpert.open_run(runs["flip"]).predict(image, tta=tta)


def test_calibrated_probabilities_have_no_tta(runs, phantom, tmp_path):
    with raises("other-calibration", "--tta flip"):
        predict(runs["flip"], [phantom], tmp_path / "out.csv", tta="flip", calibrated=True)


def test_exported_weights_do_not_say_which_views_they_know(runs, phantom, tmp_path):
    image = phantom / read_table(runs["flip"]).index[0]
    weights = runs["flip"] / "checkpoints" / "best.safetensors"
    predict(weights, [image], tmp_path / "plain.csv")
    with pytest.raises(UserError) as caught:
        predict(weights, [image], tmp_path / "out.csv", tta="flip")
    assert (caught.value.code, caught.value.where) == ("missing-run", "--tta flip")
    assert predict(runs["flip"], [image], tmp_path / "out.csv", tta="flip").tta == 2  # as the hint says


def test_a_model_without_flips_has_no_views_of_them(tmp_path, phantom):
    start(tmp_path / "run", phantom, "explainer=[]", "trainer.limit_train_batches=1")
    image = next((phantom / "CheXpert-v1.0-small/valid").rglob("*.jpg"))
    with pytest.raises(UserError) as caught:
        predict(tmp_path / "run", [image], tmp_path / "out.csv", tta="flip")
    assert (caught.value.code, caught.value.where) == ("conflict", "--tta flip")
    assert caught.value.hint == "--tta shift or --tta 10 or without --tta"
    for tta in ("shift", 10):
        predict(tmp_path / "run", [image], tmp_path / f"{tta}.csv", tta=tta)
    with pytest.raises(UserError) as caught:
        chexpert.open_run(tmp_path / "run").predict(image, tta="flip")
    assert (caught.value.where, caught.value.hint) == ("tta='flip'", "tta='shift' or tta='10' or without tta")
    chexpert.open_run(tmp_path / "run").predict(image, tta="10")


@pytest.mark.parametrize("count", [1, 3])
def test_a_run_stopped_after_its_training_resumes(tmp_path, phantom, monkeypatch, count):
    """In the predictions of test-time augmentation: the fit is done, and nothing is evaluated."""
    options = [*SHORT, "tta=3", "data.dev=0.3"]
    whole, folder = tmp_path / "whole", tmp_path / "run"
    start(whole, phantom, *options)
    with monkeypatch.context() as patch:
        stop_at(patch, "predict_step", count)
        with pytest.raises(Stopped):
            start(folder, phantom, *options)
    assert not (folder / "metrics.json").exists()
    start(folder, phantom, *options, "resume=auto")
    for name in ("predictions/valid-tta.csv", "predictions/valid.csv"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    assert read_json(folder / "metrics.json")["tta"] == read_json(whole / "metrics.json")["tta"]


def test_a_finished_run_may_be_asked_for_other_views(tmp_path, phantom, runs):
    shutil.copytree(runs["null"], tmp_path / "run")
    before = (tmp_path / "run/metrics.json").read_bytes()
    start(tmp_path / "run", phantom, *OPTIONS, "tta=flip", "resume=auto")
    assert (tmp_path / "run/metrics.json").read_bytes() == before


def test_weights_of_another_run_are_evaluated(tmp_path, phantom, runs):
    settings = [option for option in OPTIONS if option != "data.dev=0.3"]
    start(tmp_path / "again", phantom, *settings, "tta=flip", f"start_from={runs['null']}", "trainer.max_epochs=0")
    ours, theirs = read_table(tmp_path / "again"), read_table(runs["flip"])
    pd.testing.assert_frame_equal(ours, theirs, atol=1e-6)


def test_combined_model(tmp_path, phantom):
    members = [f"backbone@model.members.{name}=resnet10t" for name in ("densenet", "efficientnet")]
    short = ["explainer=[]", "trainer.limit_train_batches=1"]
    start(tmp_path / "run", phantom, "model=combined", *members, *short, "tta=shift")
    assert list(read_table(tmp_path / "run").index) == list(read_table(tmp_path / "run", "valid").index)
    assert read_json(tmp_path / "run/metrics.json")["tta"]["valid"]["n"] == 24


def test_unreadable_image_is_left_out_of_both(tmp_path, phantom):
    shutil.copytree(phantom, tmp_path / "data")
    broken = sorted((tmp_path / "data/CheXpert-v1.0-small/valid").rglob("*_frontal.jpg"))[3]
    broken.write_bytes(b"no image")
    options = [
        f"data.root={tmp_path}/data",
        "data.on_missing=skip",
        "data.skip_limit=0.05",
        "explainer=[]",
        "tta=shift",
    ]
    start(tmp_path / "run", phantom, *options, "trainer.limit_train_batches=1")
    assert list(read_table(tmp_path / "run").index) == list(read_table(tmp_path / "run", "valid").index)
    assert len(read_table(tmp_path / "run")) == 23


@pytest.mark.slow
def test_two_processes_predict_what_one_does(tmp_path, phantom):
    tiny = [*TINY, "data=small", f"data.root={phantom}", "trainer.precision=32-true", "explainer=[]", "tta=4"]
    one = train(*tiny, "trainer.max_epochs=0", f"hydra.run.dir={tmp_path}/one")
    assert one.returncode == 0, one.stderr
    two = ["trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu", "trainer.max_epochs=0"]
    done = train(*tiny, *two, f"hydra.run.dir={tmp_path}/two")
    assert done.returncode == 0, done.stderr
    ours, theirs = (read_table(tmp_path / name) for name in ("one", "two"))
    pd.testing.assert_frame_equal(ours, theirs, atol=1e-6)
