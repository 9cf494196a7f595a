"""Whole runs, and the errors that stop them."""

import csv
import json
import re
import shlex
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.errors import find_places, raises
from helpers.runs import LIME, TINY, start, train, train_anew
from PIL import Image
from sklearn.metrics import roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import chexpert
from chexpert.engine.fit import report_errors_as_warnings
from chexpert.errors import Code, UserError
from chexpert.observations import COMPETITION, PARENTS
from chexpert.runs import files as run_files
from chexpert.weights import SENTENCES

SCORED = [*LIME, "explain.count=2", "explain.top=3", "explain.score=2"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory, phantom) -> tuple[Path, str]:
    """The run folder and the standard output of one run of the real command."""
    folder = tmp_path_factory.mktemp("outputs") / "run"
    done = train_anew("data=small", f"data.root={phantom}", f"hydra.run.dir={folder}", *TINY, *SCORED)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_run_leaves_every_artifact(finished):
    folder, _ = finished
    for name in (
        "config.yaml",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "metrics.json",
        "predictions/valid.csv",
    ):
        assert (folder / name).is_file(), name
    assert list((folder / "tensorboard").glob("events*"))
    for explainer in ("gradcam", "lime"):
        manifest = json.loads((folder / "explanations" / explainer / "manifest.json").read_text())
        assert len(manifest) == 2 * 3  # views x most probable observations
        for entry in manifest:
            picture = Image.open(folder / "explanations" / entry["picture"])
            assert picture.width > 400
            stored = np.load(folder / "explanations" / entry["map"])
            assert stored["map"].shape == (64, 64)
            assert 0 <= stored["map"].min() <= stored["map"].max() <= 1
            assert entry["truth"] in (0, 1)
            assert (folder / "explanations/views" / f"{Path(entry['picture']).parent.name}.png").is_file()
        assert (folder / "explanations" / explainer / "sheet.png").is_file()


def test_metrics_match_sklearn_on_the_written_predictions(finished, phantom):
    folder, _ = finished
    metrics = json.loads((folder / "metrics.json").read_text())
    valid = metrics["valid"]
    assert set(metrics) == {
        "contamination", "valid", "epoch_chosen_on", "best_epoch", "seconds", "skipped", "resources"
    }  # fmt: skip
    assert metrics["contamination"] == f"{SENTENCES['no']} before this run (random weights)"
    assert valid["n"] == 24
    assert metrics["best_epoch"] == 0
    table = csv.DictReader((phantom / "CheXpert-v1.0-small/valid.csv").open())
    labels = {row["Path"]: row for row in table if row["Frontal/Lateral"] == "Frontal"}
    rows = list(csv.DictReader((folder / "predictions" / "valid.csv").open()))
    assert [row["Path"] for row in rows] == list(labels)
    for name in COMPETITION:
        truth = [float(labels[row["Path"]][name]) for row in rows]
        expected = roc_auc_score(truth, [float(row[name]) for row in rows])
        assert valid["auroc"][name]["value"] == pytest.approx(expected, abs=1e-6)
        assert valid["auroc"][name]["positives"] == sum(truth)
    values = [valid["auroc"][name]["value"] for name in COMPETITION]
    assert valid["auroc_mean"] == pytest.approx(sum(values) / 5, abs=1e-9)
    assert valid["auroc_mean_over"] == list(COMPETITION)


