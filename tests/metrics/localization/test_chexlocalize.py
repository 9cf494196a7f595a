"""The table, compared with a plain reference of CheXlocalize's definitions on synthetic cases."""

import json
import math
import re
import weakref

import numpy as np
import pytest
from helpers import reference_metrics as plain
from helpers.errors import raises
from scipy.ndimage import gaussian_filter

from chexpert.metrics import LocalMap, Segmentations, find_maps, write_map
from chexpert.metrics.localization import overlap
from chexpert.metrics.localization.chexlocalize import (
    HERE,
    localize,
    localize_maps,
    localize_segmentations,
    write_segmented,
)
from chexpert.metrics.localization.run_lengths import encode
from chexpert.metrics.localization.segmentations import write_segmentations
from chexpert.observations import LOCALIZED
from chexpert.report import describe_localization

SIZES = [(31, 47), (40, 23), (53, 38), (29, 29), (1, 40), (37, 52)]
EDEMA, OPACITY = "Edema", "Lung Opacity"


def blob(shape, row, column, radius):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - row * shape[0]) ** 2 + (columns - column * shape[1]) ** 2 <= radius**2


def make_mask(kind, shape):
    """A finding as CheXlocalize may have it."""
    masks = {
        "empty": np.zeros(shape, bool),
        "one": blob(shape, 0.5, 0.4, 8),
        "tiny": blob(shape, 0.6, 0.6, 0.5),
        "double": blob(shape, 0.3, 0.2, 5) | blob(shape, 0.7, 0.8, 6),
        "ring": blob(shape, 0.5, 0.5, 12) & ~blob(shape, 0.5, 0.5, 6),
        "full": np.ones(shape, bool),
    }
    return masks[kind]


KINDS = ["empty", "one", "tiny", "double", "ring", "full"]


