"""Each loss of conf/loss against its published formula in plain Python, and its contract."""

import math
from pathlib import Path

import hydra.utils
import pytest
import timm
import torch
import yaml
from packaging.version import Version
from timm.loss import AsymmetricLossMultiLabel
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import sigmoid_focal_loss

from chexpert.config.allowed_targets import check_targets
from chexpert.training import AsymmetricLoss, AUCMarginLoss, FocalLoss, MaskedBCE, WeightedBCE, count_targets

NAMES = ["Edema", "Fracture", "Pneumonia"]
ALL = torch.ones(6, 3, dtype=torch.bool)
MASK = torch.arange(18).reshape(6, 3) % 4 > 0
COUNTS = torch.tensor([[30.0, 10.0, 50.0], [90.0, 90.0, 50.0]])
FILES = sorted((Path(__file__).parents[3] / "conf/loss").glob("*.yaml"))


@pytest.fixture
def logits():
    return (3 * torch.randn(6, 3, generator=torch.Generator().manual_seed(0))).requires_grad_()


@pytest.fixture
def soft():
    return torch.rand(6, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def hard():
    return torch.tensor([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 1.0]])


def make(file):
    """Build the loss of a YAML file with the arguments of a run."""
    node = yaml.safe_load(file.read_text())
    built = hydra.utils.get_object(node.pop("_target_"))
    return (
        built(**node)
        if built in (MaskedBCE, FocalLoss, AsymmetricLoss)
        else built(NAMES, **node, counts=COUNTS)
        if built is AUCMarginLoss
        else built(observations=NAMES, counts=COUNTS, **node)
    )


def mean(entry, logits, targets, mask=ALL):
    """Return the mean of a formula of probability, target and column, in plain Python."""
    rows = range(len(logits))
    kept = [(i, c) for i in rows for c in range(logits.shape[1]) if mask[i, c]]
    return sum(entry(1 / (1 + math.exp(-float(logits[i, c]))), float(targets[i, c]), c) for i, c in kept) / len(kept)


# The contract


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_masked_entries_have_no_gradient(file, logits, soft):
    wild = logits.detach().clone()
    wild[~MASK] = torch.tensor([math.inf, -math.inf, 1e30, 0, -200]).repeat(3)[: int((~MASK).sum())]
    wild.requires_grad_()
    loss = make(file)(wild, torch.where(MASK, soft, 0), MASK)
    loss.backward()
    assert (wild.grad[~MASK] == 0).all()
    assert (wild.grad[MASK] != 0).any()
    assert float(loss.detach()) == pytest.approx(float(make(file)(logits, soft, MASK)))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_batch_masked_throughout_gives_0(file, logits, soft):
    built = make(file)
    loss = built(logits, soft, ~ALL)
    loss.backward()
    assert loss.item() == 0
    assert all((p.grad == 0).all() for p in [logits, *built.parameters()])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_loss_is_the_mean_over_unmasked_entries(file, logits, hard):
    loss = make(file)
    parts = [(float(loss(logits[r], hard[r], MASK[r])), int(MASK[r].sum())) for r in (slice(0, 2), slice(2, 6))]
    together = sum(value * n for value, n in parts) / sum(n for _, n in parts)
    assert together == pytest.approx(float(loss(logits, hard, MASK)), rel=1e-5)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_extreme_logits_in_half_precision_stay_finite(file):
    logits = torch.tensor([[80.0, -80, 30]], dtype=torch.bfloat16, requires_grad=True)
    loss = make(file)(logits, torch.tensor([[0.0, 1, 0.5]]), ALL[:1])
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_training_may_have_more_columns_than_validation(file, logits, hard):
    """With three classes, a training has more columns than a validation."""
    node = yaml.safe_load(file.read_text())
    built = hydra.utils.get_object(node.pop("_target_"))
    given = {"observations": NAMES[:2], "counts": COUNTS} if built in (WeightedBCE, AUCMarginLoss) else {}
    loss = built(**node, **given)
    assert torch.isfinite(loss(logits, hard, ALL))
    assert torch.isfinite(loss(logits[:, :2], hard[:, :2], ALL[:, :2]))


# Formulas


def test_fixed_weights_multiply_the_positive_term(logits, soft):
    weights = {"Edema": 3, "default": 0.5}
    loss = WeightedBCE(weights, NAMES, counts=COUNTS)

    def entry(p, y, c):
        return -((3, 0.5, 0.5)[c] * y * math.log(p) + (1 - y) * math.log(1 - p))

    assert float(loss(logits, soft, MASK)) == pytest.approx(mean(entry, logits, soft, MASK), rel=1e-5)


def test_auto_weights_are_negatives_over_positives(logits, hard):
    loss = WeightedBCE("auto", NAMES, counts=COUNTS)
    expected = binary_cross_entropy_with_logits(logits, hard, pos_weight=torch.tensor([3.0, 9.0, 1.0]))
    assert float(loss(logits, hard, ALL)) == pytest.approx(float(expected), rel=1e-6)


def test_auto_weight_is_1_without_positives_or_counts():
    assert WeightedBCE("auto", NAMES[:1], counts=torch.tensor([[0.0], [9.0]])).weight.tolist() == [1]
    assert WeightedBCE("auto", NAMES).weight.tolist() == [1, 1, 1]


def test_batch_weights_are_those_of_the_batch(logits):
    # jfhealthcare: (n - positives) / positives for each observation; 0 where there is none.
    hard = torch.tensor([[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1.0]])
    logit = logits.detach()
    losses = [
        binary_cross_entropy_with_logits(logit[:, 0], hard[:, 0], pos_weight=torch.tensor(5.0)),
        torch.tensor(0.0),
        binary_cross_entropy_with_logits(logit[:, 2], hard[:, 2], pos_weight=torch.tensor(1.0)),
    ]
    loss = WeightedBCE("batch", NAMES)(logit, hard, ALL)
    assert float(loss.detach()) == pytest.approx(float(sum(losses) / 3), rel=1e-6)