def test_run_chooses_on_dev_and_evaluates_studies(tmp_path, phantom, capsys):
    options = ["data.dev=0.3", "data.test=true", "data.views=all", "level=study", "explainer=[gradcam]"]
    mean = start(tmp_path / "run", phantom, *options)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["epoch_chosen_on"] == "dev"
    check_evaluations(tmp_path / "run", metrics)
    assert mean == pytest.approx(metrics["dev"]["auroc_mean"], abs=1e-9)
    assert [(metrics[split]["level"], metrics[split]["n"]) for split in ("valid", "test")] == [
        ("study", 24),
        ("study", 8),
    ]
    data = json.loads((tmp_path / "run/data.json").read_text())
    for split in ("dev", "valid", "test"):
        assert len(read_predictions(tmp_path / "run", split)) == data["splits"][split]["images"]
        assert metrics[split]["n"] == data["splits"][split]["studies"]
    truth = {row["Study"]: row for row in csv.DictReader((phantom / "CheXpert-v1.0-small/groundtruth.csv").open())}
    scores = defaultdict(list)
    for path, row in read_predictions(tmp_path / "run", "test").items():
        scores[path.rpartition("/")[0]].append(row["Pleural Effusion"])
    labels = [float(truth[study]["Pleural Effusion"]) for study in scores]
    expected = roc_auc_score(labels, [max(values) for values in scores.values()])
    assert metrics["test"]["auroc"]["Pleural Effusion"]["value"] == pytest.approx(expected, abs=1e-6)
    manifest = json.loads((tmp_path / "run/explanations/gradcam/manifest.json").read_text())
    assert all("/valid/" in entry["view"] for entry in manifest)
    assert re.search(r"synthetic images, .*test_labels\.csv, .*max.* n = 8", capsys.readouterr().out)


def check_evaluations(run: Path, metrics: dict) -> None:
    """Check that dev alone chose thresholds and calibration, and that the evaluations match metrics.json."""
    calibration = json.loads((run / "calibration.json").read_text())
    assert (calibration["method"], calibration["fitted_on"]) == ("platt", "dev")
    assert list(calibration["levels"]) == ["study", "image"]
    thresholds = json.loads((run / "thresholds.json").read_text())
    assert (thresholds["chosen_on"], thresholds["labels"], [*thresholds["levels"]]) == (
        "dev",
        "report",
        ["study", "image"],
    )
    stored = json.loads((run / "checkpoints/best.json").read_text())
    assert (stored["calibration"], stored["thresholds"]) == (calibration, thresholds)
    for split in ("dev", "valid", "test"):
        content = json.loads((run / "evaluation" / f"{split}.json").read_text())
        values = {name: own["value"] for name, own in metrics[split]["auroc"].items()}
        assert {name: own["value"] for name, own in content["auroc"].items()} == pytest.approx(values, abs=1e-12)
        assert content["auroc_mean"]["value"] == pytest.approx(metrics[split]["auroc_mean"], abs=1e-12)
        assert (content["split"], content["level"], content["n"]) == (split, "study", metrics[split]["n"])
        assert (content["operating_points"] is None) == (split == "dev")
        assert (content["groups"] == {}) == (split == "dev")
        assert (content["calibrated"] is None) == (split == "dev")


def test_output_names_metrics_folder_and_tensorboard(finished):
    folder, output = finished
    assert "Pleural Effusion" in output
    assert str(folder.name) in output
    assert "-m tensorboard.main --host 127.0.0.1" in output


def test_loaded_checkpoint_gives_the_written_predictions(finished, phantom):
    assert_loads(finished[0], phantom)
    assert chexpert.load(finished[0]).preprocessing.size == (64, 64)


@pytest.fixture(scope="module")
def tags(finished) -> dict[str, set[str]]:
    """Tags of TensorBoard by their kind."""
    found: dict[str, set[str]] = {}
    for file in (finished[0] / "tensorboard").glob("events*"):
        for kind, names in EventAccumulator(str(file)).Reload().Tags().items():
            found.setdefault(kind, set()).update(names if isinstance(names, list) else [])
    return found


def test_tensorboard_has_curves_hparams_and_explanations(tags):
    assert {"train/loss", "val/loss", "val/auroc_mean", "val/auroc/Edema", "hparams/auroc_mean"} <= tags["scalars"]
    assert any(tag.startswith("lr-") for tag in tags["scalars"])
    assert {"explanations/gradcam", "explanations/lime"} <= tags["images"]
    assert {"auroc/Intervals/valid", "calibration/Reliability/valid", "groups/Intervals/valid"} <= tags["images"]
    assert {"auroc/valid/mean", "calibration/valid/ece_before/Edema"} <= tags["scalars"]
    assert "valid/Edema" in tags["tensors"]


