"""The gate of a run where its model predicts: fitted, applied, refused."""

import csv
import shutil

import numpy as np
import pytest
from helpers.cli import run_cli
from helpers.errors import raises
from helpers.runs import start
from PIL import Image
from safetensors.numpy import load_file

from chexpert.api import open_run
from chexpert.checkpoints import load
from chexpert.data import write_phantom
from chexpert.evaluation import evaluate, read_labeled_scores
from chexpert.explain.quality.cost import hash_weights
from chexpert.gate import read_gate
from chexpert.inference.gate import fit_gate_of_run
from chexpert.inference.predict import predict
from chexpert.report.text.gate import describe_gate
from chexpert.runs import files as run_files

FRONTAL = "data.views=frontal"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    return write_phantom(
        tmp_path_factory.mktemp("data") / "phantom", patients=20, valid=24, size=96, laterals=0.4, workers=1
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, phantom):
    folder = tmp_path_factory.mktemp("runs") / "run"
    start(folder, phantom, "data.dev=0.3", FRONTAL, "explainer=[]", "gate=mahalanobis")
    return folder


@pytest.fixture
def folder(tmp_path, phantom):
    """An upright frontal radiograph, the same inverted, and one gray value."""
    path = tmp_path / "ward"
    path.mkdir()
    image = Image.open(sorted((phantom / "CheXpert-v1.0-small" / "valid").glob("*/*/*frontal.jpg"))[0])
    gray = np.asarray(image)
    Image.fromarray(255 - gray).save(path / "inverted.png")
    Image.fromarray(gray).save(path / "upright.png")
    Image.new("L", (90, 90), 0).save(path / "black.png")
    return path


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def shorten(names):
    return {name.rpartition("/")[2] for name in names}


def test_run_leaves_a_small_gate_bound_to_its_weights(run):
    path = run / run_files.GATE
    gate = read_gate(path)
    assert gate.weights == hash_weights(load(run).model)
    assert path.stat().st_size < 50_000
    assert (gate.facts["held_split"], "lateral" in gate.view.kinds) == ("dev", True)
    assert gate.facts["laterals"] > 0
    names = "view/weights view/bias view/limits distance/mean distance/scale distance/directions distance/variances"
    assert load_file(path).keys() == set(names.split())
    assert "training images" in describe_gate(run)


def test_nothing_else_of_a_run_changes(run, phantom, tmp_path):
    other = tmp_path / "other"
    start(other, phantom, "data.dev=0.3", FRONTAL, "explainer=[]", "gate=null")
    assert not (other / run_files.GATE).exists()
    for split in ("dev", "valid"):
        texts = [run_files.predictions(one, split).read_text() for one in (run, other)]
        assert texts[0] == texts[1]


def test_flagged_images_are_predicted_and_named_in_the_table(run, folder, tmp_path):
    outcome = predict(run, [folder], tmp_path / "out.csv", level="image", ids="path")
    assert {"inverted.png", "black.png"} <= shorten(outcome.flagged)
    assert (outcome.refused, outcome.ungated) == ([], "")
    rows = {row["Path"].rpartition("/")[2]: row for row in read(tmp_path / "out.csv")}
    assert rows["inverted.png"]["flags"].startswith("inverted: probability ")
    assert rows["black.png"]["flags"].startswith("no contrast")
    assert all(0 <= float(row["Edema"]) <= 1 for row in rows.values())
    predict(run, [folder], tmp_path / "off.csv", level="image", ids="path", gate="off")
    plain = read(tmp_path / "off.csv")
    assert "flags" not in plain[0]
    for row in plain:  # the same probabilities, to the last digit
        assert row.items() <= rows[row["Path"].rpartition("/")[2]].items()


def test_table_with_flags_is_evaluated(run, phantom, tmp_path, monkeypatch):
    path = read_gate(run / run_files.GATE)
    assert path.distance.gaussian is not None
    table = tmp_path / "input.csv"
    table.write_text("Path\n" + "\n".join(row["Path"] for row in read(run_files.predictions(run, "valid"))) + "\n")
    monkeypatch.setattr("chexpert.gate.gate.Gate.check", lambda self, images, features: [["far: 1,5"]] * len(images))
    outcome = predict(run, [table], tmp_path / "out.csv", level="image")
    assert len(outcome.flagged) == outcome.images
    found, own = (
        evaluate(read_labeled_scores(path, run_files.labels(run, "valid")), replicates=10)["auroc_mean"]["value"]
        for path in (tmp_path / "out.csv", run_files.predictions(run, "valid"))
    )
    assert found == own


