"""A probe of two encoders, from the command to everything that a run leaves; a sweep shares its features."""

import csv
import json

import numpy as np
import pytest
import torch
from helpers.resumed_runs import SHORT, check_equal, stop_at
from helpers.runs import TINY, start, train

import chexpert
from chexpert.checkpoints import load
from chexpert.data import ViewDataset
from chexpert.data.features import Features
from chexpert.inference.opened_run import open_data
from chexpert.report import write_report
from chexpert.signals import Stopped

OPTIONS = [one for one in TINY if not one.startswith(("data.batch_size", "trainer.max_epochs"))]
EDGES = ["data.folds=4", "data.fold=0", "trainer.max_epochs=4", "data.batch_size=8"]
SETTINGS = ["model=probe", *OPTIONS, "data=small", *EDGES]
MEMBER = ["+backbone@model.members.mnasnet=mnasnet_100", "model.members.mnasnet.name=mnasnet_small"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, phantom):
    """The folder of a run by the real command, and what it printed."""
    folder = tmp_path_factory.mktemp("probe")
    options = ["explainer=[gradcam,lime]", "explainer.lime.samples=20", "explainer.lime.superpixels=8"]
    done = train(
        *SETTINGS, *MEMBER, *options, f"data.root={phantom}", f"features={folder / 'features'}",
        f"hydra.run.dir={folder / 'run'}", "model.hidden=8", "optimizer.lr=1e-2"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done


def test_run_leaves_everything(trained):
    folder = trained[0] / "run"
    files = """config.yaml data.json metrics.json state.json calibration.json report.html checkpoints/best.ckpt
        checkpoints/last.ckpt checkpoints/best.safetensors checkpoints/best.json checkpoints/best-validation.pt
        predictions/dev.csv predictions/valid.csv labels/valid.csv evaluation/dev.json evaluation/valid.json
        explanations/gradcam/manifest.json explanations/lime/manifest.json explanations/gradcam/sheet.png"""
    assert [name for name in files.split() if not (folder / name).is_file()] == []
    manifest = json.loads((folder / "explanations/gradcam/manifest.json").read_text())
    assert list(manifest[0]["layer"]) == ["backbone", "mnasnet"]
    assert not (folder / "explanations/failed.json").exists()


def test_report_names_the_encoders_and_the_head(trained):
    text = write_report(trained[0] / "run").read_text()
    assert "mnasnet_small" in text
    assert "model.hidden" in text


def test_random_encoders_are_warned_of(trained):
    lines = trained[1].stderr.splitlines()
    assert sum("random weights" in line and "features are random" in line for line in lines) == 2


def test_each_encoder_has_its_files(trained):
    model = load(trained[0] / "run").model
    widths = [member.width for member in model.members.values()]
    names = sorted(path.name.rsplit("-", 1)[0] for path in (trained[0] / "features").iterdir())
    assert names == sorted(f"{split}-{width}" for split in ("train", "valid") for width in widths)


def open_training(folder):
    """The trained model, and the features of all images of train.csv."""
    model = load(folder / "run").model
    files = {path.name.split("-")[1]: path for path in (folder / "features").glob("train-*")}
    return model, Features([files[str(member.width)] for member in model.members.values()])


def test_statistics_are_those_of_the_training_features_without_the_held_out(trained, phantom):
    folder, _ = trained
    model, features = open_training(folder)
    with (folder / "run/labels/dev.csv").open() as file:
        held = {row["Path"] for row in csv.DictReader(file)}
    with (phantom / "CheXpert-v1.0-small/train.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["Frontal/Lateral"] == "Frontal"]
    kept = [n for n, row in enumerate(rows) if row["Path"] not in held]
    assert 0 < len(kept) < len(rows) == len(features.rows)
    values = features.read(kept).astype(np.float64)
    np.testing.assert_allclose(model.mean, values.mean(0), rtol=1e-6)
    varied = values.std(0) > 1e-5 * abs(values.mean(0))
    np.testing.assert_allclose(model.deviation[varied], values.std(0)[varied], rtol=1e-5)


def test_logits_of_features_are_those_of_the_images_on_the_training_path(trained, phantom):
    loaded = load(trained[0] / "run")
    with (trained[0] / "run/labels/valid.csv").open() as file:
        files = [phantom / row["Path"] for row in csv.DictReader(file)]
    (path,) = (trained[0] / "features").glob(f"valid-{loaded.model.members['mnasnet'].width}-*")
    other = next(one for one in (trained[0] / "features").glob("valid-*") if one != path)
    features = torch.from_numpy(Features([other, path]).read(np.arange(len(files))))
    targets = np.zeros((len(files), 1), np.float32)
    views = ViewDataset([file.name for file in files], files, targets, targets > 0, loaded.preprocessing)
    model = loaded.model.to(memory_format=torch.channels_last)  # as the run had it, and batches as large
    parts = [[(0, row) for row in rows] for rows in np.arange(len(files)).reshape(-1, 8).tolist()]
    with torch.no_grad():
        of_features = model.training_logits(features)
        of_images = torch.cat([model.training_logits(views.read(keys).images) for keys in parts])
    assert of_features.std(0).min() > 1e-3  # it has learned something of the images
    torch.testing.assert_close(of_features, of_images, rtol=0, atol=1e-6)


def test_prediction_of_images_is_that_of_the_run(trained, phantom):
    with (trained[0] / "run/predictions/valid.csv").open() as file:
        rows = list(csv.DictReader(file))[:3]
    predicted = chexpert.open_run(trained[0] / "run").predict([phantom / row["Path"] for row in rows])
    for row, (_, own) in zip(rows, predicted.iterrows(), strict=True):
        assert list(own) == pytest.approx([float(row[name]) for name in predicted.columns], abs=2e-6)


def test_images_of_a_pass_are_fewer_than_the_features_of_a_batch(trained):
    loaded = load(trained[0] / "run")
    loaded.config["data"]["batch_size"] = 256
    assert open_data(loaded).batch_size == 16


def test_stopped_probe_resumes_to_the_same_bits(tmp_path, phantom, monkeypatch):
    options = ["model=probe", *SHORT, f"features={tmp_path / 'features'}", "data.batch_size=8", "model.hidden=4"]
    start(tmp_path / "whole", phantom, *options)
    with monkeypatch.context() as patch:
        stop_at(patch, "training_step", 7)
        with pytest.raises(Stopped):
            start(tmp_path / "run", phantom, *options)
    start(tmp_path / "run", phantom, *options, "resume=auto")
    check_equal(tmp_path / "run", tmp_path / "whole")


def test_run_that_starts_from_a_probe_keeps_its_statistics(trained, phantom, tmp_path):
    folder, _ = trained
    options = [*MEMBER, "model=probe", "model.hidden=8", f"start_from={folder / 'run'}", "explainer=[]"]
    start(tmp_path / "run", phantom, *options, f"features={folder / 'features'}", "optimizer.lr=1e-9")
    before, after = load(folder / "run").model, load(tmp_path / "run").model
    assert torch.equal(before.mean, after.mean)  # although it learns from the images that were held out, too
    torch.testing.assert_close(before.head.bias, after.head.bias, rtol=0, atol=1e-6)


def test_sweep_computes_the_features_once(tmp_path, phantom):
    done = train(
        "-m", *SETTINGS, "explainer=[]", "calibration=null", f"data.root={phantom}",
        f"features={tmp_path / 'features'}", f"hydra.sweep.dir={tmp_path / 'sweep'}",
        "optimizer.lr=1e-4,1e-2", "optimizer.weight_decay=0,1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    states = [json.loads(path.read_text())["state"] for path in (tmp_path / "sweep").glob("*/state.json")]
    assert states == ["finished"] * 4
    assert sum(line.startswith("features: of ") for line in done.stderr.splitlines()) == 2  # of train and of valid
    assert len(list((tmp_path / "features").iterdir())) == 2