def test_explainer_metrics_are_in_file_output_and_tensorboard(finished, tags):
    folder, output = finished
    scored = json.loads((folder / "explanations/quality.json").read_text())["explainers"]
    assert set(scored) == {"hirescam", "gradcam", "lime"}
    assert all(list(own["observations"]) == list(COMPETITION) for own in scored.values())
    for name, own in scored.items():
        assert re.search(rf"^{name} +hit +mass/area +gap +ROAD +sanity", output, re.MULTILINE)
        hits = {o: metrics["hit_rate"]["value"] for o, metrics in own["observations"].items()}
        assert any(value is not None for value in hits.values())
        for observation, value in hits.items():
            assert (f"explain/{name}/hit_rate/{observation}" in tags["scalars"]) == (value is not None)


def test_metrics_and_maps_depend_on_the_seed_and_not_on_workers(tmp_path, phantom):
    start(tmp_path / "one", phantom)
    start(tmp_path / "two", phantom, "data.num_workers=2")
    one, two = ((tmp_path / name / "predictions/valid.csv").read_text() for name in ("one", "two"))
    assert one == two
    for path in (tmp_path / "one" / "explanations").rglob("*.npz"):
        other = np.load(tmp_path / "two" / path.relative_to(tmp_path / "one"))
        assert (np.load(path)["signed"] == other["signed"]).all()


def test_combined_model_with_all_14_observations_runs(tmp_path, phantom):
    overrides = [
        "model=combined",
        "backbone@model.members.densenet=resnet18",
        "model.members.efficientnet.name=mnasnet_small",
        "observations=all",
        "explain.observations=[Cardiomegaly]",
    ]
    start(tmp_path / "run", phantom, *overrides)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())["valid"]
    assert metrics["auroc"]["Fracture"] == {"value": None, "positives": 0, "negatives": 24}
    assert metrics["auroc_mean_over"] == list(COMPETITION)
    (entry, *_) = json.loads((tmp_path / "run/explanations/gradcam/manifest.json").read_text())
    assert set(entry["layer"]) == {"densenet", "efficientnet"}
    stored = np.load(tmp_path / "run/explanations" / entry["map"])
    assert {"members_densenet", "members_efficientnet"} <= set(stored)


def test_frozen_member_keeps_the_weights_of_another_run(tmp_path, phantom, finished):
    overrides = [
        "model=combined",
        "backbone@model.members.densenet=resnet18",
        "model.members.efficientnet.name=resnet10t",
        "+model.members.efficientnet.options={channels:[4,4,8,8],stem_width:4}",
        f"model.members.efficientnet.pretrained={finished[0] / 'checkpoints/best.ckpt'}",
        "model.members.efficientnet.frozen=true",
        "explainer=[]",
    ]
    start(tmp_path / "run", phantom, *overrides)
    before = chexpert.load(finished[0]).model.members["backbone"].state_dict()
    after = chexpert.load(tmp_path / "run").model.members["efficientnet"].state_dict()
    assert all((before[key] == after[key]).all() for key in before)