def test_batch_weights_count_unmasked_entries_only():
    logits, targets = torch.zeros(4, 1), torch.tensor([[1.0], [0], [0], [1]])
    mask = torch.tensor([[True], [True], [True], [False]])
    loss = WeightedBCE("batch", NAMES[:1])(logits, targets, mask)
    assert float(loss.detach()) == pytest.approx((2 + 1 + 1) * math.log(2) / 3)


def test_counts_are_of_unmasked_targets_soft_ones_in_parts():
    targets = torch.tensor([[1, 0.25], [0, 0.25], [1, 1]])
    mask = torch.tensor([[True, True], [True, True], [True, False]])
    assert count_targets(targets, mask).tolist() == [[2, 0.5], [1, 1.5]]


def test_focal_loss_by_hand():
    # p = 3/4 of a positive, alpha 1/4, gamma 2: 1/4 (1/4)^2 log 4/3
    loss = FocalLoss()(torch.tensor([[math.log(3)]]), torch.ones(1, 1), ALL[:1, :1])
    assert float(loss.detach()) == pytest.approx(math.log(4 / 3) / 64)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (0.5, 0.9), (0.0, None)])
def test_focal_loss_matches_the_paper_and_torchvision(gamma, alpha, logits, hard, soft):
    def entry(p, y, c):
        at = (1, 1) if alpha is None else (alpha, 1 - alpha)
        return -at[0] * y * (1 - p) ** gamma * math.log(p) - at[1] * (1 - y) * p**gamma * math.log(1 - p)

    loss = FocalLoss(gamma, alpha)
    assert float(loss(logits, soft, MASK)) == pytest.approx(mean(entry, logits, soft, MASK), rel=1e-4)
    theirs = sigmoid_focal_loss(logits, hard, -1 if alpha is None else alpha, gamma, "mean")
    assert float(loss(logits, hard, ALL)) == pytest.approx(float(theirs), rel=1e-6)


def test_asymmetric_loss_by_hand():
    # p = 3/4: a positive costs (1/4) log 4/3; a negative, with q = 0.7, costs 0.7^4 log(1 / 0.3)
    logit, one = torch.tensor([[math.log(3)]]), ALL[:1, :1]
    assert float(AsymmetricLoss()(logit, torch.ones(1, 1), one)) == pytest.approx(math.log(4 / 3) / 4)
    assert float(AsymmetricLoss()(logit, torch.zeros(1, 1), one)) == pytest.approx(-(0.7**4) * math.log(0.3))
    easy = torch.tensor([[math.log(0.04 / 0.96)]])  # below the clip of 0.05
    assert float(AsymmetricLoss()(easy, torch.zeros(1, 1), one)) == 0


@pytest.mark.parametrize("gammas", [(4.0, 1.0, 0.05), (2.0, 0.0, 0.0), (0.0, 0.0, 0.2)])
def test_asymmetric_loss_matches_the_paper_and_timm(gammas, logits, hard, soft):
    negative, positive, clip = gammas

    def entry(p, y, c):
        q = max(p - clip, 0)
        return -y * (1 - p) ** positive * math.log(p) - (1 - y) * q**negative * math.log(1 - q)

    loss = AsymmetricLoss(*gammas)
    assert float(loss(logits, soft, MASK)) == pytest.approx(mean(entry, logits, soft, MASK), rel=1e-4)
    added = 3 if Version(timm.__version__) >= Version("1.0.31") else hard.numel()  # observations, before: entries
    theirs = AsymmetricLossMultiLabel(negative, positive, clip)(logits, hard) / added
    ours = loss(logits, hard, ALL)
    assert float(ours) == pytest.approx(float(theirs), rel=1e-5)
    expected, found = (torch.autograd.grad(value, logits)[0] for value in (theirs, ours))
    assert torch.allclose(expected, found, atol=1e-6)


# Validation of arguments


@pytest.mark.parametrize(
    ("name", "options", "code", "where", "part"),
    [
        ("WeightedBCE", {"pos_weight": "often"}, "value", "loss.pos_weight", "often"),
        ("WeightedBCE", {"pos_weight": 0}, "value", "loss.pos_weight", "0"),
        ("WeightedBCE", {"pos_weight": {"Edema": 2}}, "value", "loss.pos_weight", "Fracture, Pneumonia"),
        ("WeightedBCE", {"pos_weight": {"Oedema": 2, "default": 1}}, "value", "loss.pos_weight", "Oedema"),
        ("WeightedBCE", {"pos_weight": {"Edema": -1, "default": 1}}, "value", "loss.pos_weight.Edema", "-1"),
        ("FocalLoss", {"gamma": -1}, "value", "loss.gamma", "-1"),
        ("FocalLoss", {"alpha": 2}, "value", "loss.alpha", "2"),
        ("AsymmetricLoss", {"clip": 1}, "value", "loss.clip", "1"),
        ("AsymmetricLoss", {"gamma_neg": "much"}, "value", "loss.gamma_neg", "much"),
        ("AUCMarginLoss", {"margin": 2}, "value", "loss.margin", "2"),
        ("AUCMarginLoss", {"counts": 3}, "reserved-argument", "loss.counts", "counts"),
    ],
)
def test_wrong_argument_is_an_error(name, options, code, where, part):
    node = {"_target_": f"chexpert.training.{name}", **options}
    (error,) = check_targets(node, "loss", known={"observations": NAMES})
    assert (error.code, error.where) == (code, where)
    assert part in error.message
