"""Which views are scored."""

import numpy as np
import torch

from chexpert.explain.attribution import Attribution
from chexpert.explain.quality.scored_views import affordable, choose_scored, explain_batches, limit


class Dear:
    """Three passes for each output."""

    name = "dear"

    def passes(self, outputs):
        return 3 * outputs

    def __call__(self, model, images, outputs):
        return [[Attribution(image[0].numpy() + c) for c in own] for image, own in zip(images, outputs, strict=True)]


def draw(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((200, 4)) < [0.5, 0.3, 0.1, 0.02]


def test_each_observation_is_present_often_enough_or_as_often_as_there_is():
    for seed in range(20):
        present = draw(seed)
        counts = present[choose_scored(present, 10, seed)].sum(0)
        assert (counts >= np.minimum(present.sum(0), 10)).all()


def test_no_view_is_drawn_twice_and_none_in_vain():
    present = draw(0)
    rows = choose_scored(present, 10, 0)
    assert len(set(rows)) == len(rows) < 40
    assert all(limit([np.flatnonzero(present[row]).tolist() for row in rows], 10))


def test_the_first_of_them_are_a_fair_choice_for_a_dear_explainer():
    present = draw(1) | np.eye(200, 4, dtype=bool)
    rows = choose_scored(present, 10, 0)
    assert present[rows[:8], :3].sum(0).min() >= 2


def test_the_seed_decides():
    present = draw(0)
    assert choose_scored(present, 5, 0) == choose_scored(present, 5, 0) != choose_scored(present, 5, 1)


def test_nothing_present_is_nothing_scored():
    assert choose_scored(np.zeros((5, 2), dtype=bool), 3, 0) == []


def test_an_explainer_takes_the_first_views_that_its_passes_allow():
    outputs = [[0], [0, 1], [1]]
    assert [affordable(Dear(), outputs, passes) for passes in (2, 3, 8, 9, 12)] == [0, 1, 1, 2, 3]


def test_views_are_explained_in_batches_and_come_back_in_order():
    images = torch.arange(20, dtype=torch.uint8).reshape(20, 1, 1, 1)
    outputs = [[0, 1] if row % 2 else [2] for row in range(20)]
    found = explain_batches(None, Dear(), images, outputs)
    assert [[attribution.signed.item() for attribution in own] for own in found] == [
        [row, row + 1] if row % 2 else [row + 2] for row in range(20)
    ]