def test_sweep_continues_after_a_failed_job(tmp_path, phantom):
    sweep = f"-m optimizer.lr=1e-3,-1 labels=zeros,lsr explainer=[] hydra.sweep.dir={tmp_path}/sweep".split()
    sweep += ["data=small", f"data.root={phantom}"]
    done = train(*sweep, *TINY)
    assert done.returncode == 1
    assert "job 2 (optimizer.lr=-1, labels=zeros, " in done.stderr
    assert set(find_places(done.stderr)) == {"optimizer.lr"}
    states = [json.loads((tmp_path / "sweep" / job / "state.json").read_text()) for job in "0123"]
    assert [state["state"] for state in states] == ["finished", "finished", "failed", "failed"]
    assert [(tmp_path / "sweep" / job / "metrics.json").is_file() for job in "0123"] == [True, True, False, False]
    assert "-1" in states[2]["why"]
    assert "optimizer.lr=-1" in states[3]["overrides"]
    rows = {row["job"]: row for row in csv.DictReader((tmp_path / "sweep/table.csv").open())}
    assert [rows[job]["state"] for job in "0123"] == ["finished", "finished", "failed", "failed"]
    assert [rows[job]["why"] for job in "23"] == [states[2]["why"]] * 2
    assert f"{tmp_path}/sweep/table.csv" in done.stdout  # although Hydra ends with the error of a job


def read_predictions(run: Path, split: str) -> dict[str, dict[str, float]]:
    """Return the probabilities by path and observation."""
    rows = list(csv.DictReader((run / "predictions" / f"{split}.csv").open()))
    return {row.pop("Path"): {name: float(p) for name, p in row.items()} for row in rows}


def assert_loads(run: Path, phantom: Path, split: str = "valid") -> None:
    """Check that the loaded model gives the probabilities that the run wrote."""
    loaded = chexpert.load(run)
    path, expected = next(iter(read_predictions(run, split).items()))
    with torch.no_grad():
        logits = loaded.model(loaded.preprocessing(phantom / path)[None])
    assert logits.sigmoid()[0].tolist() == pytest.approx(list(expected.values()), abs=1e-6)
    assert list(expected) == loaded.observations


def test_three_class_model_outputs_the_observations(tmp_path, phantom):
    start(tmp_path / "run", phantom, "labels=best_per_observation", "explainer=[gradcam]")
    assert_loads(tmp_path / "run", phantom)
    model = chexpert.load(tmp_path / "run").model
    assert model.output_head.uncertain == [COMPETITION.index("Cardiomegaly"), COMPETITION.index("Pleural Effusion")]
    assert model.head.out_features == 7


@pytest.fixture(scope="module")
def stage1(tmp_path_factory, phantom) -> Path:
    folder = tmp_path_factory.mktemp("pham") / "stage1"
    start(folder, phantom, "experiment=pham_stage1", "explainer=[gradcam]")
    return folder


def test_conditional_probabilities_are_multiplied_everywhere(stage1, phantom):
    assert_loads(stage1, phantom)
    for row in read_predictions(stage1, "valid").values():
        assert all(row[child] <= row[parent] for child, parent in PARENTS.items())
    (entry, *_) = json.loads((stage1 / "explanations/gradcam/manifest.json").read_text())
    expected = read_predictions(stage1, "valid")[entry["view"]][entry["observation"]]
    assert entry["probability"] == pytest.approx(expected, abs=1e-6)


def test_second_stage_changes_only_the_last_layer(tmp_path, phantom, stage1):
    start(tmp_path / "run", phantom, "experiment=pham_stage2", f"start_from={stage1}", "explainer=[]")
    before, after = (chexpert.load(run).model for run in (stage1, tmp_path / "run"))
    assert after.output_head.parents == before.output_head.parents
    moved = [key for key, value in after.state_dict().items() if not torch.equal(value, before.state_dict()[key])]
    assert moved == ["head.weight", "head.bias"]


def frontal_paths(phantom):
    """Return the paths of the frontal training views, in file order."""
    table = csv.DictReader((phantom / "CheXpert-v1.0-small/train.csv").open())
    return [row["Path"] for row in table if row["Frontal/Lateral"] == "Frontal"]


def test_self_trained_run_reads_the_predictions_of_the_first(tmp_path, phantom):
    start(tmp_path / "first", phantom, "labels=ignore", "predict_train=true", "explainer=[]")
    assert_loads(tmp_path / "first", phantom, "train")
    assert list(read_predictions(tmp_path / "first", "train")) == frontal_paths(phantom)
    options = ["labels=self_trained", f"labels.predictions={tmp_path / 'first'}", "explainer=[]"]
    assert start(tmp_path / "second", phantom, *options) > 0