def test_refused_images_keep_their_row_without_probabilities(run, folder, tmp_path):
    done = run_cli("predict", str(run), str(folder), str(tmp_path / "out.csv"), "--gate", "refuse",
                           "--ids", "path", "--level", "image")  # fmt: skip
    assert done.returncode == 1
    rows = {row["Path"].rpartition("/")[2]: row for row in read(tmp_path / "out.csv")}
    assert len(rows) == 3
    assert (rows["inverted.png"]["Edema"], rows["black.png"]["Edema"]) == ("", "")
    assert rows["inverted.png"]["flags"]


def test_study_is_scored_by_the_views_that_are_not_refused(run, phantom, tmp_path):
    table, root = tmp_path / "input.csv", tmp_path / "root"
    names = [row["Path"] for row in read(run_files.predictions(run, "valid"))][:2]
    study = names[0].rpartition("/")[0]
    second = f"{study}/view9_frontal.jpg"
    shutil.copytree(phantom, root)
    place = root / second
    Image.fromarray(255 - np.asarray(Image.open(root / names[0]))).save(place, quality=95)
    table.write_text("\n".join(["Path", *names, second]) + "\n")
    outcome = predict(run, [table], tmp_path / "out.csv", root=root, gate="refuse")
    assert second in outcome.refused
    one, alone = (
        next(row for row in read(path) if row["Study"] == study)
        for path in (tmp_path / "out.csv", predict(run, [root / names[0]], tmp_path / "one.csv", gate="off").output)
    )
    if names[0] not in outcome.refused:
        assert outcome.partly_refused == [study]
        assert one["Edema"] == alone["Edema"]
        assert one["flags"].startswith("view9_frontal.jpg: inverted")


def test_all_refused_is_a_table_of_reasons(run, folder, tmp_path):
    (folder / "upright.png").unlink()
    outcome = predict(run, [folder], tmp_path / "out.csv", gate="refuse")
    assert (outcome.rows, len(outcome.refused)) == (2, 2)
    assert {row["Edema"] for row in read(tmp_path / "out.csv")} == {""}


def test_stopped_command_resumes_its_flags_and_refuses_those_of_another_gate(run, folder, tmp_path):
    def stop(batches):
        for number, batch in enumerate(batches):
            if number == 2:
                raise KeyboardInterrupt
            yield batch

    options = {"level": "image", "batch_size": 1}
    with pytest.raises(KeyboardInterrupt):
        predict(run, [folder], tmp_path / "out.csv", watch=stop, **options)
    with raises("other-config"):
        predict(run, [folder], tmp_path / "out.csv", gate="off", **options)
    resumed = predict(run, [folder], tmp_path / "out.csv", **options)
    whole = predict(run, [folder], tmp_path / "whole.csv", **options)
    assert resumed.resumed > 0
    assert resumed.flagged == whole.flagged
    assert (tmp_path / "out.csv").read_text() == (tmp_path / "whole.csv").read_text()


def test_features_come_from_the_pass_that_predicts(run, folder, tmp_path):
    loaded = load(run)
    passes = []
    loaded.model.members["backbone"].register_forward_hook(lambda *_: passes.append(1))
    predict(run, [folder], tmp_path / "out.csv", loaded=loaded, batch_size=3)
    assert len(passes) == 1


def test_refused_images_are_not_explained(run, folder, tmp_path):
    from chexpert.inference.explained_predictions import ExplainRequest

    options = {"level": "image", "gate": "refuse", "explain": ExplainRequest(["gradcam"]), "ids": "path"}
    outcome = predict(run, [folder], tmp_path / "out.csv", **options)
    regions = tmp_path / "out-explanations" / "gradcam" / run_files.REGIONS
    explained = {row["image"] for row in read(regions)} if regions.is_file() else set()
    assert explained == {str(folder / name) for name in ("upright.png",) if str(folder / name) not in outcome.refused}


