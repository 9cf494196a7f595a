"""The evaluation of a finished run in TensorBoard."""

import csv
import json
import re

import pytest
from helpers.evaluated_runs import make_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from torch.utils.tensorboard import SummaryWriter

from chexpert.engine.tensorboard import describe_run, list_metrics, show_evaluation
from chexpert.evaluation.run import evaluate_run
from chexpert.observations import COMPETITION
from chexpert.runs import files as run_files

CONFIG = {"level": "study", "study_score": "max", "mean_over": COMPETITION, "seed": 0, "calibration": "platt"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A run with a development split and sexes, and its events."""
    folder = make_run(tmp_path_factory.mktemp("made") / "run", 1.5)
    for make in (run_files.predictions, run_files.labels):
        text = make(folder, "valid").read_text()
        make(folder, "dev").write_text(text.replace("valid/patient6", "train/patient1"))
    labels = run_files.labels(folder, "valid")
    header, *rows = csv.reader(labels.read_text().splitlines())
    sexes = (["Female", "Male"] * len(rows))[: len(rows)]
    run_files.write_table(labels, [*header, "Sex"], [[*row, sex] for row, sex in zip(rows, sexes, strict=True)])
    metrics = json.loads((folder / run_files.METRICS).read_text())
    metrics |= {"dev": metrics["valid"] | {"labels": "train.csv"}, "best_epoch": 3}
    run_files.write_json(folder / run_files.METRICS, metrics)
    evaluate_run(folder, CONFIG)
    with SummaryWriter(str(folder / run_files.TENSORBOARD)) as training:  # its layout is the older one
        training.add_custom_scalars({"old": {}})
    show_evaluation(folder)
    return folder, EventAccumulator(str(folder / run_files.TENSORBOARD), size_guidance={"scalars": 0}).Reload()


def read(folder, split="valid"):
    return json.loads(run_files.evaluation(folder, split).read_text())


def test_scalars_match_the_evaluation_at_the_best_epoch(shown):
    folder, events = shown
    content = read(folder)
    expected = {
        "auroc/valid/mean": content["auroc_mean"],
        "auroc/valid/Edema": content["auroc"]["Edema"],
        "calibration/valid/ece_before/Edema": content["calibration"]["Edema"]["ece"],
        "calibration/valid/ece_after/Edema": content["calibrated"]["figures"]["Edema"]["ece"],
        "groups/valid/sex/Female": content["groups"]["sex"]["rows"]["Female"]["auroc_mean"],
        "auroc/dev/mean": read(folder, "dev")["auroc_mean"],
    }
    for tag, own in expected.items():
        (event,) = events.Scalars(tag)
        assert (event.step, event.value) == (3, pytest.approx(own["value"], abs=1e-6))


def test_group_of_few_patients_has_no_scalar(shown):
    content = read(shown[0])
    tags = {tag for tag, _ in list_metrics("valid", content)}
    content["groups"]["sex"]["rows"]["Female"]["patients"] = 9
    assert tags - {tag for tag, _ in list_metrics("valid", content)} == {"groups/valid/sex/Female"}


def test_each_split_has_its_plots(shown):
    assert sorted(shown[1].Tags()["images"]) == [
        "auroc/Intervals/dev",
        "auroc/Intervals/valid",
        "calibration/Reliability/dev",
        "calibration/Reliability/valid",
        "groups/Intervals/valid",
    ]


def test_layout_has_charts_of_auroc_loss_and_evaluation(shown):
    _, events = shown
    layout = Layout()
    layout.ParseFromString(events.Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0])
    charts = {category.title: {own.title: own.multiline.tag for own in category.chart} for category in layout.category}
    assert list(charts) == ["AUROC", "loss", "the best epoch"]
    assert list(charts["AUROC"]) == ["mean", *COMPETITION]
    (tag,) = charts["AUROC"]["Pleural Effusion"]
    assert re.search(tag, "val/auroc/Pleural Effusion")
    assert not re.search(tag, "val/auroc/Pleural Effusion 2")
    scalars = events.Tags()["scalars"]
    for title, tags in charts["the best epoch"].items():
        assert all(any(re.search(tag, own) for own in scalars) for tag in tags), title
    assert "valid split: mean AUROC, Sex" in charts["the best epoch"]


def test_event_files_name_no_patient(shown):
    folder, _ = shown
    for path in (folder / run_files.TENSORBOARD).iterdir():
        assert b"patient" not in path.read_bytes()


def test_run_is_named_by_its_overrides(shown, tmp_path):
    _, events = shown
    assert "run/text_summary" in events.Tags()["tensors"]
    run_files.write_json(tmp_path / "state.json", {"overrides": ["model=combined", "pretrained=/data/DOE"]})
    run_files.write_json(tmp_path / "data.json", {"splits": {"train": {"synthetic": True}}})
    text = describe_run(tmp_path)
    assert text.startswith(f"model=combined, pretrained=[a path] ({tmp_path.name})")
    assert "synthetic" in text