def test_finished_run_predicts_training_views_without_training(tmp_path, phantom, finished):
    options = [f"start_from={finished[0]}", "trainer.max_epochs=0", "predict_train=true", "explainer=[]"]
    start(tmp_path / "run", phantom, *options)
    assert len(read_predictions(tmp_path / "run", "train")) == len(frontal_paths(phantom))
    shutil.copytree(finished[0] / "checkpoints", tmp_path / "run/checkpoints")  # a run that only evaluates has none
    assert_loads(tmp_path / "run", phantom, "train")


def test_start_from_with_another_output_head_is_an_error(tmp_path, phantom, stage1):
    given = [f"start_from={stage1}", "observations=all", "trainer.max_epochs=0"]
    error = start_with_error(tmp_path / "run", phantom, "other-model", given[0], *given)
    assert "labels=" in error.hint


def test_checkpoint_without_output_head_loads(tmp_path, finished):
    content = torch.load(finished[0] / "checkpoints/best.ckpt", weights_only=True)
    del content["chexpert"]["readout"]
    torch.save(content, tmp_path / "old.ckpt")
    image = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(chexpert.load(tmp_path / "old.ckpt").model(image), chexpert.load(finished[0]).model(image))


def test_observation_with_too_few_labels_is_a_warning(tmp_path, phantom, capsys):
    overrides = ["observations=[Edema,No Finding]", "mean_over=[Edema]", "labels.blank=ignore", "explainer=[]"]
    start(tmp_path / "run", phantom, *overrides)
    assert re.search(r"^warning: No Finding .*\d+ .* 0 ", capsys.readouterr().err, re.MULTILINE)


def test_run_with_undefined_auroc_finishes(tmp_path, phantom, capsys):
    mean = start(tmp_path / "run", phantom, "observations=[Fracture]", "mean_over=[Fracture]", "explainer=[]")
    assert np.isnan(mean)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())["valid"]
    assert metrics["auroc_mean"] is None
    assert (tmp_path / "run/checkpoints/best.ckpt").is_file()
    assert re.search(r"^warning: Fracture .* 0 .* 24 ", error := capsys.readouterr().err, re.MULTILINE)
    assert "val/loss" in error  # chooses the epoch


def test_finished_run_is_evaluated_again_without_training(tmp_path, phantom, finished):
    view = "patient64541/study1/view1_frontal.jpg"
    overrides = [f"start_from={finished[0]}", "trainer.max_epochs=0", f"explain.views=[{view}]", "explainer=[gradcam]"]
    overrides.append("explain.score=0")
    mean = start(tmp_path / "again", phantom, *overrides)
    assert mean == pytest.approx(json.loads((finished[0] / "metrics.json").read_text())["valid"]["auroc_mean"])
    folders = {path.name for path in (tmp_path / "again/explanations/gradcam").iterdir() if path.is_dir()}
    assert folders == {"maps", "patient64541_study1_view1_frontal"}
    assert not (tmp_path / "again/explanations/quality.json").exists()


def test_evaluation_at_another_image_size_is_an_error(tmp_path, phantom, finished):
    given = [f"start_from={finished[0]}", "trainer.max_epochs=0", "data.image_size=96"]
    error = start_with_error(tmp_path / "run", phantom, "other-preprocessing", "data", *given)
    assert "data.image_size=64" in error.hint


def start_with_error(folder: Path, phantom: Path, code: Code, where: object, *overrides: str) -> UserError:
    """Return the error of a run that leaves no folder."""
    with raises(code, where) as caught:
        start(folder, phantom, *overrides)
    assert not folder.exists()
    return caught.value


@pytest.fixture
def copy(tmp_path, phantom) -> Path:
    return Path(shutil.copytree(phantom, tmp_path / "copy")) / "CheXpert-v1.0-small"