def test_run_without_a_gate_predicts_as_before(run, folder, tmp_path):
    older = shutil.copytree(run, tmp_path / "older")
    (older / run_files.GATE).unlink()
    outcome = predict(older, [folder], tmp_path / "out.csv", level="image")
    assert shorten(outcome.flagged) == {"black.png"}
    assert str(older) in outcome.ungated
    assert "flags" not in read(tmp_path / "out.csv")[0]
    with raises("missing-file", "--gate refuse") as caught:
        predict(older, [folder], tmp_path / "refuse.csv", gate="refuse")
    assert f"chexpert gate {older}" in caught.value.hint
    assert not (tmp_path / "refuse.csv").exists()


@pytest.mark.parametrize("method", ["mahalanobis", "knn"])
def test_gate_of_a_finished_run_is_that_of_its_end(run, tmp_path, method):
    older = shutil.copytree(run, tmp_path / "older")
    with raises("not-empty", str(older / run_files.GATE)):
        fit_gate_of_run(older, method)
    (older / run_files.GATE).unlink()
    done = run_cli("gate", str(older), "--method", method, "--workers", "0")
    assert (done.returncode, "gate.safetensors" in done.stdout) == (0, True)
    found, own = read_gate(older / run_files.GATE), read_gate(run / run_files.GATE)
    assert (found.weights, found.distance.method) == (own.weights, method)
    assert found.view.weights == pytest.approx(own.view.weights, abs=1e-6)
    if method == "mahalanobis":
        assert found.distance.limit == pytest.approx(own.distance.limit, rel=1e-4)


def test_gate_of_another_model_is_an_error(run, phantom, folder, tmp_path):
    other = tmp_path / "other"
    start(other, phantom, "explainer=[]", "seed=5")
    shutil.copy(run / run_files.GATE, other / run_files.GATE)
    with raises("other-weights", str(other / run_files.GATE)):
        predict(other, [folder], tmp_path / "out.csv")
    predict(other, [folder], tmp_path / "off.csv", gate="off")
    last = run_files.checkpoint(other, run_files.LAST)
    with raises("missing-file", "--gate refuse"):
        predict(last, [folder], tmp_path / "last.csv", gate="refuse")


def test_exported_weights_use_the_gate_beside_them(run, folder, tmp_path):
    place = tmp_path / "given"
    place.mkdir()
    for ending in (".safetensors", ".json"):
        shutil.copy(run_files.checkpoint(run).with_suffix(ending), place)
    weights = place / "best.safetensors"
    assert predict(weights, [folder], tmp_path / "none.csv").ungated
    with raises("missing-file", "--gate refuse"):
        predict(weights, [folder], tmp_path / "refuse.csv", gate="refuse")
    shutil.copy(run / run_files.GATE, place)
    outcome = predict(weights, [folder], tmp_path / "out.csv")
    assert outcome.ungated == ""
    assert "inverted.png" in shorten(outcome.flagged)


def test_run_of_few_images_has_no_gate_and_a_note(phantom, tmp_path, caplog):
    few = tmp_path / "few"
    phantom = write_phantom(tmp_path / "few-data", patients=3, valid=24, size=64, workers=1)
    start(few, phantom, "explainer=[]", "gate=mahalanobis")
    assert not (few / run_files.GATE).exists()
    with raises("too-few", "gate"):
        fit_gate_of_run(few, "knn")


def test_python_api(run, folder):
    opened = open_run(run)
    table = opened.predict(folder)
    assert {"inverted.png", "black.png"} <= shorten(table.attrs["flagged"])
    assert list(table.columns) == list(load(run).observations)
    assert table.notna().all().all()
    refused = opened.predict(folder, gate="refuse")
    assert shorten(refused.attrs["refused"]) >= {"inverted.png", "black.png"}
    assert refused.loc[refused.attrs["refused"]].isna().all().all()
    kept = [name for name in table.index if name not in refused.attrs["refused"]]
    assert refused.loc[kept].equals(table.loc[kept])
    gray = np.asarray(Image.open(folder / "inverted.png"))
    numbered = opened.predict(np.stack([gray, 255 - gray]), gate="refuse")
    assert 0 in numbered.attrs["refused"]
    with raises("choice", "gate"):
        opened.predict(folder, gate="maybe")
