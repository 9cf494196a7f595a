"""Explanations of images that are predicted in the same call."""

import csv
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.autoencoders import write_random_autoencoder
from helpers.cli import run_cli
from helpers.errors import raises
from helpers.runs import start
from PIL import Image

from chexpert.checkpoints import load
from chexpert.cli import predict as predict_command
from chexpert.cli.main import main, make_parser
from chexpert.conf_folder import find_conf
from chexpert.data import read_gray, write_phantom
from chexpert.explain.explained_views import explain_batches
from chexpert.inference import explained_predictions
from chexpert.inference import predict as predict_module
from chexpert.inference.explain import explain_run
from chexpert.inference.explained_predictions import ExplainedPredictions, ExplainRequest
from chexpert.inference.predict import predict
from chexpert.runs.read import read_mapping


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    phantom = write_phantom(tmp_path_factory.mktemp("data") / "phantom", patients=12, valid=12, size=96, workers=1)
    folder = tmp_path_factory.mktemp("runs") / "run"
    start(folder, phantom, "explain.count=1")
    return folder


@pytest.fixture
def images(tmp_path) -> Path:
    """Five images of several proportions, and a damaged one."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(5):
        shape = (90 + 20 * number, 130)
        gray = np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(gray).save(folder / f"{number}.png")
    (folder / "damaged.png").write_bytes((folder / "0.png").read_bytes()[:200])
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def explain(run, images, output, *explainers, **more):
    request = ExplainRequest(explainers or ("gradcam",), **more)
    return predict(
        run, [images], output, level="image", observations="all", batch_size=2, num_workers=0, explain=request
    )


def stop(*_):
    raise KeyboardInterrupt


def stop_when_written(monkeypatch):
    """Stop a command once all is predicted and explained, before the table is there."""
    monkeypatch.setattr(predict_module, "write", stop)


def stop_in_batch(monkeypatch, number):
    """Stop a command after this batch is explained, before it is noted; return the sizes of the batches."""
    add, calls = ExplainedPredictions.add, []

    def add_and_stop(self, *arguments):
        calls.append(len(arguments[1]))
        add(self, *arguments)
        if len(calls) == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(ExplainedPredictions, "add", add_and_stop)
    return calls


def test_each_readable_image_is_explained_beside_the_table(run, images, tmp_path, monkeypatch):
    loads = []
    monkeypatch.setattr(predict_module, "load", lambda path: loads.append(path) or load(path))
    outcome = explain(run, images, tmp_path / "new/out.csv", top=2)
    assert (loads, len(outcome.failed)) == ([run], 1)
    assert outcome.explanations == tmp_path / "new/out-explanations"
    predicted = {row["Path"]: row for row in read(tmp_path / "new/out.csv")}
    rows = read(outcome.explanations / "gradcam/regions.csv")
    assert list(dict.fromkeys(row["image"] for row in rows)) == list(predicted)
    for name, row in predicted.items():
        own = {found["observation"]: found for found in rows if found["image"] == name}
        probabilities = {key: float(value) for key, value in row.items() if key != "Path"}
        assert list(own) == sorted(probabilities, key=lambda key: -probabilities[key])[:2]
        for observation, found in own.items():
            assert float(found["probability"]) == pytest.approx(probabilities[observation], rel=1e-6)
            folder = outcome.explanations / "gradcam" / name
            with Image.open(folder / f"{observation}_mask.png") as mask:
                assert mask.size == (int(found["width"]), int(found["height"]))
                if found["x0"]:
                    x0, y0, x1, y1 = (int(found[key]) for key in ("x0", "y0", "x1", "y1"))
                    assert np.asarray(mask)[y0:y1, x0:x1].any()
            assert (folder / f"{observation}.png").is_file()
    assert [int(row["height"]) for row in rows if row["region"] in ("", "1")][::2] == [90, 110, 130, 150, 170]


def test_regions_are_those_of_chexpert_explain(run, images, tmp_path):
    explain(run, images, tmp_path / "out.csv", observations=["Edema"])
    files = [str(images / f"{number}.png") for number in range(5)]
    folder, _ = explain_run(run, files, ["gradcam"], find_conf(), observations=["Edema"], out=tmp_path / "explained")
    ours, theirs = (read(path / "gradcam/regions.csv") for path in (tmp_path / "out-explanations", folder))
    keys = ("observation", "region", "x0", "y0", "x1", "y1", "peak_x", "peak_y", "width", "height")
    assert [[row[key] for key in keys] for row in ours] == [[row[key] for key in keys] for row in theirs]
    assert {row["observation"] for row in ours} == {"Edema"}


def test_stopped_command_resumes_with_each_image_once(run, images, tmp_path, monkeypatch):
    explain(run, images, tmp_path / "whole.csv", "gradcam", "random")
    with monkeypatch.context() as patch:
        calls = stop_in_batch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            explain(run, images, tmp_path / "out.csv", "gradcam", "random")
    part = tmp_path / "out-explanations/gradcam/regions.csv.part"
    part.write_text(part.read_text()[:-9])
    outcome = explain(run, images, tmp_path / "out.csv", "gradcam", "random")
    assert (calls, outcome.resumed, outcome.images) == ([2, 2], 2, 5)
    for name in ("gradcam", "random"):
        whole, resumed = (tmp_path / f"{kind}-explanations" / name / "regions.csv" for kind in ("whole", "out"))
        assert resumed.read_text() == whole.read_text()
    assert not part.exists()


def test_other_explanations_do_not_resume(run, images, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_when_written(patch)
        with pytest.raises(KeyboardInterrupt):
            explain(run, images, tmp_path / "out.csv")
    with raises("other-config", str(tmp_path / "out.csv.part")):
        explain(run, images, tmp_path / "out.csv", top=2)
    outcome = explain(run, images, tmp_path / "out.csv")  # stopped while it wrote the table
    assert (outcome.resumed, outcome.images) == (5, 5)
    assert len({row["image"] for row in read(outcome.explanations / "gradcam/regions.csv")}) == 5


def test_existing_explanations_are_not_overwritten(run, images, tmp_path):
    (tmp_path / "out-explanations").mkdir()
    (tmp_path / "out-explanations/mine.txt").touch()
    with raises("not-empty", str(tmp_path / "out-explanations")):
        explain(run, images, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv.part").exists()


def test_two_images_of_one_name_are_an_error(run, images, tmp_path):
    Image.open(images / "0.png").save(images / "0.jpg")
    request = ExplainRequest(["gradcam"])
    with raises("repeated", "the images"):
        predict(run, [images], tmp_path / "out.csv", observations="all", ids="path", num_workers=0, explain=request)


@pytest.mark.parametrize(
    ("request_", "code", "where"),
    [
        (ExplainRequest(["gradcm"]), "choice", "--explain"),
        (ExplainRequest(["gradcam"], observations=["Edma"]), "unknown-observation", "--explain-observations"),
    ],
)
def test_wrong_name_is_an_error(run, images, tmp_path, request_, code, where):
    with raises(code, where):
        predict(run, [images], tmp_path / "out.csv", observations="all", explain=request_)
    assert not (tmp_path / "out.csv").exists()


def test_command_explains_and_names_the_folder(run, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--observations", "all", "--explain", "gradcam", "--top", "1", "--workers", "0", "--ids", "path"]
    done = run_cli("predict", run, "images", "out.csv", *arguments)
    assert done.returncode == 1  # an image is damaged
    assert "out-explanations" in done.stdout
    assert (tmp_path / "out-explanations/gradcam/images_4").is_dir()
    for wrong in (["--top", "2"], ["--explain", "gradcam", "--top", "0"]):
        assert run_cli("predict", run, "images", "other.csv", *wrong).returncode == 2


def fail_from(monkeypatch, batch, name="random"):
    """Let one explainer fail from this batch on; return the names of the explainers that are called."""
    calls = []

    def explain_or_fail(model, explainer, images, outputs):
        calls.append(explainer.name)
        if explainer.name == name and calls.count(name) >= batch:
            raise ValueError("no map")
        return explain_batches(model, explainer, images, outputs)

    monkeypatch.setattr(explained_predictions, "explain_batches", explain_or_fail)
    return calls


@pytest.mark.parametrize("batch", [1, 2])
def test_explainer_that_fails_is_dropped_and_listed(run, images, tmp_path, monkeypatch, batch):
    calls = fail_from(monkeypatch, batch)
    outcome = explain(run, images, tmp_path / "out.csv", "random", "gradcam")
    assert outcome.failed_explainers == {"random": "ValueError: no map"}
    assert (calls.count("random"), outcome.images, len(read(outcome.output))) == (batch, 5, 5)
    assert len({row["image"] for row in read(outcome.explanations / "gradcam/regions.csv")}) == 5
    assert not (outcome.explanations / "random/regions.csv").exists()
    assert list(read_mapping(outcome.explanations / "failed.json")) == ["random"]


def test_stopped_command_resumes_without_the_explainer_that_failed(run, images, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        fail_from(patch, 1)
        stop_when_written(patch)
        with pytest.raises(KeyboardInterrupt):
            explain(run, images, tmp_path / "out.csv", "random", "gradcam")
    outcome = explain(run, images, tmp_path / "out.csv", "random", "gradcam")
    assert (outcome.resumed, list(outcome.failed_explainers)) == (5, ["random"])
    assert (outcome.explanations / "gradcam/regions.csv").is_file()


def test_command_ends_with_1_where_an_explainer_failed(run, images, tmp_path, monkeypatch, capsys):
    fail_from(monkeypatch, 1)
    (images / "damaged.png").unlink()
    words = [run, images, tmp_path / "out.csv", "--workers", "0", "--explain", "random", "gradcam"]
    monkeypatch.setattr("sys.argv", ["chexpert", "predict", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "error: random failed: ValueError: no map" in capsys.readouterr().err


@pytest.mark.parametrize("named", ["images", "."])
def test_explanations_below_the_input_are_refused_before_any_work(run, images, tmp_path, monkeypatch, named):
    monkeypatch.chdir(images)
    folder = images if named == "images" else Path()
    monkeypatch.setattr(predict_module, "load", None)
    with raises("conflict", folder / "new/out-explanations") as caught:
        explain(run, folder, folder / "new/out.csv")
    monkeypatch.undo()
    monkeypatch.chdir(images)
    given = Path(shlex.split(caught.value.hint)[-1])
    assert len(read(explain(run, folder, given).output)) == 5
    assert sorted(path.name for path in images.iterdir()) == [*(f"{n}.png" for n in range(5)), "damaged.png"]


@pytest.mark.parametrize("gone", ["", "random", "random/regions.csv.part", "a picture"])
def test_lost_explanations_do_not_resume(run, images, tmp_path, monkeypatch, gone):
    folder, part = tmp_path / "out-explanations", tmp_path / "out.csv.part"
    with monkeypatch.context() as patch:
        stop_in_batch(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            explain(run, images, tmp_path / "out.csv", "gradcam", "random")
    row = read(folder / "random/regions.csv.part")[0]
    lost = folder / "random" / row["image"] / f"{row['observation']}.png" if gone == "a picture" else folder / gone
    lost.unlink() if lost.is_file() else shutil.rmtree(lost)
    with raises("missing-file") as caught:
        explain(run, images, tmp_path / "out.csv", "gradcam", "random")
    removed = [Path(word) for word in shlex.split(caught.value.hint) if str(tmp_path) in word]
    assert removed == ([part, folder] if gone else [part])
    for path in removed:
        path.unlink() if path.is_file() else shutil.rmtree(path)
    assert explain(run, images, tmp_path / "out.csv", "gradcam", "random").images == 5


def test_first_batch_that_was_stopped_leaves_nothing(run, images, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(explained_predictions, "_append_rows", stop)
        with pytest.raises(KeyboardInterrupt):
            explain(run, images, tmp_path / "out.csv", "gradcam")
    assert not (tmp_path / "out-explanations").exists()


def test_unfinished_explanations_of_a_killed_first_batch_are_not_taken(run, images, tmp_path):
    (tmp_path / "out-explanations/gradcam").mkdir(parents=True)
    (tmp_path / "out-explanations/gradcam/regions.csv.part").touch()
    with raises("not-empty", tmp_path / "out-explanations"):
        explain(run, images, tmp_path / "out.csv", "random")


def test_settings_of_explainers_are_used_and_must_be_the_same_to_resume(run, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parser = make_parser("predict")
    words = ["run", "images", "out.csv", "--explain", "lime", "explainer.lime.samples=12", "gradcam"]
    given = predict_command.parse(parser, words)
    assert (given.explain, given.settings) == (["lime", "gradcam"], ["explainer.lime.samples=12"])
    built = ExplainedPredictions(load(run), ExplainRequest(["lime"], settings=given.settings), tmp_path / "explained")
    assert built.explainers["lime"].samples == 12
    with monkeypatch.context() as patch:
        stop_when_written(patch)
        with pytest.raises(KeyboardInterrupt):
            explain(run, images, tmp_path / "out.csv", "random", settings=["explainer.random.seed=5"])
    with raises("other-config"):
        explain(run, images, tmp_path / "out.csv", "random", settings=["explainer.random.seed=6"])


@pytest.mark.parametrize(
    ("setting", "code", "where"),
    [
        ("explain.top=3", "unused-setting", "explain.top=3"),
        ("explainer.lime.samples=3", "unused-setting", "explainer.lime"),
        ("explainer.random.sed=3", "unknown-key", "explainer.random (RandomMap)"),
    ],
)
def test_setting_without_effect_is_an_error(run, images, tmp_path, setting, code, where):
    with raises(code, where):
        explain(run, images, tmp_path / "out.csv", "random", settings=[setting])


def test_latent_shift_is_given_its_autoencoder(run, images, tmp_path):
    preprocessing = load(run).preprocessing
    path = write_random_autoencoder(tmp_path / "autoencoder.safetensors", preprocessing.size, preprocessing.fit)
    setting = f"explainer.latent_shift.autoencoder={path}"
    outcome = explain(run, images, tmp_path / "out.csv", "latent_shift", settings=[setting])
    assert not outcome.failed_explainers
    assert len({row["image"] for row in read(outcome.explanations / "latent_shift/regions.csv")}) == 5


def test_image_is_opened_once_for_all_explainers(run, images, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(explained_predictions, "read_gray", lambda path: opened.append(path) or read_gray(path))
    explain(run, images, tmp_path / "out.csv", "gradcam", "random")
    assert sorted(opened) == [str(images / f"{number}.png") for number in range(5)]