def test_missing_column_is_an_error(tmp_path, copy):
    table = copy / "train.csv"
    table.write_text(table.read_text().replace("Edema", "Oedema", 1))
    error = start_with_error(tmp_path / "run", copy.parent, "missing-column", f"{table}, line 1")
    assert "'Edema'" in error.message


def test_unknown_label_is_an_error_with_its_line(tmp_path, copy):
    table = copy / "train.csv"
    lines = table.read_text().splitlines()
    lines[4] = lines[4].rpartition(",")[0] + ",2.0"
    table.write_text("\n".join(lines) + "\n")
    start_with_error(tmp_path / "run", copy.parent, "cell", f"{table}, line 5, column Support Devices")


def test_missing_image_is_an_error_or_skipped(tmp_path, copy):
    gone = next(copy.glob("train/*/*/*_frontal.jpg"))
    gone.unlink()
    error = start_with_error(tmp_path / "run", copy.parent, "missing-image", copy / "train.csv")
    assert str(gone.relative_to(copy)) in error.message
    error = start_with_error(tmp_path / "few", copy.parent, "missing-image", copy / "train.csv", "data.on_missing=skip")
    allowed = error.hint.split()[-1]
    start(tmp_path / "run", copy.parent, "data.on_missing=skip", allowed, "explainer=[]")
    skipped = json.loads((tmp_path / "run/metrics.json").read_text())["skipped"]
    assert skipped == [f"CheXpert-v1.0-small/{gone.relative_to(copy)}"]


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_truncated_image_stops_the_command(tmp_path, copy, workers):
    image = next(copy.glob("train/*/*/*_frontal.jpg"))
    image.write_bytes(image.read_bytes()[:1500])
    folder = tmp_path / "run"
    options = ["data=small", f"data.root={copy.parent}", f"hydra.run.dir={folder}", f"data.num_workers={workers}"]
    done = train(*TINY, *options)
    assert done.returncode == 1
    assert str(image) in done.stderr
    assert "data.on_missing=skip" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads((folder / "state.json").read_text())["state"] == "failed"
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["last.ckpt"]  # what was trained until then


def test_unusable_run_folder_is_an_error(tmp_path, phantom):
    (tmp_path / "file").write_text("content")
    for folder in (tmp_path / "file" / "run", tmp_path):
        done = train(f"hydra.run.dir={folder}")
        assert done.returncode == 2
        assert find_places(done.stderr) == [str(folder)]
        assert "Traceback" not in done.stderr
    with raises("not-empty", tmp_path):
        start(tmp_path, phantom)
    assert (tmp_path / "file").read_text() == "content"


@pytest.mark.parametrize(
    ("given", "places"),
    [
        (["data=small", "data.root=/no/such", "level=patient"], ["level", "data.root=/no/such"]),
        (["trainer.max_epoch=1"], ["trainer.max_epoch=1"]),
        (["data=smal"], ["data=smal"]),
        (["sede=1"], ["sede=1"]),
        (["explain.count=abc"], ["explain.count=abc"]),
    ],
)
def test_wrong_argument_stops_the_command_without_a_folder(tmp_path, given, places):
    done = train(*given, f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert find_places(done.stderr) == places
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "code", "where"),
    [
        ("optimizer.lr=-1", "value", "optimizer.lr"),
        ("optimizer.lr=abc", "value", "optimizer.lr"),
        ("trainer.precision=foo", "not-built", "trainer"),
        ("backbone.name=vit_tiny_patch16_384", "image-size", "data.image_size"),
    ],
)
def test_wrong_value_is_an_error_before_data_is_read(tmp_path, phantom, override, code, where, monkeypatch):
    monkeypatch.setattr("chexpert.data.CheXpertDataModule.setup", lambda *_: pytest.fail("data was read"))
    start_with_error(tmp_path / "run", phantom, code, where, override, "backbone.options=null")


