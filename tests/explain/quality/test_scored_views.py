"""Which views are scored."""

import numpy as np
import torch

from chexpert.explain.attribution import Attribution
from chexpert.explain.explained_views import explain_batches
from chexpert.explain.quality.scored_views import affordable, choose_scored, limit


class Expensive:
    """Three passes for each output; it stores the outputs of each batch."""

    name = "expensive"

    def __init__(self) -> None:
        self.batches: list[list[list[int]]] = []

    def passes(self, outputs):
        return 3 * outputs

    def __call__(self, model, images, outputs):
        self.batches.append([*outputs])
        return [[Attribution(image[0].numpy() + c) for c in own] for image, own in zip(images, outputs, strict=True)]


def sample_present(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((200, 4)) < [0.5, 0.3, 0.1, 0.02]


def test_each_observation_is_present_often_enough_if_it_can():
    for seed in range(20):
        present = sample_present(seed)
        counts = present[choose_scored(present, 10, seed)].sum(0)
        assert (counts >= np.minimum(present.sum(0), 10)).all()


def test_no_view_is_chosen_twice_or_without_need():
    present = sample_present(0)
    rows = choose_scored(present, 10, 0)
    assert len(set(rows)) == len(rows) < 40
    assert all(limit([np.flatnonzero(present[row]).tolist() for row in rows], 10))


def test_first_views_are_balanced_for_an_expensive_explainer():
    present = sample_present(1) | np.eye(200, 4, dtype=bool)
    rows = choose_scored(present, 10, 0)
    assert present[rows[:8], :3].sum(0).min() >= 2


def test_seed_decides_the_views():
    present = sample_present(0)
    assert choose_scored(present, 5, 0) == choose_scored(present, 5, 0) != choose_scored(present, 5, 1)


def test_no_observation_present_scores_no_view():
    assert choose_scored(np.zeros((5, 2), dtype=bool), 3, 0) == []


def test_explainer_takes_as_many_views_as_its_passes_allow():
    outputs = [[0], [0, 1], [1]]
    assert [affordable(Expensive(), outputs, passes) for passes in (2, 3, 8, 9, 12)] == [0, 1, 1, 2, 3]


def test_views_are_explained_in_batches_in_order():
    images = torch.arange(20, dtype=torch.uint8).reshape(20, 1, 1, 1)
    outputs = [[0, 1] if row % 2 else [2] for row in range(20)]
    explainer = Expensive()
    found = explain_batches(None, explainer, images, outputs)
    assert explainer.batches == [outputs[:8], outputs[8:16], outputs[16:]]
    assert [[attribution.signed.item() for attribution in own] for own in found] == [
        [row, row + 1] if row % 2 else [row + 2] for row in range(20)
    ]


def test_views_that_are_explained_anyway_come_first_where_they_suit():
    present = sample_present(0)
    shown = np.flatnonzero(present.any(1))[5:9].tolist()
    rows = choose_scored(present, 10, 0, first=shown)
    assert len({*rows[:4]} & {*shown}) == 2  # the other two show none of the rare observations
    assert not {*choose_scored(present, 10, 0)[:4]} & {*shown}
    assert (present[rows].sum(0) >= np.minimum(present.sum(0), 10)).all()
    nothing = np.flatnonzero(~present.any(1))[:1].tolist()
    assert choose_scored(present, 10, 0, first=nothing) == choose_scored(present, 10, 0)
