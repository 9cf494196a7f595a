import numpy as np
import pytest
import torch
from helpers.known_answers import Weighted, make_weights

from chexpert.explain import IntegratedGradients
from chexpert.explain.methods.fills import fill_image
from chexpert.models import Backbone, Model, Single
from chexpert.models.output_head import OutputHead

IMAGE = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 32, 32), dtype=np.uint8))


class Square(Model):
    """A logit that is the sum of the squared pixels."""

    def __init__(self) -> None:
        super().__init__({}, OutputHead(1))

    def feature_maps(self, images):
        return {"x": images if images.is_floating_point() else images.float() / 255}

    def score(self, maps):
        return (maps["x"] ** 2).sum((2, 3))


@pytest.mark.parametrize("fill", ["black", "blur"])
def test_linear_model_gives_weight_times_distance_from_baseline(fill):
    weights = make_weights(32, 1)
    (attributions,) = IntegratedGradients(steps=3, fill=fill)(Weighted(weights), IMAGE[None], [[1, 0]])
    way = (IMAGE[0].numpy() - fill_image(IMAGE[0].numpy(), fill).astype(float)) / 255
    for own, attribution in zip(weights[::-1], attributions, strict=True):
        assert np.allclose(attribution.signed, own * way, atol=1e-5)
        assert attribution.manifest["completeness_error"] < 1e-5


def test_midpoint_rule_is_exact_for_a_square():
    ((attribution,),) = IntegratedGradients(steps=1, fill="black")(Square(), IMAGE[None], [[0]])
    assert np.allclose(attribution.signed, (IMAGE[0].numpy() / 255) ** 2, atol=1e-6)


def test_chunk_size_does_not_matter():
    torch.manual_seed(0)
    model = Single(Backbone("resnet10t"), outputs=2)
    one, other = (
        IntegratedGradients(steps=10, batch_size=size)(model, IMAGE[None], [[0]])[0][0].signed for size in (3, 10)
    )
    assert abs(one - other).max() <= 1e-4 * abs(one).max()


def test_smaller_memory_takes_fewer_images_a_pass():
    class Counting(Square):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[int] = []

        def feature_maps(self, images):
            self.seen.append(len(images))
            return super().feature_maps(images)

    for memory, expected in ((0.01, [2, 1] + [1] * 16), (64, [2, 1, 16])):  # the ends, one to measure, the steps
        model = Counting()
        IntegratedGradients(steps=16, memory=memory)(model, IMAGE[None], [[0]])
        assert model.seen == expected


def test_backward_pass_counts_twice():
    assert IntegratedGradients(steps=10).passes(outputs=3) == 10 * (1 + 3 * 2) + 2


class Bent(Model):
    """A random convolution, ReLU and a steep tanh."""

    def __init__(self, steep: float = 4) -> None:
        super().__init__({}, OutputHead(6))
        torch.manual_seed(0)
        self.convolution, self.head, self.steep = torch.nn.Conv2d(1, 16, 5), torch.nn.Linear(16, 6), steep

    def feature_maps(self, images):
        images = images if images.is_floating_point() else images.float() / 255
        return {"x": self.convolution(images).relu()}

    def score(self, maps):
        return self.head((self.steep * maps["x"]).tanh().mean((2, 3)))


def test_64_steps_are_complete_for_a_random_network():
    (attributions,) = IntegratedGradients(steps=64)(Bent(), IMAGE[None], [range(6)])
    assert all(attribution.manifest["completeness_error"] <= 0.02 for attribution in attributions)


def test_steps_are_doubled_at_most_twice_for_incomplete_outputs():
    (attributions,) = IntegratedGradients(steps=1)(Bent(), IMAGE[None], [range(6)])
    taken = [attribution.manifest["steps"] for attribution in attributions]
    assert set(taken) <= {1, 2, 4}
    assert max(taken) > 1
    missed = [attribution.manifest["completeness_error"] > 0.02 for attribution in attributions]
    assert [steps for steps, miss in zip(taken, missed, strict=True) if miss] == [4] * sum(missed)


def test_constant_logit_has_no_relative_completeness_error():
    ((attribution,),) = IntegratedGradients(steps=2)(Square(), torch.zeros_like(IMAGE)[None], [[0]])
    assert attribution.manifest["completeness_error"] is None
    assert attribution.manifest["completeness_error_logit"] == 0
    assert attribution.manifest["steps"] == 2