def test_loading_a_checkpoint_runs_only_models_of_the_project(tmp_path, finished):
    content = torch.load(finished[0] / "checkpoints/best.ckpt", weights_only=True)
    target = {"_target_": "chexpert.runs.files.write_json", "path": str(tmp_path / "owned"), "content": 1}
    content["chexpert"]["config"]["model"]["backbone"] = target
    torch.save(content, tmp_path / "evil.ckpt")
    with raises("untrusted-target", f"{tmp_path / 'evil.ckpt'}, model.backbone"):
        chexpert.load(tmp_path / "evil.ckpt")
    assert not (tmp_path / "owned").exists()


def test_start_from_with_other_observations_is_an_error(tmp_path, phantom, finished):
    given = [f"start_from={finished[0]}", "observations=all"]
    error = start_with_error(tmp_path / "run", phantom, "other-model", given[0], *given)
    assert f"observations='[{COMPETITION[0]}" in error.hint


def test_start_from_a_table_is_an_error(tmp_path, phantom):
    table = phantom / "CheXpert-v1.0-small/valid.csv"
    start_with_error(tmp_path / "run", phantom, "not-a-checkpoint", table, f"start_from={table}")


def test_unknown_view_to_explain_is_an_error(tmp_path, phantom):
    view = "patient1/study1/view1_frontal.jpg"
    error = start_with_error(tmp_path / "run", phantom, "unknown-view", "explain.views", f"explain.views=[{view}]")
    assert view in error.message


def test_masks_of_another_size_are_an_error_before_training(tmp_path, phantom, copy, monkeypatch):
    masks = json.loads((phantom / "gt_segmentations_valid.json").read_text())
    for observations in masks.values():
        for item in observations.values():
            item["size"] = item["size"][::-1]  # as many pixels
    (copy / "gt_segmentations_val.json").write_text(json.dumps(masks))
    monkeypatch.setattr("chexpert.training.MultilabelModule.training_step", lambda *_: pytest.fail("training started"))
    error = start_with_error(
        tmp_path / "run", copy.parent, "mask-size", copy / "gt_segmentations_val.json", "explain.count=24"
    )
    assert "explain.masks=false" in error.hint


def test_masks_of_scored_views_are_checked_before_training(tmp_path, phantom, copy, monkeypatch, capsys):
    masks = json.loads((phantom / "gt_segmentations_valid.json").read_text())
    scored = dict.fromkeys(list(masks)[1:], masks.popitem()[1])
    for item in [item for own in scored.values() for item in own.values()]:
        item["size"] = item["size"][::-1] if item["size"][0] != item["size"][1] else [48, 192]
    (copy / "gt_segmentations_val.json").write_text(json.dumps(scored))
    options = ["explainer=[hirescam]", "explain.count=1", "explain.score=6"]
    with monkeypatch.context() as patch:
        patch.setattr("chexpert.training.MultilabelModule.training_step", lambda *_: pytest.fail("training started"))
        start_with_error(tmp_path / "run", copy.parent, "mask-size", copy / "gt_segmentations_val.json", *options)
    with monkeypatch.context() as patch:  # as an older version that did not check them: it stops after training
        patch.setattr("chexpert.engine.fit.evaluate_run", lambda *_: (_ for _ in ()).throw(RuntimeError))
        patch.setattr("chexpert.explain.ExplainCallback.check", lambda *_: None)
        with pytest.raises(RuntimeError):
            start(tmp_path / "run", copy.parent, *options)
    start(tmp_path / "run", copy.parent, *options, "explain.masks=false", "resume=auto")
    assert re.search("explain.masks.*None.*False", capsys.readouterr().err)
    assert json.loads((tmp_path / "run/state.json").read_text())["state"] == "finished"
    assert json.loads((tmp_path / "run/explanations/quality.json").read_text())["masks"] is None


