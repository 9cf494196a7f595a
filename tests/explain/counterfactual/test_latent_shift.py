"""Latent Shift on a linear model and a linear autoencoder, whose direction, step and difference follow from algebra."""

from math import log

import numpy as np
import pytest
import torch
from helpers.known_answers import Weighted, make_weights

from chexpert.explain.counterfactual.latent_shift import (
    LatentPath,
    ShiftSettings,
    find_step,
    make_counterfactual,
    move_logit,
    prepare,
    weigh_difference,
)

SIDE, LATENT = 8, 5


class Linear(torch.nn.Module):
    """Encodes and decodes by two matrices."""

    def __init__(self, spread: float = 2.0) -> None:
        super().__init__()
        rng = np.random.default_rng(1)
        self.encoder = torch.tensor(rng.standard_normal((SIDE**2, LATENT)) / SIDE, dtype=torch.float32)
        self.decoder = torch.tensor(rng.standard_normal((LATENT, SIDE**2)) / SIDE, dtype=torch.float32)
        self.spread = torch.tensor(spread)

    def encode(self, images):
        return images.flatten(1) @ self.encoder

    def decode(self, latents, size):
        return (latents @ self.decoder).view(-1, 1, *size)


@pytest.fixture
def model():
    weights = make_weights(SIDE, 1.0)
    return Weighted(weights - weights.mean((1, 2), keepdims=True))  # logits near 0: a probability is soon moved


