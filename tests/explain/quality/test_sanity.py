"""Weight randomization, of maps that do and do not depend on the weights."""

import math

import numpy as np
import pytest
import torch

from chexpert.explain.attribution import Attribution
from chexpert.explain.methods.cam import GradCAM
from chexpert.explain.quality.sanity import between_observations, check_sanity, count_passes
from chexpert.explain.quality.summary import evaluate_sanity
from chexpert.models import Backbone, Single

IMAGES = torch.randint(0, 256, (3, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
OUTPUTS = [[0, 1], [2], [0]]


@pytest.fixture
def model() -> Single:
    torch.manual_seed(0)
    return Single(Backbone("test_resnet"), 3).eval()


class Edges:
    """Shows the image itself, whatever the model, so the check must fail."""

    name = "edges"

    def __init__(self, cost: int = 1) -> None:
        self.cost, self.sizes = cost, []

    def passes(self, outputs):
        return self.cost

    def __call__(self, model, images, outputs):
        self.sizes.append(len(images))
        return [
            [Attribution(image[0].float().numpy()) for _ in own] for image, own in zip(images, outputs, strict=True)
        ]


class Weights(Edges):
    """Shows the classifier's weights."""

    def __call__(self, model, images, outputs):
        return [[Attribution(model.head.weight.detach().numpy()) for _ in own] for own in outputs]


def check(model, explainer, passes):
    return check_sanity(model, explainer, IMAGES, OUTPUTS, explainer(model, IMAGES, OUTPUTS), passes)


def test_map_of_the_weights_changes_and_map_of_the_image_does_not(model):
    for rows in check(model, Edges(), 1000):
        for row in rows:
            values = [row[name] for name in ("top_block", "top_block_size", "cascade_5")]
            assert values == pytest.approx([1, 1, 1])
    for row in check(model, Weights(), 1000)[0]:
        assert abs(row["top_block"]) < 0.1
        assert row["top_block_size"] >= abs(row["top_block"])


def test_each_map_has_a_row_with_all_blocks(model):
    rows = check(model, Edges(), 1000)
    assert [len(own) for own in rows] == [2, 1, 1]
    assert set(rows[0][0]) == {"top_block", "top_block_size", *(f"cascade_{depth}" for depth in (2, 3, 4, 5))}


@pytest.mark.parametrize(
    ("passes", "calls", "keys"),
    [
        (5 * 21, [3] * 7, 6),  # three seeds and four blocks more, three views each
        (5 * 20, [3] * 3, 2),
        (5 * 3, [3], 2),
        (5 * 2, [2], 2),
        (4, [2], 2),  # two views even beyond its share
    ],
)
def test_few_passes_reduce_blocks_then_seeds_then_views(model, passes, calls, keys):
    explainer = Edges()
    attributions = explainer(model, IMAGES, OUTPUTS)
    explainer.sizes.clear()
    rows = check_sanity(model, explainer, IMAGES, OUTPUTS, attributions, passes)
    assert explainer.sizes == calls
    assert len(rows[0][0]) == keys
    assert len(rows) == 3


class Signs(Edges):
    """Shows the image, or its negative where the logit is below the median: its sign alone depends on the weights."""

    def __call__(self, model, images, outputs):
        logits = model(images).detach()
        signs = torch.sign(logits - logits.median(0).values)
        return [[Attribution((signs[row, c] * images[row, 0]).numpy()) for c in own] for row, own in enumerate(outputs)]


def test_map_that_changes_only_its_sign_fails(model):
    images = torch.randint(0, 256, (16, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    explainer, outputs = Signs(), [[0, 1, 2]] * 16
    checked = check_sanity(model, explainer, images, outputs, explainer(model, images, outputs), 10000)
    found = evaluate_sanity([row for own in checked for row in own])
    assert abs(found["top_block"]["value"]) < 0.3
    assert found["top_block_size"]["value"] > 0.9
    assert found["passed"] is False
    assert max(map(abs, found["cascade"])) < 0.3
    assert min(found["cascade_size"]) > 0.9


def test_passes_of_an_expensive_explainer_exceed_its_share():
    assert count_passes(Edges(cost=100), OUTPUTS, 250) == 200
    assert count_passes(Edges(cost=1), OUTPUTS, 250) == 50


def test_model_is_unchanged(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    explainer = GradCAM()
    check(model, explainer, 1000)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_check_works_in_inference_mode(model):
    with torch.inference_mode():
        rows = check(model, GradCAM(), 1000)
    assert -1 <= rows[0][0]["cascade_5"] <= 1


def test_map_is_compared_with_each_other_map_of_its_view():
    up = np.arange(6.0).reshape(2, 3)
    maps = [Attribution(signed) for signed in (up, up * 2, -up, np.zeros((2, 3)))]
    rhos = between_observations(maps)
    assert rhos[:3] == pytest.approx([0, 0, -1])
    assert math.isnan(rhos[3])
    assert math.isnan(between_observations(maps[:1])[0])
