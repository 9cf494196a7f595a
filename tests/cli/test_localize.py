"""chexpert localize: scores, notes, and its errors with exit code 2."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import run_cli

from chexpert.metrics import LocalMap, Segmentations, write_map, write_segmentations
from chexpert.metrics.localization.chexlocalize import HERE
from chexpert.metrics.localization.run_lengths import encode

VIEWS = [f"patient{number}_study1_view1_frontal" for number in range(4)]
MASKS = [np.zeros((12, 9), bool) for _ in VIEWS]
for number, mask in enumerate(MASKS[:3]):
    mask[2 : 6 + number, 3:7] = True


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Call the script in a folder with masks and maps."""
    monkeypatch.chdir(tmp_path)
    listed = {view: {"Lung Opacity": encode(mask)} for view, mask in zip(VIEWS, MASKS, strict=True)}
    write_segmentations(Path("gt.json"), listed)
    for view, mask in zip(VIEWS, MASKS, strict=True):
        write_map(
            Path("maps") / f"{view}_Airspace Opacity_map.npz", LocalMap(mask + np.linspace(0, 0.1, 9), 0.6, 9, 12)
        )

    return lambda arguments: run_cli("localize", *arguments.split())


def read(name):
    return json.loads(Path(name).read_text())


def list_notes(printed):
    return [line for line in printed.splitlines() if line.startswith("note: ")]


def test_maps_are_scored_and_the_table_is_printed(run):
    done = run("--ground-truth gt.json --maps maps --out new/out.json")
    assert done.returncode == 0, done.stderr
    found = read("new/out.json")["Lung Opacity"]
    assert (found["miou"], found["images"], found["ci_low"], found["ci_high"]) == (1.0, 3, 1.0, 1.0)
    assert (found["hit_rate"], found["hit_rate_images"]) == (1.0, 3)
    assert (found["miou_all"], found["miou_all_images"], found["false_positives"]) == (0.75, 4, 1)
    assert done.stdout.splitlines()[1].startswith("Lung Opacity  ")


def test_saved_segmentations_score_as_the_maps(run):
    run("--ground-truth gt.json --maps maps --threshold 0.5 --save-segmentations pred.json --out maps.json")
    assert run("--ground-truth gt.json --segmentations pred.json --out pred_out.json").returncode == 0
    assert list(read("pred.json")[VIEWS[0]]) == ["Airspace Opacity"]
    one, other = read("maps.json")["Lung Opacity"], read("pred_out.json")["Lung Opacity"]
    assert {key for key in one if one[key] != other[key]} == {
        *("hit_rate", "hit_rate_ci_low", "hit_rate_ci_high", "hit_rate_images", "hit_rate_undefined_replicates"),
        *("chance", "threshold", "probability_cutoff", "maps", "without_map"),
    }
    assert other["hit_rate"] is None


def test_mask_below_the_cutoff_is_saved_empty(run):
    run("--ground-truth gt.json --maps maps --probability-cutoff 0.7 --save-segmentations pred.json --out out.json")
    saved = Segmentations.read("pred.json")
    assert [saved.area(view, "Lung Opacity") for view in VIEWS] == [0, 0, 0, 0]
    assert saved.size(VIEWS[0]) == (12, 9)


def test_masks_score_1_against_themselves(run):
    assert run("--ground-truth gt.json --segmentations gt.json --out out.json").returncode == 0
    assert read("out.json")["Lung Opacity"]["miou"] == 1.0


def test_settings_are_tuned_on_these_images_or_others(run):
    run("--ground-truth gt.json --maps maps --threshold tuned --probability-cutoff tuned --out out.json")
    assert read("out.json")["Lung Opacity"]["tuned_on"] == HERE
    options = "--threshold tuned --tune-ground-truth gt.json --tune-maps maps --out out.json"
    done = run(f"--ground-truth gt.json --maps maps {options}")
    assert read("out.json")["Lung Opacity"]["tuned_on"] == "gt.json"
    assert "gt.json" in done.stdout


def test_given_thresholds_are_tried_and_named(run):
    arguments = "--ground-truth gt.json --maps maps --threshold tuned --out out.json"
    assert "thresholds tried: 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, as in CheXlocalize" in run(arguments).stdout
    assert "thresholds tried: 0.99, 0.25, not as" in run(f"{arguments} --thresholds 0.99 0.25").stdout
    found = read("out.json")["Lung Opacity"]
    assert (found["threshold"], found["miou"]) == (0.25, 1.0)
    done = run(f"{arguments} --thresholds exact")
    assert "thresholds tried: the exact search over all thresholds, not CheXlocalize's procedure" in done.stdout
    found = read("out.json")["Lung Opacity"]
    assert (found["threshold"], found["miou"]) == (pytest.approx(0.1 / 1.075), 1.0)
    assert "> 0.0930233" in done.stdout