class Case:
    """Images of odd sizes with masks of all kinds; maps that match them or do not; some of either missing."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.truth, self.maps, self.probability = {}, {}, {}
        for number in range(18):
            view, shape = f"patient{number:02}_study1_view1_frontal", SIZES[number % len(SIZES)]
            mask = make_mask(KINDS[number // 3 % len(KINDS)], shape)
            if number not in (4, 11):
                self.truth[view] = mask
            if number not in (5, 9):
                noise = gaussian_filter(rng.normal(size=(8, 9)), 1)
                coarse = gaussian_filter(mask.astype(float), 2)[:: -(-shape[0] // 8), :: -(-shape[1] // 9)]
                seen = np.pad(coarse, [(0, 8 - coarse.shape[0]), (0, 9 - coarse.shape[1])])
                self.maps[view] = (noise + rng.choice([0, 1, 3]) * seen).astype("float32"), shape
                self.probability[view] = float(rng.random())
        self.large = {view: plain.upsample(map, *shape) for view, (map, shape) in self.maps.items()}

    def segment(self, how, cutoff=0.0):
        """By the plain definitions, {view: mask}."""
        return {
            view: how(large) if self.probability[view] >= cutoff else np.zeros(large.shape, bool)
            for view, large in self.large.items()
        }

    def segmentations(self):
        return Segmentations({view: {EDEMA: encode(mask)} for view, mask in self.truth.items()}, "gt.json")

    def files(self, folder):
        for view, (map, (height, width)) in self.maps.items():
            write_map(folder / f"{view}_{EDEMA}_map.npz", LocalMap(map, self.probability[view], width, height))
        return find_maps(folder, LOCALIZED)[0]

    def table(self, folder, *settings, **options):
        return localize_maps(self.segmentations(), self.files(folder), *settings, **options, replicates=20)[EDEMA]

    def mious(self, predicted):
        return [plain.miou(self.truth, predicted, only) for only in (True, False)]


@pytest.fixture(params=[0, 1, 2], scope="module")
def case(request):
    return Case(request.param)


def test_upsampled_maps_match_the_reference(case):
    for view, (map, shape) in case.maps.items():
        assert np.abs(overlap.upsample_array(map, *shape) - case.large[view]).max() < 1e-5


def test_segmentations_score_as_the_reference(case):
    predicted = case.segment(lambda large: plain.segment_above(large, 0.5), cutoff=0.3)
    listed = Segmentations({view: {EDEMA: encode(mask)} for view, mask in predicted.items()}, "pred.json")
    found = localize_segmentations(case.segmentations(), listed, replicates=20)[EDEMA]
    assert [found["miou"], found["miou_all"]] == pytest.approx(case.mious(predicted), abs=1e-6)
    assert math.isnan(found["hit_rate"])


@pytest.mark.parametrize(("threshold", "cutoff"), [(0.5, 0.0), (0.3, 0.4)])
def test_maps_above_a_threshold_score_as_the_reference(case, tmp_path, threshold, cutoff):
    found = case.table(tmp_path, threshold, cutoff)
    predicted = case.segment(lambda large: plain.segment_above(large, threshold), cutoff)
    assert [found["miou"], found["miou_all"]] == pytest.approx(case.mious(predicted), abs=1e-6)


def test_hit_rate_and_otsu_score_as_the_reference(case, tmp_path):
    found = case.table(tmp_path)
    assert found["hit_rate"] == pytest.approx(plain.hit_rate(case.truth, case.large), abs=1e-6)
    assert 0 < found["hit_rate"] < 1
    assert [found["miou"], found["miou_all"]] == pytest.approx(case.mious(case.segment(plain.segment_otsu)), abs=2e-3)


def test_otsu_segments_as_the_reference():
    rng = np.random.default_rng(0)
    for _ in range(40):
        map = gaussian_filter(rng.normal(size=rng.integers(20, 90, 2)), rng.choice([1, 3, 6]))
        assert plain.iou(overlap.segment_otsu(map), plain.segment_otsu(map.astype("float32")), True) >= 1 - 2e-3


def test_tuned_threshold_matches_the_reference(case, tmp_path):
    def evaluate(threshold):
        return plain.miou(case.truth, case.segment(lambda large: plain.segment_above(large, threshold)), True)

    found = case.table(tmp_path, "tuned")
    assert found["threshold"] == pytest.approx(plain.tune(list(np.arange(0.2, 0.8, 0.1)), evaluate), abs=1e-6)
    assert found["miou"] == pytest.approx(evaluate(found["threshold"]), abs=1e-6)
    assert found["tuned_on"] == HERE


def test_tuned_cutoff_matches_the_reference(case, tmp_path):
    def evaluate(cutoff):
        return plain.miou(case.truth, case.segment(lambda large: plain.segment_above(large, 0.4), cutoff), False)

    found = case.table(tmp_path, 0.4, "tuned")
    candidates = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    assert found["probability_cutoff"] == pytest.approx(plain.tune(candidates, evaluate), abs=1e-6)
    assert found["miou_all"] == pytest.approx(evaluate(found["probability_cutoff"]), abs=1e-6)


def test_settings_tuned_on_another_set_are_applied(tmp_path):
    case, other = Case(0), Case(5)
    elsewhere = other.segmentations(), other.files(tmp_path / "other")
    found = case.table(tmp_path / "own", "tuned", "tuned", tune_on=elsewhere)
    chosen = other.table(tmp_path / "other", "tuned", "tuned")
    settings = chosen["threshold"], chosen["probability_cutoff"]
    assert (found["threshold"], found["probability_cutoff"]) == settings
    assert found["miou"] == case.table(tmp_path / "own", *settings)["miou"]
    assert found["tuned_on"] == "gt.json"


def test_first_candidate_is_chosen_without_images_to_tune_on(tmp_path):
    case = Case(0)
    elsewhere = Segmentations({"a": {OPACITY: encode(np.ones((4, 4)))}}, "other.json"), tmp_path / "other"
    write_map(elsewhere[1] / f"a_{OPACITY}_map.npz", LocalMap(np.eye(4), 0.5, 4, 4))
    files = find_maps(elsewhere[1], LOCALIZED)[0]
    found = case.table(tmp_path / "own", "tuned", tune_on=(elsewhere[0], files))
    assert (found["threshold"], found["tuned_images"]) == (0.2, 0)


def test_views_without_a_map_are_not_tuned_on(tmp_path):
    mask = encode(np.eye(4))
    write_map(tmp_path / f"a_{OPACITY}_map.npz", LocalMap(np.eye(4), 0.5, 4, 4))
    other = Segmentations({"a": {OPACITY: mask, EDEMA: mask}}, "other.json"), find_maps(tmp_path, LOCALIZED)[0]
    found = Case(0).table(tmp_path / "own", "tuned", "tuned", tune_on=other)
    assert (found["threshold"], found["probability_cutoff"], found["tuned_images"]) == (0.2, 0.0, 0)
    write_map(tmp_path / f"a_{EDEMA}_map.npz", LocalMap(np.eye(4), 0.5, 4, 4))
    listed = Segmentations({view: {EDEMA: mask} for view in "abcd"}, "other.json")
    found = localize_maps(listed, find_maps(tmp_path, LOCALIZED)[0][:1], "tuned", "tuned", replicates=20)[EDEMA]
    assert found["tuned_images"] == 1


def test_constant_map_has_no_hit_and_no_segmentation(tmp_path):
    truth = Segmentations({"a": {EDEMA: encode(np.ones((4, 6)))}}, "gt.json")
    write_map(tmp_path / f"a_{EDEMA}_map.npz", LocalMap(np.full((2, 2), 0.4), 0.9, 6, 4))
    found = localize_maps(truth, find_maps(tmp_path, LOCALIZED)[0], replicates=20)[EDEMA]
    assert math.isnan(found["hit_rate"])
    assert math.isnan(found["miou"])
    assert (found["miou_all"], found["constant_maps"], found["missed"]) == (0.0, 1, 1)


def test_masks_as_maps_always_hit_and_overlap_fully(tmp_path):
    case = Case(0)
    case.maps = {view: (mask.astype("float32"), mask.shape) for view, mask in case.truth.items()}
    case.probability = dict.fromkeys(case.maps, 0.9)
    found = case.table(tmp_path, 0.5)
    # three masks cover the whole image: their maps are constant
    assert (found["hit_rate"], found["miou"], found["constant_maps"]) == (1.0, 1.0, 3)


def test_counts_of_each_metric(tmp_path):
    truth = {"a": np.eye(4), "b": np.eye(4), "c": np.zeros((4, 4)), "d": np.eye(4)}
    listed = Segmentations({view: {EDEMA: encode(mask)} for view, mask in truth.items()}, "gt.json")
    for view in "abce":  # d has no map, e no mask
        write_map(tmp_path / f"{view}_{EDEMA}_map.npz", LocalMap(np.eye(4), {"b": 0.1}.get(view, 0.9), 4, 4))
    found = localize_maps(listed, find_maps(tmp_path, LOCALIZED)[0], 0.5, 0.3, replicates=20)[EDEMA]
    assert (found["miou"], found["images"]) == (1.0, 1)
    assert (found["miou_all"], found["miou_all_images"]) == (0.2, 5)
    assert (found["hit_rate"], found["hit_rate_images"], found["chance"]) == (1.0, 2, 0.25)
    assert (found["missed"], found["false_positives"]) == (2, 2)


def test_views_without_truth_are_resampled_only_for_all_images():
    mask = {EDEMA: encode(np.eye(4))}
    found = localize_segmentations(
        Segmentations({"a": mask}, "gt.json"), Segmentations({"a": mask, "b": mask, "c": mask}, "pred.json")
    )[EDEMA]
    assert (found["miou"], found["undefined_replicates"]) == (1.0, 0)
    assert found["miou_all"] == pytest.approx(1 / 3)


def test_only_localized_observations_are_scored(tmp_path):
    mask = encode(np.eye(4))
    truth = Segmentations({"a": {"Airspace Opacity": mask, "Fracture": mask}}, "gt.json")
    write_map(tmp_path / "a_Support Devices_map.npz", LocalMap(np.eye(4), 0.9, 4, 4))
    assert list(localize_maps(truth, find_maps(tmp_path, LOCALIZED)[0])) == [OPACITY, "Support Devices"]


def test_other_observations_are_scored_where_there_are_masks_and_maps_of_them(tmp_path):
    mask, box = encode(np.eye(4)), np.zeros((4, 4))
    box[:2, :2] = 1
    masks = {"Pneumonia": encode(box), "Fracture": mask, "Airspace Opacity": encode(box)}
    (tmp_path / "gt.json").write_text(json.dumps({"a": masks}))
    map = np.zeros((4, 4))
    map[0, :3], map[1, 0] = 1, 1  # three of four pixels of the box, and one beside it
    for name in ("Pneumonia", "Pleural Other"):
        write_map(tmp_path / f"maps/a_{name}_map.npz", LocalMap(map, 0.9, 4, 4))
    table, notes = localize(tmp_path / "gt.json", maps=tmp_path / "maps", threshold="0.5", bootstrap=20)
    assert list(table) == [OPACITY, "Pneumonia"]
    assert table["Pneumonia"]["miou"] == pytest.approx(3 / 5)
    assert (table["Pneumonia"]["hit_rate"], table["Pneumonia"]["chance"]) == (1, 0.25)
    assert [any(name in note for note in notes) for name in ("Fracture", "Pleural Other")] == [True, True]
    lines = describe_localization(table).splitlines()
    assert [line for line in lines if line.startswith("note:") and line.endswith(": Pneumonia")]
    tuned, _ = localize(tmp_path / "gt.json", maps=tmp_path / "maps", threshold="tuned", bootstrap=20)
    assert tuned["Pneumonia"]["miou"] == pytest.approx(3 / 5)
    write_segmentations(tmp_path / "p.json", {"a": {name: masks[name] for name in ("Pneumonia", "Fracture")}})
    own, _ = localize(tmp_path / "gt.json", segmentations=tmp_path / "p.json", bootstrap=20)
    assert {name: row["miou_all"] for name, row in own.items()} == {OPACITY: 0, "Pneumonia": 1, "Fracture": 1}


@pytest.mark.parametrize("tuned", [False, True])
def test_table_of_the_ten_leaves_other_observations_out(tmp_path, tuned):
    mask = encode(np.eye(4))
    (tmp_path / "gt.json").write_text(json.dumps({"a": {"Pneumonia": mask, "Airspace Opacity": mask}}))
    (tmp_path / "tuned.csv").write_text("threshold,task\n0.4,Airspace Opacity\n")
    for name in ("Pneumonia", "Airspace Opacity"):
        write_map(tmp_path / f"maps/a_{name}_map.npz", LocalMap(np.eye(4), 0.9, 4, 4))
    write_map(tmp_path / "rest/a_Pneumonia_map.npz", LocalMap(np.eye(4), 0.9, 4, 4))
    options = {"threshold": str(tmp_path / "tuned.csv"), "bootstrap": 20}
    if tuned:
        options |= {"tune_ground_truth": tmp_path / "gt.json", "tune_maps": tmp_path / "maps"}
        options |= {"probability_cutoff": "tuned"}
    table, notes = localize(tmp_path / "gt.json", maps=tmp_path / "maps", **options)
    assert {name: row["miou"] for name, row in table.items()} == {OPACITY: 1}
    assert [note.startswith("maps") for note in notes if "Pneumonia" in note] == [True]
    with raises("missing-observation"):
        localize(tmp_path / "gt.json", maps=tmp_path / "rest", threshold=options["threshold"], bootstrap=20)


def test_maps_of_what_is_no_observation_are_ignored(tmp_path):
    mask = encode(np.eye(4))
    (tmp_path / "gt.json").write_text(json.dumps({"a": {"Nodule": mask, "Edema": mask}}))
    for name in ("Nodule", "Edema"):
        write_map(tmp_path / f"maps/a_{name}_map.npz", LocalMap(np.eye(4), 0.9, 4, 4))
    saved = {"save_segmentations": tmp_path / "p.json", "threshold": "0.5", "bootstrap": 20}
    table, notes = localize(tmp_path / "gt.json", maps=tmp_path / "maps", **saved)
    assert list(table) == [EDEMA]
    assert [note for note in notes if "1 map ignored" in note and "Nodule" in note]
    assert list(json.loads((tmp_path / "p.json").read_text())["a"]) == [EDEMA]


def test_segmentations_are_saved_of_what_the_table_has(tmp_path):
    mask, files = encode(np.eye(4)), []
    truth = Segmentations({"a": {EDEMA: mask}}, "gt.json")
    for name in ("Fracture", EDEMA):
        write_map(tmp_path / f"maps/a_{name}_map.npz", LocalMap(np.eye(4), 0.9, 4, 4))
    files = find_maps(tmp_path / "maps", {"Fracture", EDEMA})[0]
    write_segmented(tmp_path / "p.json", truth, files, localize_maps(truth, files, replicates=20))
    assert list(json.loads((tmp_path / "p.json").read_text())["a"]) == [EDEMA]


def test_one_upsampled_map_is_in_memory_at_a_time(tmp_path, monkeypatch):
    made, alive = [], []

    def watch(map, height, width):
        alive.append(sum(reference() is not None for reference in made))
        large = overlap.upsample_array(map, height, width)
        made.append(weakref.ref(large))
        return large

    monkeypatch.setattr("chexpert.metrics.localization.mask_counts.upsample_array", watch)
    Case(0).table(tmp_path)
    assert alive == [0] * 16


def test_map_of_another_image_size_is_an_error(tmp_path):
    truth = Segmentations({"a": {EDEMA: encode(np.eye(4))}}, "gt.json")
    path = write_map(tmp_path / f"a_{EDEMA}_map.npz", LocalMap(np.eye(4), 0.9, 8, 4))
    with raises("mask-size", path) as error:
        localize_maps(truth, find_maps(tmp_path, LOCALIZED)[0])
    assert re.search(r"4 x 8 .*4 x 4 .*gt\.json", error.value.message)


def test_hit_rate_is_normalized_by_chance_and_the_ceiling(tmp_path):
    truth = {"a": blob((8, 8), 0.25, 0.25, 2), "b": np.eye(8) * (np.arange(8) == 0), "c": blob((8, 8), 0.75, 0.75, 2)}
    listed = Segmentations({view: {EDEMA: encode(mask)} for view, mask in truth.items()}, "gt.json")
    peak = np.float32([[1, 0], [0, 0]])
    for view in truth:
        write_map(tmp_path / f"{view}_{EDEMA}_map.npz", LocalMap(peak, 0.9, 8, 8, (2, 2)))
    found = localize_maps(listed, find_maps(tmp_path, LOCALIZED)[0], replicates=20)[EDEMA]
    ceiling, chance = 2 / 3, np.mean([mask.mean() for mask in truth.values()])
    assert found["hit_rate_ceiling"] == pytest.approx(ceiling)
    assert found["hit_rate_normalized"] == pytest.approx((found["hit_rate"] - chance) / (ceiling - chance))
    write_map(tmp_path / f"a_{EDEMA}_map.npz", LocalMap(peak, 0.9, 8, 8))
    found = localize_maps(listed, find_maps(tmp_path, LOCALIZED)[0], replicates=20)[EDEMA]
    assert math.isnan(found["hit_rate_ceiling"])
    assert math.isnan(found["hit_rate_normalized"])


def test_grid_of_a_map_is_mapped_back_by_its_matrix(tmp_path):
    listed = Segmentations({"a": {EDEMA: encode(blob((8, 8), 0.5, 0.5, 0.5))}}, "gt.json")  # the pixel 4, 4
    for half, reached in ((np.diag([0.5, 0.5, 1]), 0), (np.array([[1, 0, -3], [0, 1, -3], [0, 0, 1]]), 1)):
        local = LocalMap(np.eye(4), 0.9, 8, 8, (2, 2), half, (2, 2))
        write_map(tmp_path / f"a_{EDEMA}_map.npz", local)
        found = localize_maps(listed, find_maps(tmp_path, LOCALIZED)[0], replicates=20)[EDEMA]
        assert found["hit_rate_ceiling"] == reached


def test_segmentations_of_other_proportions_are_an_error():
    truth, other = (Segmentations({"a": {EDEMA: encode(np.ones((4, side)))}}, f"{side}.json") for side in (4, 5))
    with raises("mask-size", "5.json") as error:
        localize_segmentations(truth, other)
    assert "4 x 5" in error.value.message


def test_either_segmentations_or_maps_must_be_given(tmp_path):
    for given in ({}, {"maps": tmp_path, "segmentations": tmp_path}):
        with pytest.raises(ValueError, match="segmentations or maps"):
            localize(tmp_path / "gt.json", **given)


def test_maps_of_other_views_are_an_error(tmp_path):
    truth = Segmentations({"a": {EDEMA: encode(np.eye(4))}}, "gt.json")
    write_map(tmp_path / f"b_{EDEMA}_map.npz", LocalMap(np.eye(4), 0.9, 4, 4))
    with raises("no-overlap", tmp_path):
        localize_maps(truth, find_maps(tmp_path, LOCALIZED)[0])
