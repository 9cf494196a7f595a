import numpy as np
import pytest
import torch
from helpers.known_answers import Weighted, make_weights

from chexpert.explain import IntegratedGradients, Lime, Occlusion, RandomMap, Rise
from chexpert.models import Backbone, Combined

EXPLAINERS = [
    Lime(samples=30, superpixels=8),
    Occlusion(patch=0.5, stride=0.25),
    Rise(samples=20, cells=4),
    IntegratedGradients(steps=3),
    RandomMap(),
]
NAMES = [explainer.name for explainer in EXPLAINERS]
EACH = pytest.mark.parametrize("explainer", EXPLAINERS, ids=NAMES)
IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 1, 32, 32), dtype=np.uint8))


@EACH
def test_a_batch_of_views_with_outputs_of_their_own_equals_single_calls(explainer):
    model, outputs = Weighted(make_weights(32, 3, outputs=3)), [[2, 0], [], [1]]
    together = explainer(model, IMAGES, outputs)
    assert [len(own) for own in together] == [2, 0, 1]
    for image, own, attributions in zip(IMAGES, outputs, together, strict=True):
        for output, attribution in zip(own, attributions, strict=True):
            ((single,),) = explainer(model, image[None], [[output]])
            assert attribution.signed.dtype == np.float32
            assert abs(attribution.signed - single.signed).max() < 1e-5
            assert attribution.manifest["explainer"] == explainer.name


@EACH
def test_the_same_call_gives_the_same_bytes_and_leaves_the_random_state_alone(explainer):
    model = Weighted(make_weights(32, 3))
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, other = (explainer(model, IMAGES[:1], [[1]])[0][0].signed for _ in range(2))
    assert one.tobytes() == other.tobytes()
    assert (torch.get_rng_state() == states[0]).all()
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002


@EACH
def test_it_explains_a_combined_model_and_leaves_it_as_it_was(explainer):
    model = Combined({"a": Backbone("resnet10t"), "b": Backbone("mnasnet_small", frozen=True)}, outputs=2).train()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    ((attribution,),) = explainer(model, IMAGES[:1], [[1]])
    assert attribution.signed.shape == (32, 32)
    assert [module.training for module in model.modules()] == modes
    assert all((state[key] == value).all() for key, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize("explainer", EXPLAINERS[:-1], ids=NAMES[:-1])
def test_after_an_error_the_model_is_as_it_was(explainer):
    class Broken(Weighted):
        def score(self, maps):
            raise ArithmeticError

    model = Broken(make_weights(32, 3)).train()
    with pytest.raises(ArithmeticError):
        explainer(model, IMAGES[:1], [[0]])
    assert model.training
    assert model.weights.requires_grad


@pytest.mark.parametrize(
    ("kind", "option"),
    [(Occlusion, {"patch": 1.5}), (Occlusion, {"stride": 0}), (Occlusion, {"fill": 3}), (Rise, {"cells": 0}),
     (Rise, {"samples": None}), (IntegratedGradients, {"steps": "many"}), (IntegratedGradients, {"memory": 0})],
)  # fmt: skip
def test_a_wrong_argument_is_told_by_its_key(kind, option):
    (error,) = kind.validate_args(**option)
    assert f"where: explainer.{kind.name}.{next(iter(option))}" in error