@pytest.fixture
def image():
    return torch.randint(90, 160, (1, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def find_direction(model, linear, output):
    slope = linear.decoder.numpy().astype("float64") @ model.weights[output].detach().numpy().ravel()
    return slope / np.linalg.norm(slope), float(np.linalg.norm(slope))


@pytest.mark.parametrize("output", [0, 1])
def test_direction_is_the_gradient_of_the_decoded_logit(model, image, output):
    linear = Linear()
    with prepare(model):
        path = LatentPath(model, linear, image, output)
    assert path.direction[0].numpy() == pytest.approx(find_direction(model, linear, output)[0], abs=1e-6)


def test_images_and_difference_are_those_of_algebra(model, image):
    linear, settings = Linear(), ShiftSettings(amount=0.3, longest=8)
    found = make_counterfactual(model, linear, image, 0, settings)
    direction, slope = find_direction(model, linear, 0)
    change = (direction @ linear.decoder.numpy()).reshape(SIDE, SIDE) * 2.0  # of a step of 1
    original = image[0].numpy() / 255
    assert len(found.images) == len(found.steps) == 7
    for made, logits, step in zip(found.images, found.logits, found.steps, strict=True):
        assert made == pytest.approx(original + step * change, abs=1e-5)
        assert logits[0] == pytest.approx(found.original_logits[0] + step * slope * 2.0, abs=1e-4)
    assert found.difference == pytest.approx(-found.steps[0] * change, abs=1e-5)
    assert found.reached == (True, True)
    assert np.diff(found.steps) == pytest.approx([-found.steps[0] / 3] * 3 + [found.steps[6] / 3] * 3)


@pytest.mark.parametrize(("sign", "end"), [(-1, 0), (1, 6)])
def test_step_is_the_shortest_that_moves_the_probability_far_enough(model, image, sign, end):
    linear, settings = Linear(), ShiftSettings(amount=0.3, longest=8)
    found = make_counterfactual(model, linear, image, 0, settings)
    slope = find_direction(model, linear, 0)[1] * 2.0
    start = found.original_logits[0]
    needed = (move_logit(start, sign, 0.3) - start) / slope
    assert 1 <= found.steps[end] / needed < 1 + 1 / 32  # halved six times from at most twice the step
    p = 1 / (1 + np.exp(-start))
    wanted = 0.7 * p if sign < 0 else p + 0.3 * (1 - p)
    assert 1 / (1 + np.exp(-found.logits[end, 0])) == pytest.approx(wanted, abs=0.01)


def test_step_is_capped_and_reported(model, image):
    found = make_counterfactual(model, Linear(), image, 0, ShiftSettings(amount=0.99, longest=0.01))
    assert found.reached == (False, False)
    assert (found.steps[0], found.steps[6]) == (-0.01, 0.01)


def test_decoded_images_lack_what_the_autoencoder_lost(model, image):
    linear = Linear()
    found = make_counterfactual(model, linear, image, 0, ShiftSettings(0.3, 8, detail=False))
    gray = image.float().view(1, -1) / 255
    decoded = (gray @ linear.encoder @ linear.decoder).clamp(0, 1)
    assert found.images[3].ravel() == pytest.approx(decoded[0].numpy(), abs=1e-6)
    assert found.original.ravel() == pytest.approx(gray[0].numpy(), abs=1e-6)
    expected = decoded[0].numpy() @ model.weights.detach().numpy().reshape(2, -1).T
    assert found.logits[3] == pytest.approx(expected, abs=1e-5)


def test_weighed_difference_adds_up_to_what_the_logit_lost(model, image):
    with prepare(model):
        path = LatentPath(model, Linear(), image, 1)
        lowered = path.decode([-0.2])
        signed = weigh_difference(path, lowered)
    change = (image / 255 - lowered[0]).numpy()[0]
    assert signed == pytest.approx(change * model.weights[1].detach().numpy(), abs=1e-6)
    logits = path.compute_logit([0.0, -0.2])
    assert signed.sum() == pytest.approx(logits[0] - logits[1], abs=1e-5)


@pytest.mark.parametrize(
    ("logit", "sign", "amount", "wanted"),
    [(0.0, -1, 0.9, 0.05), (0.0, 1, 0.9, 0.95), (log(0.2 / 0.8), -1, 0.5, 0.1), (log(0.2 / 0.8), 1, 0.5, 0.6)],
)
def test_moved_logit_is_that_of_the_moved_probability(logit, sign, amount, wanted):
    assert move_logit(logit, sign, amount) == pytest.approx(log(wanted / (1 - wanted)), abs=1e-12)


def test_saturated_logit_moves_too():
    assert move_logit(40.0, -1, 0.9) == pytest.approx(log(0.1 / 0.9), abs=1e-6)
    assert move_logit(40.0, 1, 0.9) == pytest.approx(40 + log(10), abs=1e-6)


def test_logit_that_turns_back_stops_at_the_first_step_that_suffices():
    measure = lambda steps: np.array([-4 * abs(s) if abs(s) < 0.6 else 9.0 for s in steps])  # noqa: E731
    step, reached = find_step(measure, 0.0, -1, ShiftSettings(amount=0.5, longest=1.0))
    wanted = -move_logit(0.0, -1, 0.5) / 4
    assert reached
    assert 1 <= -step / wanted < 1 + 1 / 32


def test_logit_that_only_moves_the_other_way_stays():
    step, reached = find_step(lambda steps: np.abs(steps), 0.0, -1, ShiftSettings())
    assert (step, reached) == (0.0, False)


class BrokenError(Exception):
    """Raised in the middle of the work."""


@pytest.mark.parametrize("broken", [False, True])
def test_state_is_restored_also_after_an_error(model, image, broken, monkeypatch):
    model.train()
    model.weights.grad = torch.ones_like(model.weights)
    torch.manual_seed(3)
    state = torch.get_rng_state()
    if broken:
        monkeypatch.setattr(model, "score", lambda maps: (_ for _ in ()).throw(BrokenError()))
    try:
        make_counterfactual(model, Linear(), image, 0, ShiftSettings())
    except BrokenError:
        assert broken
    else:
        assert not broken
    assert model.training
    assert model.weights.requires_grad
    assert (model.weights.grad == 1).all()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_same_image_gives_the_same_bits_in_inference_mode_too(model, image):
    linear = Linear()
    one, two = (make_counterfactual(model, linear, image, 0, ShiftSettings()) for _ in range(2))
    with torch.inference_mode():
        three = make_counterfactual(model, linear, image.clone(), 0, ShiftSettings())
    for other in (two, three):
        assert (one.images == other.images).all()
        assert one.steps == other.steps
