"""The whole scoring, on images whose findings are bright squares, of a model that reads these squares."""

import csv
import json

import numpy as np
import pytest
import torch

from chexpert import peak_memory
from chexpert.evaluation.explainers import METRICS
from chexpert.explain.attribution import Attribution
from chexpert.explain.methods.random_map import RandomMap
from chexpert.explain.quality.cost import Cost, hash_weights
from chexpert.explain.quality.table import score_explainers
from chexpert.explain.quality.view_table import ViewTable
from chexpert.explain.view import View
from chexpert.models import Model
from chexpert.models.output_head import OutputHead
from chexpert.runs import files as run_files

NAMES = ["Edema", "Pleural Effusion"]
PLACES = {"Edema": np.s_[4:12, 4:12], "Pleural Effusion": np.s_[20:28, 18:26]}


class Squares(Model):
    """A logit of an observation: weight x the mean gray of its square."""

    def __init__(self) -> None:
        super().__init__({}, OutputHead(2))
        self.weight = torch.nn.Parameter(torch.tensor([3.0, 0.0, 0.0, 3.0, 1.0, -2.0]))

    def feature_maps(self, images):
        return {"x": images.float() / 64}

    def score(self, maps):
        original = maps["x"][:, 0]
        means = [original[:, rows, columns].mean((1, 2)) for rows, columns in PLACES.values()]
        return torch.stack(means, 1) @ self.weight[:4].view(2, 2)


class Oracle:
    """Shows the masks; its negative with ``sign=-1``."""

    name = "oracle"

    def __init__(self, sign: int = 1, cost: int = 1) -> None:
        self.sign, self.cost = sign, cost

    def passes(self, outputs):
        return self.cost

    def __call__(self, model, images, outputs):
        return [[self.make_map(model, c) for c in own] for own in outputs]

    def make_map(self, model, c):
        signed = np.zeros((32, 32), dtype="float32")
        signed[PLACES[NAMES[c]]] = float(model.weight[3 * c].detach()) * self.sign
        return Attribution(signed, {}, {"grid": [8, 8]})


class Unmoved(Oracle):
    """Shows the masks whatever the weights."""

    def make_map(self, model, c):
        return super().make_map(Squares(), c)


def make_view(row: int, present: list[str]) -> View:
    original = np.random.default_rng(row).integers(60, 70, (32, 32)).astype(np.uint8)
    masks = {}
    for name in present:
        original[PLACES[name]] = 250
        masks[name] = np.zeros((32, 32), dtype=bool)
        masks[name][PLACES[name]] = True
    image = torch.from_numpy(original)[None]
    return View(f"p{row}/study1/view1.jpg", image, original, np.eye(3), {n: int(n in present) for n in NAMES}, masks)


@pytest.fixture(scope="module")
def views() -> list[View]:
    return [make_view(row, NAMES[: 1 + row % 2]) for row in range(6)]


