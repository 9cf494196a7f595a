"""Means, ranks and differences of made-up explainers, by numbers made by hand."""

import itertools
import json
import math

import numpy as np
import pytest
from helpers.errors import raises
from helpers.scored_explainers import view, write_quality, write_run

from chexpert.evaluation.explainers import compare_explainers

GRADCAM = {
    "Edema": {"iou": [0.5, 0.25, 0.75, 0.5, 0.5, 0.5], "top_block_size": [0.5] * 6, "gap_over_random": [1.0, 2.0] * 3},
    "Cardiomegaly": {"iou": [0.25] * 6, "top_block_size": [0.5] * 6, "gap_over_random": [1.0] * 6},
}
LIME = {
    "Edema": {"iou": [0.25] * 6, "top_block_size": [0.125] * 6, "gap_over_random": [0.5] * 6},
    "Cardiomegaly": {"iou": [0.5] * 6, "top_block_size": [0.125] * 6, "gap_over_random": [0.5] * 6},
    "Fracture": {"iou": [1.0] * 2},
}
RANDOM = {"Edema": {"iou": [0.0] * 6, "top_block_size": [1.0] * 6}}

BAD = '{"explainers": {"lime": {"control": false, "observations": {"Edema": {"n": 1, "iou": {"value": "x", "n": 1}}}}}}'


def compare(*folders, **more):
    return compare_explainers(folders, replicates=200, **more)


def get(content, name, model=0):
    return next(one for one in content["models"][model]["explainers"] if one["name"] == name)


def find(content, metric, first, second, observation=None):
    keys = {"metric": metric, "first": first, "second": second, "observation": observation}
    return next(one for one in content["models"][0]["differences"] if keys.items() <= one.items())


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", {"gradcam": GRADCAM, "lime": LIME, "random": RANDOM}, controls=["random"])


def test_mean_is_over_the_observations_that_all_explainers_have(run):
    content = compare(run)
    assert content["models"][0]["mean_over"]["iou"] == ["Edema", "Cardiomegaly"]
    mean = get(content, "lime")["mean"]["iou"]
    assert (mean["value"], mean["n"], mean["maps"]) == (0.375, 2, 12)
    assert (mean["ci_low"], mean["ci_high"]) == (0.375, 0.375)  # all maps of an observation are the same
    mean = get(content, "gradcam")["mean"]["iou"]
    assert mean["value"] == 0.375
    assert mean["ci_low"] < 0.375 < mean["ci_high"]
    assert get(content, "lime")["mean"]["road"]["value"] is None


def test_interval_of_a_mean_is_that_of_resampled_studies(run):
    counts = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), 200)
    iou = np.array(GRADCAM["Edema"]["iou"])
    replicates = np.sort((counts @ iou / 6 + 0.25) / 2)
    mean = get(compare(run), "gradcam")["mean"]["iou"]
    assert (mean["ci_low"], mean["ci_high"]) == pytest.approx((replicates[4], replicates[194]))


def test_ranks_leave_controls_out_and_know_the_better_direction(run):
    content = compare(run)
    assert [one["name"] for one in content["models"][0]["explainers"]] == ["gradcam", "lime", "random"]
    assert get(content, "gradcam")["ranks"] == {"iou": 1.5, "gap_over_random": 1, "top_block_size": 2}
    assert get(content, "lime")["ranks"] == {"iou": 1.5, "gap_over_random": 2, "top_block_size": 1}
    assert get(content, "gradcam")["mean_rank"] == 1.5
    assert get(content, "random")["mean_rank"] is None


@pytest.mark.parametrize(("by", "best"), [("top_block_size", "lime"), ("gap_over_random", "gradcam")])
def test_explainers_are_sorted_by_a_metric(run, by, best):
    assert compare(run, by=by)["models"][0]["explainers"][0]["name"] == best


def test_differences_are_of_the_same_views(tmp_path):
    first = {"Edema": {"iou": [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.75, 0.75]}}
    second = {"Edema": {"iou": [0.5, 0.0, 0.5, 0.0, 0.5, 0.5]}}
    folder = write_quality(tmp_path / "explained", {"gradcam": first, "rise": second})
    content = compare(folder)
    found = find(content, "iou", "gradcam", "rise")
    own = np.array(first["Edema"]["iou"][:6]) - second["Edema"]["iou"]
    assert (found["value"], found["n"], found["over"]) == (pytest.approx(own.mean()), 6, ["Edema"])
    counts = np.random.default_rng(0).multinomial(8, np.full(8, 1 / 8), 200)[:, :6]
    replicates = counts @ own / counts.sum(1)
    reach = 1.959963984540054 * replicates.std(ddof=1)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((own.mean() - reach, own.mean() + reach))
    assert found["p"] == found["p_holm"]
    assert find(content, "iou", "gradcam", "rise", "Edema")["value"] == found["value"]


def test_difference_of_few_views_has_no_interval(tmp_path):
    values = {"Edema": {"iou": [0.5, 0.25, 0.0, 1.0]}}
    found = find(compare(write_quality(tmp_path / "few", {"a": values, "b": values})), "iou", "a", "b")
    assert (found["value"], found["n"], math.isnan(found["ci_low"]), math.isnan(found["p"])) == (0, 4, True, True)


