"""Masked labels have no gradient: from labels through model and loss."""

import numpy as np
import pandas as pd
import pytest
import torch

from chexpert.data import LabelPolicy
from chexpert.models import Backbone, Single
from chexpert.models.output_head import OutputHead
from chexpert.observations import OBSERVATIONS
from chexpert.training import MaskedBCE

POLICIES = {
    "ignore": {"uncertain": "ignore", "blank": "ignore"},
    "three_class": {"uncertain": "three_class", "blank": "ignore"},
    "mixed": {"uncertain": {"default": "ignore", "Edema": "three_class", "Fracture": 0.7}, "blank": "ignore"},
    "conditional": {"uncertain": "three_class", "blank": 0.2, "conditional": True},
}


def make_targets(policy, labels):
    """Return targets and mask (N, C + U) of labels (N, 14), as tensors."""
    frame = pd.DataFrame(labels, columns=list(OBSERVATIONS)).assign(key=[f"view{n}" for n in range(len(labels))])
    targets, mask, _ = policy.apply(frame, OBSERVATIONS)
    return torch.tensor(targets), torch.tensor(mask)


@pytest.mark.parametrize("name", POLICIES)
def test_only_labeled_logits_have_a_gradient(name):
    policy, loss = LabelPolicy(**POLICIES[name]), MaskedBCE()
    output_head = OutputHead(14, policy.three_class(OBSERVATIONS), policy.parents(OBSERVATIONS))
    rng = np.random.default_rng(0)
    for _ in range(30):
        targets, mask = make_targets(policy, rng.choice([1, 0, -1, np.nan], (5, 14)).astype("float32"))
        raw = torch.randn(5, output_head.width, requires_grad=True)
        loss(output_head.ask(raw), targets, mask).backward()
        labeled = mask.clone()
        labeled[:, output_head.uncertain] |= mask[:, 14:]  # in a softmax "uncertain" lowers "positive" too
        assert (raw.grad[~labeled] == 0).all()
        assert (raw.grad[labeled] != 0).all()


@pytest.mark.parametrize("name", ["ignore", "three_class"])
def test_batch_without_labels_has_no_gradient(name):
    policy = LabelPolicy(**POLICIES[name])
    targets, mask = make_targets(policy, np.full((2, 14), np.nan, "float32"))
    model = Single(Backbone("mnasnet_small"), 14, uncertain=policy.three_class(OBSERVATIONS))
    MaskedBCE()(model.training_logits(torch.rand(2, 1, 32, 32)), targets, mask).backward()
    assert all((parameter.grad == 0).all() for parameter in model.parameters())


def test_observation_without_labels_has_no_gradient_of_its_weights():
    policy = LabelPolicy("three_class", blank="ignore")
    labels = np.ones((2, 14), "float32")
    labels[:, 3] = np.nan
    targets, mask = make_targets(policy, labels)
    model = Single(Backbone("mnasnet_small"), 14, uncertain=policy.three_class(OBSERVATIONS))
    MaskedBCE()(model.training_logits(torch.rand(2, 1, 32, 32)), targets, mask).backward()
    untouched = (model.head.weight.grad == 0).all(1) & (model.head.bias.grad == 0)
    assert untouched.nonzero()[:, 0].tolist() == [3, 14 + 3]
