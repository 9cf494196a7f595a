"""An opened run: its numbers are those of its files and of the commands."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.commands import run_command
from helpers.errors import raises
from helpers.report_runs import make_run
from matplotlib.figure import Figure
from PIL import Image

import chexpert
from chexpert.data import read_gray
from chexpert.observations import COMPETITION
from chexpert.runs import files as run_files


def test_metrics_are_those_of_the_files(workplace):
    metrics = workplace.run.metrics
    assert list(metrics.index) == [(split, name) for split in ("dev", "valid") for name in (*COMPETITION, "mean")]
    for split in ("dev", "valid"):
        content = json.loads(run_files.evaluation(workplace.run.folder, split).read_text())
        for name in COMPETITION:
            row, own = metrics.loc[(split, name)], content["auroc"][name]
            found = [row["auroc"], row["low"], row["high"], row["positives"], row["negatives"]]
            keys = ("value", "ci_low", "ci_high", "positives", "negatives")
            assert found == pytest.approx([np.nan if own[key] is None else own[key] for key in keys], nan_ok=True)
            assert row["n"] == own["positives"] + own["negatives"]
            for part in ("auprc", "brier", "ece"):
                kept = content["auprc"][name] if part == "auprc" else content["calibration"][name][part]
                assert row[part] == pytest.approx(np.nan if kept["value"] is None else kept["value"], nan_ok=True)
        mean, own = metrics.loc[(split, "mean")], content["auroc_mean"]
        assert [mean["auroc"], mean["low"], mean["high"]] == [own[key] for key in ("value", "ci_low", "ci_high")]
        assert mean["n"] == content["n"]
        assert pd.isna(mean["positives"])


def test_tables_are_those_of_the_files(workplace):
    run = workplace.run
    for split, rows in (("valid", 24), ("train", None)):
        expected = pd.read_csv(run_files.predictions(run.folder, split), index_col="Path")
        pd.testing.assert_frame_equal(run.predictions(split), expected, check_dtype=False)
        assert rows is None or len(expected) == rows
    expected = pd.read_csv(run_files.labels(run.folder, "valid"), index_col="Path")[list(COMPETITION)]
    pd.testing.assert_frame_equal(run.labels(), expected, check_dtype=False)
    with raises("missing-split", "'test'"):
        run.predictions("test")
    with raises("missing-split", "'train'"):
        run.labels("train")


@pytest.mark.parametrize(
    "content",
    ["{}", '{"auroc": {}}', '{"auroc": [], "auroc_mean": {}, "n": 1}', '{"auroc": {"Edema": 0.5}, "auroc_mean": 1}',
     "[]",
     '{"auroc": {"Edema": {"value": "a", "positives": 1, "negatives": 1}}, "auroc_mean": {"value": 0.5}, "n": 2}'],
)  # fmt: skip
def test_damaged_evaluation_is_an_error(workplace, tmp_path, content):
    shutil.copytree(workplace.run.folder, tmp_path / "run")
    path = run_files.evaluation(tmp_path / "run", "valid")
    path.write_text(content)
    with raises("damaged-file", path):
        _ = chexpert.open_run(tmp_path / "run").metrics


def test_labels_have_the_rows_of_the_predictions(workplace, tmp_path):
    shutil.copytree(workplace.run.folder, tmp_path / "run")
    run = chexpert.open_run(tmp_path / "run")
    path = run_files.predictions(run.folder, "valid")
    kept = run.predictions().iloc[::-2]
    kept.to_csv(path)
    assert list(run.labels().index) == list(kept.index)
    pd.testing.assert_frame_equal(run.labels(), workplace.run.labels().loc[kept.index], check_names=False)
    path.unlink()
    assert len(run.labels()) == 24


def test_settings_and_state(workplace):
    run = workplace.run
    assert run.folder.is_absolute()
    assert (run.config["data"]["image_size"], run.state["state"]) == (64, "finished")
    assert (run.splits, run.synthetic) == (["dev", "valid"], True)


def test_validation_predictions_are_made_again(at_work):
    run = at_work.run
    expected = run.predictions()
    table = run.folder / "predictions/valid.csv"
    pd.testing.assert_frame_equal(run.predict(table), expected, check_exact=True)


def test_predictions_are_those_of_the_command(at_work, tmp_path):
    options = ["--level", "image", "--observations", "all"]
    for ids in ("path", "hash"):
        output = tmp_path / f"{ids}.csv"
        done = run_command(
            "scripts/predict.py", at_work.run.folder, "images", output, *options, "--ids", ids, cwd=at_work.folder
        )
        assert done.returncode == 0, done.stderr
        expected = pd.read_csv(output, index_col="Path")
        pd.testing.assert_frame_equal(at_work.run.predict("images", ids=ids), expected, check_exact=True)
    files = sorted((at_work.folder / "images").iterdir())
    pd.testing.assert_frame_equal(
        at_work.run.predict(files).reset_index(drop=True), expected.reset_index(drop=True), check_exact=True
    )


def test_studies_and_the_five(at_work):
    found = at_work.run.predict(at_work.run.folder / "predictions/valid.csv", level="study", observations="competition")
    assert found.index.name == "Study"
    assert list(found) == list(COMPETITION)


def test_calibrated_predictions(at_work):
    raw, calibrated = (at_work.run.predict("images", calibrated=on) for on in (False, True))
    parameters = json.loads((at_work.run.folder / "calibration.json").read_text())["levels"]["image"]["Edema"]
    expected = chexpert.load(at_work.run.folder)  # the weights are there
    assert expected.observations == list(raw)
    from chexpert.metrics import calibrate

    np.testing.assert_allclose(calibrated["Edema"], calibrate(raw["Edema"], parameters))


@pytest.mark.parametrize("kind", ["uint8", "float", "tensor", "one"])
def test_arrays_are_predicted_as_their_files(at_work, tmp_path, kind):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 70, 90), dtype=np.uint8)
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for image, file in zip(images, files, strict=True):
        Image.fromarray(image).save(file)
    expected = at_work.run.predict(files).to_numpy()
    given = {
        "uint8": images, "float": images / 255, "tensor": torch.from_numpy(images.astype("float32") / 255),
        "one": images[0],
    }[kind]  # fmt: skip
    found = at_work.run.predict(given)
    np.testing.assert_allclose(found.to_numpy(), expected[: len(found)], rtol=1e-6)  # of another batch size: one
    assert list(found.index) == ([0] if kind == "one" else [0, 1, 2])


def test_damaged_image_is_listed_and_an_image_without_contrast_flagged(at_work, tmp_path):
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    Image.fromarray(np.full((64, 64), 90, "uint8")).save(tmp_path / "even.png")
    found = at_work.run.predict(tmp_path)
    assert list(found.index) == [str(tmp_path / "even.png")]
    assert list(found.attrs["failed"]) == [str(tmp_path / "damaged.png")]
    assert list(found.attrs["flagged"]) == [str(tmp_path / "even.png")]
    assert list(at_work.run.predict(np.full((2, 64, 64), 90, "uint8")).attrs["flagged"]) == [0, 1]


def test_explanation_is_that_of_the_command(at_work, tmp_path):
    out = tmp_path / "explained"
    options = ["--explainer", "gradcam", "--observations", "Edema", "--ids", "path", "--out", out]
    done = run_command("scripts/explain.py", at_work.run.folder, "image.jpg", *options, cwd=at_work.folder)
    assert done.returncode == 0, done.stderr
    entry = json.loads((out / "gradcam/manifest.json").read_text())[0]
    stored = np.load(out / entry["map"])
    explanation = at_work.run.explain("image.jpg", "gradcam", "Edema")
    np.testing.assert_array_equal(explanation.attribution.signed, stored["signed"])
    assert explanation.probability == entry["probability"]
    assert explanation.map.shape == explanation.signed.shape == read_gray("image.jpg").shape
    positive = np.maximum(explanation.signed, 0)
    np.testing.assert_allclose(explanation.map, positive / max(positive.max(), 1e-12))
    assert isinstance(explanation.figure, Figure)
    assert explanation.figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert explanation._repr_png_().startswith(b"\x89PNG")


def test_explained_image_is_the_file_or_array_that_was_given(at_work):
    gray = read_gray("image.jpg")
    of_file, of_array = (at_work.run.explain(image, "gradcam", "Edema") for image in ("image.jpg", gray))
    np.testing.assert_allclose(of_array.map, of_file.map, atol=2e-2)  # a JPEG may be decoded at a smaller size
    assert of_file.view.name.startswith("id-")
    assert at_work.run.explain("image.jpg", "gradcam", "Edema", ids="path").view.name == "image"
    assert of_array.truth is None


def test_explained_validation_view_has_its_label(at_work):
    path = at_work.run.predictions().index[3]
    explanation = at_work.run.explain(path)
    assert explanation.view.path == path
    assert explanation.truth == at_work.run.labels().loc[path, explanation.observation]
    row = at_work.run.predictions().loc[path]
    assert explanation.observation == row.idxmax()
    assert explanation.probability == pytest.approx(row.max(), abs=1e-6)
    with raises("unknown-view"):
        at_work.run.explain("CheXpert-v1.0-small/valid/patient00001/study1/view1_frontal.jpg")


def test_report_is_written_again(workplace):
    page = workplace.run.folder / "report.html"
    before = page.read_text()
    page.unlink()
    assert workplace.run.report() == page
    assert page.read_text() == before


def test_jupyter_shows_metrics_and_no_private_name(tmp_path):
    run = chexpert.open_run(make_run(tmp_path / "DOE^JANE", images=["ward 3/DOE^JANE.dcm"]))
    shown = run._repr_html_()
    for name, auroc in run.metrics.loc["valid"].drop("mean").iterrows():
        assert name in shown
        assert f"{auroc['auroc']:.3f}" in shown
        assert f"[{auroc['low']:.3f}, {auroc['high']:.3f}]" in shown
    assert "Not a medical device" in shown
    assert "DOE" not in shown + repr(run)
    assert "ward" not in shown + repr(run)


def test_synthetic_images_are_named_so(workplace):
    assert "synthetic images" in workplace.run._repr_html_()


def test_run_that_failed_is_opened(tmp_path):
    run_files.write_json(tmp_path / "state.json", {"state": "failed", "why": "no file /data/DOE.csv", "overrides": []})
    run = chexpert.open_run(tmp_path)
    assert (run.state["state"], run.splits, run.config) == ("failed", [], {})
    assert "failed" in run._repr_html_()
    assert "DOE" not in run._repr_html_()
    with raises("missing-run", tmp_path):
        _ = run.metrics
    with raises("missing-run"):
        run.report()


def test_folder_that_is_no_run_is_an_error(workplace, tmp_path):
    with raises("missing-run", tmp_path):
        chexpert.open_run(tmp_path)
    with raises("missing-run", tmp_path / "absent"):
        chexpert.open_run(tmp_path / "absent")
    above = workplace.run.folder.parent
    with raises("missing-run", above) as caught:
        chexpert.open_run(above)
    assert workplace.run.folder.name in caught.value.hint


WRONG = {
    "color": (np.zeros((64, 64, 3), "uint8"), "image-size"),
    "flat": (np.zeros(64), "input-kind"),
    "nested": (np.zeros((1, 1, 64, 64)), "input-kind"),
    "empty": (np.zeros((0, 64, 64)), "input-kind"),
    "ragged": ([np.zeros((64, 64)), np.zeros((64, 65))], "input-kind"),
    "integers": (np.zeros((64, 64), "int64"), "value"),
    "range": (np.full((64, 64), 200.0), "value"),
    "negative": (np.full((64, 64), -0.1), "value"),
    "nan": (np.full((64, 64), np.nan), "nan"),
    "small": (np.zeros((16, 64)), "image-size"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_array_is_an_error(workplace, name):
    array, code = WRONG[name]
    with raises(code, "the array"):
        workplace.run.predict(array)
    with raises(code, "the array"):
        workplace.run.explain(array)


def test_wrong_input_is_an_error(at_work, tmp_path):
    run = at_work.run
    with raises("input-kind", tmp_path):
        run.predict(tmp_path)
    with raises("input-kind"):
        run.predict([])
    with raises("missing-file"):
        run.predict("absent.jpg")
    with raises("missing-file"):
        run.explain("absent.jpg")
    with raises("input-kind", "the array"):
        run.explain(np.zeros((2, 64, 64)))
    with raises("level"):
        run.predict(np.zeros((64, 64)), level="study")
    with raises("choice"):
        run.explain("image.jpg", "gradcm")
    with raises("unknown-observation", "observation"):
        run.explain("image.jpg", "gradcam", "Edemma")