def test_scaled_hit_follows_from_three_means(tmp_path):
    columns = {"hit": [1.0, 0.0, 1.0, 0.0, 1.0, 1.0], "chance": [0.25] * 6, "reachable": [0.75] * 6}
    worse = columns | {"hit": [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]}
    content = compare(write_quality(tmp_path / "hits", {"a": {"Edema": columns}, "b": {"Edema": worse}}))
    expected = (4 / 6 - 0.25) / 0.5
    assert get(content, "a")["mean"]["hit_normalized"]["value"] == pytest.approx(expected)
    assert find(content, "hit_normalized", "a", "b")["value"] == pytest.approx((2 / 6) / 0.5)


def test_folders_of_the_same_weights_are_one_model(tmp_path):
    run = write_run(tmp_path / "run", {"lime": LIME}, weights="ab12")
    more = write_quality(tmp_path / "more", {"lime": LIME, "gradcam": GRADCAM}, weights="ab12")
    other = write_quality(tmp_path / "other", {"gradcam": GRADCAM}, weights="cd34")
    content = compare(run, more, other)
    assert [len(model["folders"]) for model in content["models"]] == [2, 1]
    assert {one["name"] for one in content["models"][0]["explainers"]} == {"lime (run)", "lime (more)", "gradcam"}
    assert find(content, "iou", "lime (run)", "gradcam")["n"] == 6
    assert content["models"][0]["network"] == "single resnet10t"
    assert (content["models"][1]["network"], content["same_views"]) == (None, True)


def test_models_of_other_views_are_known_to_be_unpaired(tmp_path):
    folders = [write_quality(tmp_path / name, {"lime": LIME}, first=first) for name, first in (("a", 0), ("b", 3))]
    assert compare(*folders)["same_views"] is False


def test_run_of_an_older_version_has_values_and_no_differences(tmp_path):
    folder = write_quality(tmp_path / "old", {"gradcam": GRADCAM, "lime": LIME}, rows=False)
    text = (folder / "quality.json").read_text().replace("hit_normalized", "hit_normalised")
    (folder / "quality.json").write_text(text)
    content = compare(folder)
    assert (content["models"][0]["differences"], content["same_views"]) == ([], None)
    mean = get(content, "gradcam")["mean"]["iou"]
    assert (mean["value"], mean["ci_low"]) == (0.375, None)
    assert get(content, "gradcam")["cost"]["seconds_per_map"] == 9 / 12
    assert get(content, "gradcam")["card"]["cost"]["peak_memory_mib"] == {"process": None, "device": None}


def test_card_is_filled_from_the_run(tmp_path):
    lime = {"Edema": LIME["Edema"] | {"stability": [0.75] * 6}}
    run = write_run(tmp_path / "run", {"lime": lime, "gradcam": GRADCAM})
    manifest = [
        {"view": view(row), "observation": "Edema", "probability": 0.5, "explainer": "gradcam", "of": "logit",
         "r2": 0.1, "layer": {"backbone": "layer4"}, "row": row}
        for row in range(2)
    ]  # fmt: skip
    (run / "explanations/gradcam").mkdir()
    (run / "explanations/gradcam/manifest.json").write_text(json.dumps(manifest))
    content = compare(run)
    card = get(content, "lime")["card"]
    assert card["determinism"]["seed"] == 3
    assert card["determinism"]["seed_stability"]["value"] == 0.75
    assert card["input_sensitivity"] is None
    assert card["hyperparameters"] == {"samples": 60}
    assert card["model_sensitivity"]["cascade_size"] == [0.25, 0.125]
    assert card["label_sensitivity"] == {"value": 0.5, "observations": 1, "n": 1}
    card = get(content, "gradcam")["card"]
    assert card["determinism"] == {"seed": None, "depends_on_seed": None, "seed_stability": None}
    assert card["hyperparameters"] == {"of": "logit", "layer": {"backbone": "layer4"}}


def write_manifest(explanations, explainer, **more):
    (explanations / explainer).mkdir(parents=True)
    entry = {"view": view(0), "observation": "Edema", "probability": 0.5} | more
    (explanations / explainer / "manifest.json").write_text(json.dumps([entry]))


def test_card_has_settings_of_the_maps_before_those_of_the_config_and_nothing_of_single_maps(tmp_path):
    run = write_run(tmp_path / "run", {"lime": LIME})
    of_a_view = {"mask": "lime/masks/a.png", "step": -0.5, "reached": True, "steps": 128, "passes": 40, "samples": 40}
    of_a_view |= {"completeness_error": 0.01, "completeness_error_logit": 0.1}
    write_manifest(run / "explanations", "lime", **of_a_view, seed=7, pairs=True)
    card = get(compare(run), "lime")["card"]
    assert card["hyperparameters"] == {"samples": 60, "pairs": True}
    assert card["determinism"]["seed"] == 7


