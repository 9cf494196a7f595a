"""The state of a model and of random numbers after a call of a package, also after an error inside it."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from chexpert.explain import Captum, GradCamPackage, LimePackage
from chexpert.explain.packages.borrowed_model import borrow
from chexpert.models import Backbone, Combined

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
EXPLAINERS = [
    lambda: GradCamPackage("FullGrad"),
    lambda: GradCamPackage("ShapleyCAM"),
    lambda: GradCamPackage("RandomCAM"),
    lambda: LimePackage(num_samples=3),
    lambda: Captum("GuidedBackprop"),
    lambda: Captum("GradientShap"),
    lambda: Captum("NoiseTunnel"),
]


class BrokenError(Exception):
    """Raised in the middle of an explanation."""


@pytest.fixture
def model():
    """Mixed modes, a frozen weight, and a gradient half way through a step."""
    torch.manual_seed(0)
    model = Combined({"a": Backbone("test_resnet"), "b": Backbone("test_resnet")}, 2).train()
    list(model.modules())[-1].eval()
    weights = list(model.parameters())
    weights[0].requires_grad_(False)
    weights[-1].grad = torch.ones_like(weights[-1])
    return model


def describe(model):
    return {
        "layers": list(model.named_modules()),
        "modes": [module.training for module in model.modules()],
        "in place": [getattr(module, "inplace", None) for module in model.modules()],
        "attributes": [sorted(vars(module)) for module in model.modules()],
        "hooks": sum(len(getattr(module, kind)) for module in model.modules() for kind in HOOKS),
        "trainable": [weight.requires_grad for weight in model.parameters()],
        "gradients": [None if weight.grad is None else weight.grad.sum().item() for weight in model.parameters()],
        "random": (torch.get_rng_state().tolist(), repr(np.random.get_state()), random.getstate()),  # noqa: NPY002
    }


@pytest.mark.parametrize("make", EXPLAINERS)
@pytest.mark.parametrize("broken", [False, True])
def test_model_and_random_numbers_stay_as_they_were(model, images, make, broken, monkeypatch):
    calls = []
    if broken:
        for name in ("score", "weigh"):
            whole = getattr(Combined, name)

            def fail(model, maps, whole=whole):
                calls.append(maps)
                if len(calls) >= 2:
                    raise BrokenError
                return whole(model, maps)

            monkeypatch.setattr(Combined, name, fail)
    before, state = describe(model), {key: value.clone() for key, value in model.state_dict().items()}
    if broken:
        with pytest.raises(BrokenError):
            make()(model, images, [[0], [1]])
    else:
        maps = make()(model, images, [[0], [1, 0]])
        assert [len(own) for own in maps] == [1, 2]
    assert describe(model) == before
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


def test_borrowed_model_works_nowhere_in_place_and_has_the_same_logits(model, images):
    model.eval()
    expected = model(images)
    with torch.inference_mode(), borrow(model) as borrowed:
        assert not torch.is_inference_mode_enabled()
        assert (borrowed(images) == expected).all()
        relus = [module for module in borrowed.modules() if isinstance(module, nn.ReLU)]
        assert len(relus) > 4
        assert not any(relu.inplace for relu in relus)
    assert all(module.inplace for module in model.modules() if isinstance(module, nn.ReLU))


def test_package_may_use_operations_without_a_deterministic_version(model):
    torch.use_deterministic_algorithms(True)
    try:
        with borrow(model):
            assert torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