@pytest.mark.parametrize(
    "error",
    [RuntimeError("no such layer"), pytest.param(OSError(28, "No space left on device"), marks=pytest.mark.slow)],
    ids=["error", "full disk"],
)
def test_failed_explainer_keeps_the_run_and_the_other_explainers(tmp_path, phantom, monkeypatch, capsys, error):
    def fail(*_: object) -> None:
        assert (tmp_path / "run/metrics.json").is_file()
        assert (tmp_path / "run/evaluation/valid.json").is_file()
        assert (tmp_path / "run/report.html").is_file()
        raise error

    monkeypatch.setattr("chexpert.engine.setup.try_explainers", lambda *_: None)
    monkeypatch.setattr("chexpert.explain.GradCAM.__call__", fail)
    mean = start(tmp_path / "run", phantom, "explainer=[gradcam,hirescam]", "explain.score=6", plotted=True)
    run = tmp_path / "run"
    output = capsys.readouterr()
    assert f"{mean:.3f}"[1:] in output.out
    assert f"chexpert explain {run} --explainer gradcam --out {run}/explanations-gradcam" in output.err
    assert json.loads((run / "state.json").read_text())["state"] == "finished"
    assert json.loads((run / "explanations/failed.json").read_text()).keys() == {"gradcam"}
    assert "Traceback" not in (run / "report.html").read_text()
    assert not (run / "explanations/gradcam").exists()
    assert (run / "explanations/hirescam/sheet.png").is_file()
    assert [*json.loads((run / "explanations/quality.json").read_text())["explainers"]] == ["hirescam"]
    assert "--explainer gradcam" in (run / "report.html").read_text()


@pytest.mark.parametrize("name", ["a b", "it's"])
def test_unwritable_report_is_a_warning_with_the_command(tmp_path, capsys, name):
    with report_errors_as_warnings(tmp_path / name):
        raise OSError(28, "No space left on device")
    warning, _, command = capsys.readouterr().err.strip().rpartition(": ")
    assert "No space left on device" in warning
    assert shlex.split(command) == ["chexpert", "report", str(tmp_path / name)]


def test_full_disk_while_explaining_keeps_metrics_and_report(tmp_path, phantom, monkeypatch, capsys):
    write = run_files.write_text

    def full(path: Path, text: str) -> None:
        if (tmp_path / "run/explanations/images").exists():
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(run_files, "write_text", full)
    start(tmp_path / "run", phantom, "explainer=[hirescam]", plotted=True)
    assert "No space left" in capsys.readouterr().err
    assert (tmp_path / "run/report.html").stat().st_size > 10_000
    assert (tmp_path / "run/MODEL_CARD.md").read_text().startswith("---\nlicense: other\n")
    assert not (tmp_path / "run/explanations/hirescam").exists()
    assert json.loads((tmp_path / "run/metrics.json").read_text())["valid"]["n"] > 0


@pytest.mark.slow
def test_metrics_do_not_depend_on_cache_or_workers(tmp_path, phantom):
    labeled = []
    for name, workers in (("plain", 0), ("built", 0), ("opened", 2)):
        cache = [] if name == "plain" else [f"data.cache={tmp_path / 'cache'}"]
        start(tmp_path / name, phantom, "explainer=[]", "trainer.max_epochs=2", f"data.num_workers={workers}", *cache)
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())["valid"]
        labeled.append((metrics, (tmp_path / name / "predictions" / "valid.csv").read_text()))
    assert labeled[0] == labeled[1] == labeled[2]


def test_study_with_contradicting_labels_is_an_error(tmp_path, copy):
    table = copy / "valid.csv"
    rows = list(csv.DictReader(table.open()))
    lateral = next(row for row in rows if row["Frontal/Lateral"] == "Lateral")
    lateral["Fracture"] = str(1 - float(lateral["Fracture"]))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, lateral, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    study = "/".join(lateral["Path"].split("/")[2:4])
    start_with_error(
        tmp_path / "run", copy.parent, "label-conflict", f"valid, {study}", "level=study", "data.views=all"
    )
