"""Parts of the report of a made-up run: exact numbers, and parts that are left out."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.golden import check_golden
from helpers.learned_targets import make_targets
from helpers.report_runs import make_run

from chexpert.report.figures.reliability import plot_reliability
from chexpert.report.figures.roc import plot_curves
from chexpert.report.figures.training_curves import plot_training, read_lines
from chexpert.report.html.gallery import read_gallery
from chexpert.report.html.groups import list_groups, plot_groups
from chexpert.report.html.performance import collect_performance
from chexpert.report.html.provenance import (
    list_data,
    list_done,
    list_facts,
    list_label_rules,
    list_learned_targets,
    list_undone,
)
from chexpert.report.html.run_page import Parts
from chexpert.report.names import Names
from chexpert.report.run_data import RunData
from chexpert.runs import files as run_files

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("outputs") / "run")


@pytest.fixture
def run_data(run) -> RunData:
    return RunData.read(run)


def test_training_curves_are_over_epochs(run):
    lines = read_lines(run / "tensorboard")
    epochs, losses = lines["train/loss"]
    assert np.allclose(epochs, np.arange(1, 9) / 4)
    assert np.allclose(losses, 1 - 0.1 * np.arange(8), atol=1e-6)
    assert lines["val/loss"][0].tolist() == [1, 2]
    loss, auroc, rate = (curve.title for curve in plot_training(run, 1, "dev"))
    assert (loss, rate) == ("Loss", "Learning rate")
    assert "dev" in auroc


def test_without_event_files_there_are_no_curves(tmp_path):
    assert plot_training(tmp_path, None, "valid") == []


def test_reliability_has_the_metrics_of_the_run(run, run_data):
    content = json.loads((run / "evaluation/valid.json").read_text())
    found = plot_reliability(run_data.labeled["valid"], content, run_data.calibration, "", "r")
    assert [own.before for own in found] == [content["calibration"][own.observation] for own in found]
    assert [own.after for own in found] == [content["calibrated"]["figures"][own.observation] for own in found]
    without = {key: value for key, value in content.items() if key != "calibrated"}
    again = plot_reliability(run_data.labeled["valid"], without, run_data.calibration, "", "r")
    assert [own.after["ece"]["value"] for own in again] == [own.after["ece"]["value"] for own in found]
    assert {own.after for own in plot_reliability(run_data.labeled["valid"], content, None, "", "r")} == {None}


def test_calibration_is_not_shown_on_its_own_split(run):
    run_data = RunData.read(run)
    run_data.calibration = run_data.calibration.__class__("platt", "valid", "max", run_data.calibration.levels)
    assert {own.after for own in Parts(run_data, Names("path", run)).reliability()} == {None}


def test_observation_with_one_class_has_no_curve(run_data):
    labeled = run_data.labeled["valid"]
    labeled.labels[:, 1] = 0
    assert [curves.observation for curves in plot_curves(labeled, {}, "", "c")] == ["Edema", "Consolidation"]


def test_groups_are_sorted_and_single_parts_not_plotted(run_data):
    groups = {group.title: group for group in list_groups(run_data.evaluations["valid"])}
    assert list(groups) == ["Sex", "Age in years", "View", "Projection"]
    assert list(groups["Age in years"].parts) == ["under 40", "40 to 59", "60 to 79", "80 and over"]
    assert "Frontal" in groups["View"].gap
    chart = plot_groups(run_data.evaluations["valid"], list(groups.values()), "", "g")
    assert "Female  (n = 30)" in chart
    assert "Frontal" not in chart


def test_gallery_has_each_image_once_with_all_methods(run):
    gallery = read_gallery(run, Names("path", run))
    assert gallery.explainers == ["hirescam", "lime"]
    assert [[layer.explainer for layer in card.layers] for card in gallery.cards] == [["hirescam", "lime"]] * 4
    assert [card.image_index for card in gallery.cards] == [0, 0, 1, 1]
    assert [image.partition(";")[0] for image in gallery.originals] == ["data:image/jpeg"] * 2
    assert gallery.truths == ["present", "absent", "not labeled"]
    assert gallery.cards[0].outline == "M20.0 16.0L60.0 16.0L60.0 48.0Z"
    assert all(layer.address.startswith("data:image/png;base64,") for card in gallery.cards for layer in card.layers)


def test_missing_map_leaves_an_empty_layer(run, tmp_path):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    next((copy / "explanations/lime/maps").iterdir()).unlink()
    layers = [layer for card in read_gallery(copy, Names("path", copy)).cards for layer in card.layers]
    assert [layer.address is None for layer in layers].count(True) == 1


def test_table_has_thresholds_and_their_split(run_data):
    table = collect_performance(run_data, "valid")
    assert table.points_chosen_on == "dev"
    assert list(table.points) == ["Edema", "Cardiomegaly", "Consolidation"]
    assert [point.rule for point in table.points["Edema"]] == ["Youden", "F1", "specificity .9"]
    assert collect_performance(run_data, "dev").points == {}
    assert re.findall(r"[\d,]*\d", table.interval) == ["95", "1,000", "60"]


def test_provenance_lists_steps_facts_and_data(run, run_data):
    steps = "\n".join(["done", *list_done(run_data), "", "not done", *list_undone(run_data), ""])
    check_golden(steps, GOLDEN / "provenance.txt")
    ((title, rule),) = list_label_rules(run_data, Names("hash", run))
    assert (re.findall(r"-1", title), re.findall(r"[\d.]+", rule)) == (["-1"], ["0.55", "0.85"])
    facts = dict(list_facts(run_data, Names("path", run)))
    assert facts["Command"] == "chexpert train data.root=/data/ward 3/DOE^JANE seed=3"
    assert (facts["Wall time"], facts["torch"], facts["Outcome"]) == ("2 min 5 s", "2.10.0", "finished")
    assert list_data(run_data, Names("hash", run))[0]["place"] == ""
    assert list_data(run_data, Names("path", run))[0]["place"] == "/data/ward 3/DOE^JANE"


@pytest.mark.parametrize("damage", [None, [], {"observations": 1}])
def test_page_has_learned_targets_with_intervals_and_counts(run, damage):
    run_data = RunData.read(run)
    assert list_learned_targets(run_data) == []
    run_data.data["learned_targets"] = make_targets({"Edema": [0.5, 0.25, None, 0.125]})
    cells = ["0.50 [0.25, 0.50] (100)", "0.25 [0.12, 0.25] (100)", "not learned", "0.12 [0.06, 0.12] (100)"]
    assert list_learned_targets(run_data) == [("Edema", cells)]
    run_data.data["learned_targets"] = damage
    assert list_learned_targets(run_data) == []


@pytest.mark.parametrize(
    ("entry", "why", "explainers"),
    [
        ("an older version's", "an older version's", "lime"),
        ({"why": "odd", "explainers": 3}, "odd", "lime"),
        ({"why": "none", "explainers": ["rise", "lime"], "traceback": "SECRET"}, "none", "rise lime"),
    ],
)
def test_failed_explainer_is_listed_without_its_traceback(run, tmp_path, entry, why, explainers):
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    run_files.write_json(copy / run_files.EXPLANATIONS / run_files.FAILED, {"lime": entry})
    (lack,) = RunData.read(copy).lacks
    assert "lime" in lack.message
    assert lack.message.endswith(why)
    assert lack.hint == (
        f"chexpert explain RUN --explainer {explainers} --out RUN/explanations-{explainers.split()[0]}"
    )
