"""The command line of localization scores."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from chexpert.metrics import LocalMap, Segmentations, write_map, write_segmentations
from chexpert.metrics.localization.run_lengths import encode

SCRIPT = Path(__file__).parents[2] / "scripts/localize.py"
VIEWS = [f"patient{number}_study1_view1_frontal" for number in range(4)]
MASKS = [np.zeros((12, 9), bool) for _ in VIEWS]
for number, mask in enumerate(MASKS[:3]):
    mask[2 : 6 + number, 3:7] = True


@pytest.fixture
def run(monkeypatch, tmp_path):
    """The script in this process and a folder of its own, given its arguments; its exit code comes back."""
    spec = importlib.util.spec_from_file_location("localize", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.chdir(tmp_path)
    listed = {view: {"Lung Opacity": encode(mask)} for view, mask in zip(VIEWS, MASKS, strict=True)}
    write_segmentations(Path("gt.json"), listed)
    for view, mask in zip(VIEWS, MASKS, strict=True):
        write_map(
            Path("maps") / f"{view}_Airspace Opacity_map.npz", LocalMap(mask + np.linspace(0, 0.1, 9), 0.6, 9, 12)
        )

    def run(arguments):
        monkeypatch.setattr(sys, "argv", ["localize.py", *arguments.split()])
        try:
            script.main()
        except SystemExit as stopped:
            return stopped.code
        return 0

    return run


def read(name):
    return json.loads(Path(name).read_text())


def test_maps_are_scored_and_the_table_is_printed(run, capsys):
    assert run("--ground-truth gt.json --maps maps --out new/out.json") == 0
    found = read("new/out.json")["Lung Opacity"]
    assert (found["miou"], found["images"], found["ci_low"], found["ci_high"]) == (1.0, 3, 1.0, 1.0)
    assert (found["hit_rate"], found["hit_rate_images"]) == (1.0, 3)
    assert (found["miou_all"], found["miou_all_images"], found["false_positives"]) == (0.75, 4, 1)
    assert capsys.readouterr().out.splitlines()[1].startswith("Lung Opacity  ")


def test_what_is_saved_scores_as_the_maps_did(run):
    run("--ground-truth gt.json --maps maps --threshold 0.5 --save-segmentations pred.json --out maps.json")
    assert run("--ground-truth gt.json --segmentations pred.json --out pred_out.json") == 0
    assert list(read("pred.json")[VIEWS[0]]) == ["Airspace Opacity"]
    one, other = read("maps.json")["Lung Opacity"], read("pred_out.json")["Lung Opacity"]
    assert {key for key in one if one[key] != other[key]} == {
        *("hit_rate", "hit_rate_ci_low", "hit_rate_ci_high", "hit_rate_images", "hit_rate_undefined_replicates"),
        *("chance", "threshold", "probability_cutoff", "maps", "without_map"),
    }
    assert other["hit_rate"] is None


def test_below_the_cutoff_an_empty_mask_is_saved(run):
    run("--ground-truth gt.json --maps maps --probability-cutoff 0.7 --save-segmentations pred.json --out out.json")
    saved = Segmentations.read("pred.json")
    assert [saved.area(view, "Lung Opacity") for view in VIEWS] == [0, 0, 0, 0]
    assert saved.size(VIEWS[0]) == (12, 9)


def test_masks_against_themselves_are_1(run):
    assert run("--ground-truth gt.json --segmentations gt.json --out out.json") == 0
    assert read("out.json")["Lung Opacity"]["miou"] == 1.0


def test_settings_are_tuned_here_or_elsewhere(run, capsys):
    assert run("--ground-truth gt.json --maps maps --threshold tuned --probability-cutoff tuned --out out.json") == 0
    assert read("out.json")["Lung Opacity"]["tuned_on"] == "these images: optimistic"
    options = "--threshold tuned --tune-ground-truth gt.json --tune-maps maps --out out.json"
    assert run(f"--ground-truth gt.json --maps maps {options}") == 0
    assert read("out.json")["Lung Opacity"]["tuned_on"] == "gt.json"
    assert "tuned on: gt.json" in capsys.readouterr().out


def test_tables_of_settings_are_applied(run):
    Path("t.csv").write_text("threshold,task\n0.95,Airspace Opacity\n")
    Path("p.csv").write_text("prob_threshold,mIoU,task\n0.0,0.1,Airspace Opacity\n0.7,0.2,Airspace Opacity\n")
    assert run("--ground-truth gt.json --maps maps --threshold t.csv --probability-cutoff p.csv --out out.json") == 0
    found = read("out.json")["Lung Opacity"]
    assert (found["threshold"], found["probability_cutoff"], found["missed"]) == (0.95, 0.7, 3)
    assert (found["miou"], found["miou_all"]) == (None, 0.0)


def test_what_the_maps_do_not_cover_is_noted(run, capsys):
    one = {"Lung Opacity": encode(MASKS[0]), "Edema": encode(MASKS[1])}
    write_segmentations(Path("gt.json"), {VIEWS[0]: one, VIEWS[1]: one, "patient9_study1_view1_frontal": one})
    assert run("--ground-truth gt.json --maps maps --out out.json") == 0
    found = read("out.json")
    assert [found[name]["maps"] for name in ("Lung Opacity", "Edema")] == [4, 0]
    assert [found[name]["without_map"] for name in ("Lung Opacity", "Edema")] == [1, 3]
    assert {found["Edema"][metric] for metric in ("miou", "miou_all", "hit_rate", "threshold")} == {None}
    _, row, *notes = capsys.readouterr().out.splitlines()
    assert row.startswith("Lung Opacity")
    assert {
        "note: no maps: Edema",
        "note: Lung Opacity: 1 of 3 masks have no map, counted as misses",
        f"note: 2 maps of views that the ground truth does not list, e.g. {VIEWS[2]}",
    } <= set(notes)


def test_misspelled_observations_of_either_file_are_noted(run, capsys):
    for name, wrong in (("gt.json", "Edma"), ("pred.json", "Lung opacity")):
        write_segmentations(Path(name), {VIEWS[0]: {"Edema": encode(MASKS[0]), wrong: encode(MASKS[0])}})
    assert run("--ground-truth gt.json --segmentations pred.json --out out.json") == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "note: 1 mask ignored in gt.json: 'Edma' is not an observation of CheXpert; Edema?",
        "note: 1 mask ignored in pred.json: 'Lung opacity' is not an observation of CheXpert; Lung Opacity?",
    ]


def test_views_without_a_prediction_are_noted(run, capsys):
    write_segmentations(Path("pred.json"), {view: {"Edema": encode(MASKS[0])} for view in (VIEWS[0], "patient9")})
    assert run("--ground-truth gt.json --segmentations pred.json --out out.json") == 0
    notes = capsys.readouterr().out.splitlines()[-2:]
    assert notes == [
        "note: 1 prediction of views that the ground truth does not list, e.g. patient9",
        f"note: 3 of 4 views have no prediction, taken as empty, e.g. {VIEWS[1]}",
    ]


def test_of_a_table_a_row_is_asked_for_only_where_there_is_a_map(run):
    write_segmentations(Path("gt.json"), {VIEWS[0]: {name: encode(MASKS[0]) for name in ("Lung Opacity", "Edema")}})
    Path("t.csv").write_text("threshold,task\n0.5,Airspace Opacity\n")
    assert run("--ground-truth gt.json --maps maps --threshold t.csv --out out.json") == 0


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
        "--ground-truth gt.json --maps maps --probability-cutoff otsu --out out.json",
        "--ground-truth gt.json --segmentations gt.json --threshold 0.5 --out out.json",
        "--ground-truth gt.json --maps maps --tune-maps maps --threshold tuned --out out.json",
        "--ground-truth gt.json --maps maps --tune-maps maps --tune-ground-truth gt.json --out out.json",
        "--ground-truth gt.json --maps maps --bootstrap 0 --out out.json",
        "--ground-truth gt.json --maps maps --seed -1 --out out.json",
    ],
)
def test_misuse_ends_with_2_and_one_message(run, arguments, capsys):
    before = Path("gt.json").read_text()
    assert run(arguments) == 2
    assert capsys.readouterr().err.strip()
    assert not Path("out.json").exists()
    assert Path("gt.json").read_text() == before
