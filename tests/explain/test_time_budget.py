"""Explaining and scoring within a time, by a clock that the explainers move."""

import json

import numpy as np
import pytest
import torch

from chexpert.explain import ExplainedViews, Lime, TimeBudget, explain_views, resolve_minutes
from chexpert.explain.attribution import Attribution
from chexpert.explain.local_model_notes import log_local_models
from chexpert.explain.quality.table import score_explainers
from chexpert.explain.quality.view_scores import score_maps
from chexpert.explain.view import View
from chexpert.models import Model
from chexpert.models.output_head import OutputHead

NAMES = ["Edema", "Fracture"]


class Clock:
    """Seconds that pass only where something adds to them."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Gray(Model):
    """Two logits of the mean gray, for free."""

    def __init__(self) -> None:
        super().__init__({}, OutputHead(2))
        self.weight = torch.nn.Parameter(torch.ones(2))

    def feature_maps(self, images):
        return {"x": images.float() / 255}

    def score(self, maps):
        return maps["x"].mean((1, 2, 3))[:, None] * self.weight


class Slow:
    """Takes 100 passes and ``seconds`` for a view, whatever the number of outputs."""

    name = "slow"

    def __init__(self, clock: Clock, seconds: float, passes: int = 100) -> None:
        self.clock, self.seconds, self.cost = clock, seconds, passes
        self.explained: list[tuple[int, list[int]]] = []

    def passes(self, outputs):
        return self.cost

    def __call__(self, model, images, outputs):
        self.clock.now += self.seconds * len(images)
        self.explained += [(int(image[0, 0, 0]), [*own]) for image, own in zip(images, outputs, strict=True)]
        return [[Attribution(np.full((8, 8), c, "float32"), {}, {"layer": "input"}) for c in own] for own in outputs]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def pace(monkeypatch):
    """A forward pass of the model is estimated to take 10 ms."""
    monkeypatch.setattr("chexpert.explain.time_budget.estimate_seconds", lambda model, image, passes: 0.01 * passes)


def make_views(count: int) -> list[View]:
    images = [np.full((8, 8), row, np.uint8) for row in range(count)]
    return [
        View(f"p{row}/study1/view1.jpg", torch.from_numpy(image)[None], image, np.eye(3), dict.fromkeys(NAMES, 1))
        for row, image in enumerate(images)
    ]


def score(views, explainers, budget, explained=None, passes=100_000):
    probabilities, aurocs = np.full((len(views), 2), 0.1), dict.fromkeys(NAMES, 0.5)  # no true positives, no curves
    return score_explainers(
        Gray(), explainers, views, probabilities, NAMES, aurocs, aurocs, per_observation=99, passes=passes, seed=0,
        budget=budget, explained=explained,
    )  # fmt: skip


def test_automatic_limit_is_three_minutes_or_a_quarter_of_the_fit():
    assert [resolve_minutes("auto", seconds) for seconds in (0, 720, 960)] == [3, 3, 4]
    assert (resolve_minutes(None, 9999), resolve_minutes(0.5, 9999)) == (None, 0.5)


def test_dear_explainer_explains_the_first_views_that_fit(clock, tmp_path):
    slow, fast = Slow(clock, 20), Slow(clock, 0.5, passes=1)
    budget = TimeBudget(1, clock)
    sheets = explain_views(
        Gray(), {"slow": slow, "fast": fast}, make_views(4), NAMES, tmp_path, top=1, budget=budget
    )  # the estimate is 1 s a view until one was explained
    assert [row for row, _ in slow.explained] == [0, 1]
    assert [row for row, _ in fast.explained] == [0, 1, 2, 3]
    assert clock.now == 4 * 0.5 + 2 * 20
    assert budget.left_out == [{"explainer": "slow", "step": "explained", "done": 2, "of": 4}]
    assert len(json.loads((tmp_path / "slow/manifest.json").read_text())) == 2
    assert [*sheets] == ["slow", "fast", *(f"views/p{row}_study1_view1" for row in range(4))]


def test_explainer_without_time_for_a_view_has_no_folder(clock, tmp_path):
    budget = TimeBudget(0.01, clock)  # 0.6 s, and a view is estimated to take 1
    assert explain_views(Gray(), {"slow": Slow(clock, 20)}, make_views(2), NAMES, tmp_path, budget=budget) == {}
    assert budget.left_out == [{"explainer": "slow", "step": "explained", "done": 0, "of": 2}]
    assert not (tmp_path / "slow").exists()


@pytest.mark.parametrize(("minutes", "done"), [(0.3, 9), (0.4, 15), (0.6, 24), (None, 24)])
def test_smaller_budget_scores_a_prefix(clock, minutes, done):
    """480 of the 2,400 passes are for the sanity check, 400 for second maps: together 8.8 s."""
    slow = Slow(clock, 1)
    content = score(make_views(24), {"slow": slow}, TimeBudget(minutes, clock), passes=2400)
    scored = [row for row, _ in slow.explained][:done]
    assert content["explainers"]["slow"]["views"] == done
    assert scored == [*range(done)]
    expected = [{"explainer": "slow", "step": "scored", "done": done, "of": 24}] if done < 24 else []
    assert content["time_budget"] == {"minutes": minutes, "left_out": expected}


def test_time_of_scoring_counts_too(clock, monkeypatch):
    """A view takes 1 s to explain and 2 s to score, the checks 8.8 s: 7 of them fit into 30 s."""

    def score_slowly(views, *others):
        clock.now += 2 * len(views)
        return score_maps(views, *others)

    monkeypatch.setattr("chexpert.explain.quality.scoring.score_maps", score_slowly)
    content = score(make_views(24), {"slow": Slow(clock, 1)}, TimeBudget(0.5, clock), passes=2400)
    assert content["explainers"]["slow"]["views"] == 7
    assert clock.now <= 30


def test_every_explainer_has_five_views_before_one_has_more(clock):
    cheap, dear = Slow(clock, 0.5, passes=50), Slow(clock, 1)
    content = score(make_views(24), {"dear": dear, "cheap": cheap}, TimeBudget(0.2, clock), passes=2400)
    assert content["explainers"]["dear"]["views"] == 5
    assert content["explainers"]["cheap"]["views"] == 5
    assert [*content["explainers"]] == ["dear", "cheap"]
    # both with the least sanity check, and the cheap one with two second maps
    assert clock.now == 5 * 0.5 + 2 * 0.5 + 2 * 0.5 + 5 * 1 + 2 * 1


def test_five_views_come_before_the_sanity_check(clock):
    content = score(make_views(24), {"slow": Slow(clock, 1)}, TimeBudget(0.1, clock), passes=2400)
    assert content["explainers"]["slow"]["views"] == 5
    assert content["explainers"]["slow"]["sanity"]["top_block"]["n"] == 0
    steps = [entry["step"] for entry in content["time_budget"]["left_out"]]
    assert steps == ["scored", "checked for sanity", "checked for stability"]


def test_left_out_views_are_one_printed_line_each(clock, capsys):
    score(make_views(24), {"slow": Slow(clock, 1)}, TimeBudget(0.4, clock), passes=2400)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert lines == ["note: slow: scored 15 of 24 views (time budget 0.4 min; explain.minutes=null does all)"]


def test_view_that_was_shown_is_not_explained_again_for_the_scores(clock, tmp_path):
    views, slow = make_views(6), Slow(clock, 1)
    explained = ExplainedViews({view.path: [0, 1] for view in views[:2]})
    explain_views(Gray(), {"slow": slow}, views[:2], NAMES, tmp_path, only=["Fracture"], explained=explained)
    assert slow.explained == [(0, [0, 1]), (1, [0, 1])]
    assert {entry["observation"] for entry in json.loads((tmp_path / "slow/manifest.json").read_text())} == {"Fracture"}
    content = score(views, {"slow": slow}, TimeBudget(), explained, passes=600)
    assert content["explainers"]["slow"]["views"] == 6
    assert slow.explained[2:6] == [(row, [0, 1]) for row in (2, 3, 4, 5)]


def test_sharing_saves_the_forward_passes_of_the_shared_views(tmp_path, monkeypatch):
    monkeypatch.setattr("chexpert.explain.time_budget.estimate_seconds", lambda *_: 0)
    views = [
        View(view.path, torch.randint(0, 256, (1, 32, 32), dtype=torch.uint8), view.original, view.matrix, view.truth)
        for view in make_views(3)
    ]

    def count(needed):
        model, seen = Gray(), []
        model.feature_maps = lambda images: seen.append(len(images)) or {"x": images.float() / 255}
        explained, lime = ExplainedViews(needed), {"lime": Lime(20, 6, batch_size=20)}
        explain_views(model, lime, views[:2], NAMES, tmp_path, top=1, explained=explained)
        shown = sum(seen)
        monkeypatch.setattr(
            "chexpert.explain.quality.scoring.check_sanity", lambda m, e, i, outputs, *_: [[{}, {}]] * 3
        )
        monkeypatch.setattr(
            "chexpert.explain.quality.scoring.check_stability", lambda m, e, i, outputs, *_: ("seed", [[{}, {}]] * 3)
        )
        probabilities, aurocs = np.full((3, 2), 0.1), dict.fromkeys(NAMES, 0.5)
        score_explainers(
            model, lime, views, probabilities, NAMES, aurocs, aurocs, per_observation=9, passes=100, seed=0,
            explained=explained,
        )  # fmt: skip
        return shown, sum(seen) - shown

    assert count({view.path: [0, 1] for view in views[:2]}) == (2 + 2 * 20, 1 * 20)  # 2: the probabilities
    assert count({}) == (2 + 2 * 20, 3 * 20)


@pytest.mark.parametrize(
    ("r2", "stability", "line"),
    [
        ([0.8, 0.6], [0.9, 0.95], "lime: median R2 0.70, median stability 0.93"),
        (
            [0.8, 0.4, 0.2], [0.9, 0.7, 0.9],
            "warning: lime: median R2 0.40, median stability 0.90; 2 of 3 maps have R2 below 0.5; "
            "1 of 3 maps have stability below 0.8",
        ),
        ([0.4, None], [None, None], "warning: lime: median R2 0.40; 1 of 1 maps have R2 below 0.5"),
    ],
)  # fmt: skip
def test_local_models_have_one_line(r2, stability, line, capsys):
    log_local_models("lime", [{"r2": a, "stability": b} for a, b in zip(r2, stability, strict=True)])
    assert capsys.readouterr().err == line + "\n"


def test_map_without_a_local_model_has_no_line(capsys):
    log_local_models("gradcam", [{"layer": "last"}])
    assert capsys.readouterr().err == ""