def test_samples_are_a_setting_of_maps_that_count_no_passes(tmp_path):
    folder = write_quality(tmp_path / "more", {"rise": LIME})
    write_manifest(folder, "rise", samples=4000, seed=1)
    assert get(compare(folder), "rise")["card"]["hyperparameters"] == {"samples": 4000}


@pytest.mark.parametrize(("converged", "at_most"), [(0.9, True), (None, False)])
def test_passes_of_an_explainer_that_stops_early_are_an_upper_bound(tmp_path, converged, at_most):
    folder = write_quality(tmp_path / "more", {"lime": LIME}, passes_per_map=1000.0)
    write_manifest(folder, "lime", converged=converged)
    cost = get(compare(folder), "lime")["cost"]
    assert (cost["passes_per_map"], cost["passes_at_most"]) == (1000, at_most)


@pytest.mark.parametrize(("kind", "depends"), [("seed", True), ("noise", False), (None, None)])
def test_card_has_whether_the_seed_has_an_influence(tmp_path, kind, depends):
    run = write_run(tmp_path / "run", {"lime": LIME}, stability_of=kind)
    determinism = get(compare(run), "lime")["card"]["determinism"]
    assert (determinism["seed"], determinism["depends_on_seed"]) == (3, depends)


def test_explainer_without_scored_views_removes_no_rank(tmp_path):
    run = write_run(tmp_path / "run", {"gradcam": GRADCAM, "lime": LIME, "rise": {}})
    path = run / "explanations/quality.json"
    content = json.loads(path.read_text())
    content["explainers"]["rise"] |= {"views": 0}
    path.write_text(json.dumps(content))
    content = compare(run)
    assert [one["name"] for one in content["models"][0]["explainers"]] == ["gradcam", "lime", "rise"]
    assert [get(content, name)["mean_rank"] for name in ("gradcam", "lime")] == [1.5, 1.5]
    assert get(content, "rise")["ranks"] == {}
    assert content["models"][0]["rankings"]["explainers"] == 2


def test_explainers_are_named_by_the_shortest_distinct_folder(tmp_path):
    names = ("a/explained", "b/explained", "b/more")
    folders = [write_quality(tmp_path / name, {"lime": LIME}, weights="ab12") for name in names]
    found = {one["name"] for one in compare(*folders)["models"][0]["explainers"]}
    assert found == {"lime (a/explained)", "lime (b/explained)", "lime (more)"}


def test_what_the_time_budget_left_out_is_kept(tmp_path):
    folder = write_quality(tmp_path / "more", {"lime": LIME})
    left_out = {"explainer": "lime", "step": "scored", "done": 5, "of": 32}
    content = json.loads((folder / "quality.json").read_text())
    content["time_budget"] = {"minutes": 3.0, "left_out": [left_out]}
    (folder / "quality.json").write_text(json.dumps(content))
    assert compare(folder)["models"][0]["left_out"] == [left_out | {"minutes": 3.0}]


def test_published_rows_have_the_means_of_their_values():
    from chexpert.evaluation.explainers.published import read_published

    rows = read_published()["rows"]
    assert {row["kind"] for row in rows} == {"single", "ensemble"}
    for row in itertools.compress(rows, [row["values"] for row in rows]):
        assert len(row["values"]) == 10
        assert sum(row["values"].values()) / 10 == pytest.approx(row["mean"], abs=0.0006)


def test_folder_that_is_no_run_is_an_error(tmp_path):
    (tmp_path / "other").mkdir()
    with raises("missing-run", where=str(tmp_path / "other")):
        compare(tmp_path / "other")
    with raises("missing-folder", where=str(tmp_path / "none")):
        compare(tmp_path / "none")
    (tmp_path / "file").touch()
    with raises("not-a-file", where=str(tmp_path / "file")):
        compare(tmp_path / "file")


def test_run_without_scores_is_an_error(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/state.json").write_text("{}")
    with raises("missing-file", where=str(tmp_path / "run/quality.json")):
        compare(tmp_path / "run")


def test_controls_alone_are_an_error(tmp_path):
    folder = write_quality(tmp_path / "controls", {"random": RANDOM}, controls=["random"])
    with raises("not-comparable", where=str(folder / "quality.json")):
        compare(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"explainers": 3}', '{"explainers": {"lime": {}}}', BAD])
def test_damaged_scores_are_an_error(tmp_path, text):
    (tmp_path / "quality.json").write_text(text)
    with raises("damaged-file", where=str(tmp_path / "quality.json")):
        compare(tmp_path)


@pytest.mark.parametrize("text", ["", "explainer,view\nlime,a\n", "explainer,view,observation,iou\nlime,a,Edema,x\n"])
def test_damaged_rows_are_an_error(tmp_path, text):
    folder = write_quality(tmp_path / "folder", {"lime": LIME})
    (folder / "quality.csv").write_text(text)
    with raises("damaged-file", where=str(folder / "quality.csv")):
        compare(folder)


def test_folder_given_twice_and_unknown_metric_are_errors(run):
    with raises("repeated", where=str(run)):
        compare(run, run)
    with raises("repeated", where=str(run / "explanations")):
        compare(run, run / "explanations")
    with raises("choice", where="--by"):
        compare(run, by="auroc")