def test_tables_of_settings_are_applied(run):
    Path("t.csv").write_text("threshold,task\n0.95,Airspace Opacity\n")
    Path("p.csv").write_text("prob_threshold,mIoU,task\n0.0,0.1,Airspace Opacity\n0.7,0.2,Airspace Opacity\n")
    run("--ground-truth gt.json --maps maps --threshold t.csv --probability-cutoff p.csv --out out.json")
    found = read("out.json")["Lung Opacity"]
    assert (found["threshold"], found["probability_cutoff"], found["missed"]) == (0.95, 0.7, 3)
    assert (found["miou"], found["miou_all"]) == (None, 0.0)


def test_views_and_masks_without_maps_are_noted(run):
    one = {"Lung Opacity": encode(MASKS[0]), "Edema": encode(MASKS[1])}
    write_segmentations(Path("gt.json"), {VIEWS[0]: one, VIEWS[1]: one, "patient9_study1_view1_frontal": one})
    done = run("--ground-truth gt.json --maps maps --out out.json")
    found = read("out.json")
    assert [found[name]["maps"] for name in ("Lung Opacity", "Edema")] == [4, 0]
    assert [found[name]["without_map"] for name in ("Lung Opacity", "Edema")] == [1, 3]
    assert {found["Edema"][metric] for metric in ("miou", "miou_all", "hit_rate", "threshold")} == {None}
    assert done.stdout.splitlines()[1].startswith("Lung Opacity")
    notes = list_notes(done.stdout)
    for facts in (["Edema"], ["Lung Opacity", "1 of 3 masks"], ["2 maps", VIEWS[2]]):
        assert [note for note in notes if all(fact in note for fact in facts)], facts


def test_unknown_observations_of_both_files_are_noted(run):
    for name, wrong in (("gt.json", "Edma"), ("pred.json", "Lung opacity")):
        write_segmentations(Path(name), {VIEWS[0]: {"Edema": encode(MASKS[0]), wrong: encode(MASKS[0])}})
    one, other = list_notes(run("--ground-truth gt.json --segmentations pred.json --out out.json").stdout)[-2:]
    assert "gt.json: 'Edma'" in one
    assert "pred.json: 'Lung opacity'" in other


def test_views_without_a_prediction_are_noted(run):
    write_segmentations(Path("pred.json"), {view: {"Edema": encode(MASKS[0])} for view in (VIEWS[0], "patient9")})
    one, other = list_notes(run("--ground-truth gt.json --segmentations pred.json --out out.json").stdout)[-2:]
    assert ("1 prediction" in one, "patient9" in one) == (True, True)
    assert ("3 of 4 views" in other, VIEWS[1] in other) == (True, True)


def test_table_needs_rows_only_for_observations_with_maps(run):
    write_segmentations(Path("gt.json"), {VIEWS[0]: {name: encode(MASKS[0]) for name in ("Lung Opacity", "Edema")}})
    Path("t.csv").write_text("threshold,task\n0.5,Airspace Opacity\n")
    assert run("--ground-truth gt.json --maps maps --threshold t.csv --out out.json").returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        "--ground-truth gt.json --out out.json",
        "--ground-truth gt.json --maps maps --segmentations gt.json --out out.json",
        "--ground-truth absent.json --maps maps --out out.json",
        "--ground-truth maps --maps maps --out out.json",
        "--ground-truth gt.json --maps absent --out out.json",
        "--ground-truth gt.json --segmentations absent.json --out out.json",
        "--ground-truth gt.json --maps maps --out gt.json",
        "--ground-truth gt.json --maps maps --out maps",
        "--ground-truth gt.json --maps maps --save-segmentations gt.json --out out.json",
        "--ground-truth gt.json --maps maps --threshold 2 --out out.json",
        "--ground-truth gt.json --maps maps --threshold absent.csv --out out.json",
        "--ground-truth gt.json --maps maps --thresholds 0.2 0.3 --out out.json",
        "--ground-truth gt.json --maps maps --threshold tuned --thresholds 0.2 exact --out out.json",
        "--ground-truth gt.json --maps maps --threshold tuned --thresholds 1.2 --out out.json",
        "--ground-truth gt.json --maps maps --probability-cutoff otsu --out out.json",
        "--ground-truth gt.json --segmentations gt.json --threshold 0.5 --out out.json",
        "--ground-truth gt.json --maps maps --tune-maps maps --threshold tuned --out out.json",
        "--ground-truth gt.json --maps maps --tune-maps maps --tune-ground-truth gt.json --out out.json",
        "--ground-truth gt.json --maps maps --bootstrap 0 --out out.json",
        "--ground-truth gt.json --maps maps --seed -1 --out out.json",
    ],
)
def test_wrong_call_ends_with_exit_code_2(run, arguments):
    before = Path("gt.json").read_text()
    done = run(arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: " in done.stderr
    assert not Path("out.json").exists()
    assert Path("gt.json").read_text() == before