def score(views, explainers, passes=1000, per_observation=32, cutoffs=(0.5, 0.5), **more):
    probabilities = np.tile([0.9, 0.8], (len(views), 1))
    aurocs = dict(zip(NAMES, [0.9, float("nan")], strict=True))
    return score_explainers(
        Squares(), explainers, views, probabilities, NAMES, aurocs, dict(zip(NAMES, cutoffs, strict=True)),
        per_observation=per_observation, passes=passes, seed=0, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scores(views) -> dict:
    return score(views, {"random": RandomMap(seed=1), "oracle": Oracle()})


def get_metrics(content, name="oracle", observation="Edema"):
    return content["explainers"][name]["observations"][observation]


def test_oracle_has_the_best_values(scores):
    found = get_metrics(scores)
    for key in ("hit_rate", "hit_normalized", "relevance_mass", "rank_accuracy", "right_for_the_right_reason"):
        assert found[key].items() >= {"value": 1, "ci_low": 1, "ci_high": 1, "n": 6}.items()
    assert found["hit_normalized"]["undefined_replicates"] == 0
    assert found["iou"]["value"] > 0.95
    assert (found["n"], found["ceiling"], found["without_evidence"], found["auroc"]) == (6, 1, 0, 0.9)
    assert found["chance"] == found["area"] == 64 / 1024
    assert found["relevance_over_area"]["value"] == 16
    assert found["gap_over_random"]["ci_low"] > 0.5
    assert found["gap_logit_over_random"]["ci_low"] > 2
    assert found["road"]["ci_low"] > 2


def test_negative_map_is_without_evidence_and_never_right(views):
    found = get_metrics(score(views, {"oracle": Oracle(sign=-1)}))
    assert found["without_evidence"] == 6
    assert (found["hit_rate"]["value"], found["hit_rate"]["n"]) == (None, 0)
    assert (found["right_for_the_right_reason"]["value"], found["right_for_the_right_reason"]["n"]) == (0, 6)
    assert found["gap_over_random"]["ci_high"] < -0.5


def test_random_map_is_neither_faithful_nor_sensitive_to_weights(scores):
    found = get_metrics(scores, "random")
    assert abs(found["gap_over_random"]["value"]) < 0.4
    assert found["sanity"]["passed"] is False
    assert found["sanity"]["top_block"]["value"] == 1
    few = get_metrics(scores, "random", "Pleural Effusion")["sanity"]
    assert (few["top_block"]["n"], few["passed"]) == (3, None)


def test_expensive_explainer_is_evaluated_on_pooled_maps(views):
    shown = [*views[1::2], *views[::2]]  # three views with two observations each come first
    content = score(shown, {"expensive": Unmoved(cost=100)}, passes=300)
    assert [get_metrics(content, "expensive", name)["sanity"]["passed"] for name in NAMES] == [None, None]
    pooled = content["explainers"]["expensive"]["sanity"]
    assert (pooled["top_block_size"]["n"], pooled["passed"]) == (4, None)
    pooled = score(shown, {"expensive": Unmoved(cost=100)}, passes=1500)["explainers"]["expensive"]["sanity"]
    assert (pooled["top_block_size"]["n"], pooled["passed"]) == (6, False)


def test_views_without_masks_have_only_the_other_metrics(views):
    bare = [View(view.path, view.image, view.original, view.matrix, view.truth) for view in views]
    found = get_metrics(score(bare, {"oracle": Oracle()}))
    for key in ("hit_rate", "hit_normalized", "relevance_mass", "relevance_over_area", "right_for_the_right_reason"):
        assert (found[key]["value"], found[key]["n"]) == (None, 0)
    assert found["chance"] is found["ceiling"] is found["area"] is None
    assert found["gap"]["n"] == 6


def test_only_a_predicted_finding_is_right_for_the_right_reason(views):
    content = score(views, {"oracle": Oracle()}, cutoffs=(0.95, float("nan")))
    assert [get_metrics(content, observation=name)["right_for_the_right_reason"]["n"] for name in NAMES] == [0, 0]


def test_curves_and_road_use_true_positives_only(views):
    content = score(views, {"oracle": Oracle()}, cutoffs=(0.5, 0.85))
    for name, right in zip(NAMES, (6, 0), strict=True):
        found = get_metrics(content, observation=name)
        assert found["true_positives"] == right
        assert found["gap"]["n"] == found["gap_over_random"]["n"] == found["road"]["n"] == right
    assert get_metrics(content, observation="Pleural Effusion")["hit_rate"]["n"] == 3


def test_explainer_without_passes_is_a_control(scores):
    assert [scores["explainers"][name]["control"] for name in ("random", "oracle")] == [True, False]


def test_expensive_explainer_gets_the_first_views(views):
    content = score(views, {"oracle": Oracle(), "expensive": Oracle(cost=100)}, passes=250)
    assert [content["explainers"][name]["views"] for name in ("oracle", "expensive")] == [6, 2]
    assert get_metrics(content, "expensive")["hit_rate"]["n"] == 2


def test_at_most_per_observation_maps_are_scored(views):
    content = score(views, {"oracle": Oracle()}, per_observation=2)
    assert [get_metrics(content, observation=name)["n"] for name in NAMES] == [2, 2]


def test_observation_without_positives_has_empty_metrics(views):
    found = get_metrics(score(views[::2], {"oracle": Oracle()}), observation="Pleural Effusion")
    assert found["n"] == 0
    assert found["auroc"] is found["hit_rate"]["value"] is found["sanity"]["passed"] is None


def test_metrics_do_not_depend_on_other_explainers(views, scores):
    assert get_metrics(score(views, {"oracle": Oracle()})) == get_metrics(scores)


def test_maps_of_a_view_are_compared_with_each_other(scores):
    found = get_metrics(scores)["between_observations"]
    assert found["n"] == 3
    assert found["value"] == pytest.approx(-64 / (1024 - 64))


def test_scores_are_written_and_read_unchanged(scores, tmp_path):
    run_files.write_json(tmp_path / "quality.json", scores)
    assert json.loads((tmp_path / "quality.json").read_text()) == scores


def test_second_maps_and_evidence_at_the_border_are_scored(scores):
    oracle, random = (get_metrics(scores, name) for name in ("oracle", "random"))
    assert (oracle["stability"]["value"], oracle["stability"]["n"]) == (pytest.approx(1), 5)
    assert (oracle["stability_of"], random["stability_of"]) == ("noise", "seed")
    assert scores["explainers"]["random"]["stability"]["n"] == 5 + 3
    assert abs(scores["explainers"]["random"]["stability"]["value"]) < 0.3
    # of 32 x 32 pixels the frame has two and each corner is 4 x 4: a quarter; the squares lie inside
    assert (oracle["border_mass"]["value"], oracle["border_mass"]["n"]) == (0, 6)


def test_rows_of_single_maps_are_those_of_the_means(views, tmp_path):
    table = ViewTable()
    content = score(views, {"oracle": Oracle(), "expensive": Oracle(cost=100)}, passes=250, view_table=table)
    table.write(tmp_path / "quality.csv")
    rows = list(csv.DictReader((tmp_path / "quality.csv").open()))
    assert len(rows) == 9 + 3  # six views, three of them with both observations; and the first two
    assert [row["view"] for row in rows[6:9]] == [f"p{row}/study1/view1.jpg" for row in (1, 3, 5)]
    for name in ("oracle", "expensive"):
        for observation in NAMES:
            own = [row for row in rows if (row["explainer"], row["observation"]) == (name, observation)]
            gaps = [float(row["gap_over_random"]) for row in own if row["gap_over_random"]]
            found = get_metrics(content, name, observation)["gap_over_random"]
            assert (len(gaps), np.mean(gaps)) == (found["n"], pytest.approx(found["value"]))


def test_columns_of_the_compared_metrics_are_in_the_table(views, tmp_path):
    table = ViewTable()
    score(views, {"oracle": Oracle()}, view_table=table)
    table.write(tmp_path / "quality.csv")
    header = (tmp_path / "quality.csv").read_text().splitlines()[0].split(",")
    assert {column for metric in METRICS.values() for column in metric.columns} <= {*header}


def test_cost_is_of_the_maps(scores):
    found = scores["explainers"]["oracle"]
    assert (found["maps"], found["passes_per_map"], found["peak_memory_mib"]["device"]) == (9, 0.67, None)
    assert 0 < found["seconds_per_map"] < 1
    assert found["peak_memory_mib"]["process"] > 10
    assert scores["explainers"]["random"]["passes_per_map"] == 0


def test_peak_of_the_process_that_cannot_begin_anew_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "PROCESS", tmp_path / "missing")  # a system without /proc
    cost = Cost(torch.device("cpu"))
    with cost.measuring(1):
        pass
    assert (cost.maps, cost.peaks) == (1, {"process": None, "device": None})
    assert peak_memory.read_process_peak() > 10


def test_weights_have_one_digest():
    first, second = Squares(), Squares()
    assert hash_weights(first) == hash_weights(second)
    with torch.no_grad():
        second.weight[0] += 1e-6
    assert hash_weights(first) != hash_weights(second)
