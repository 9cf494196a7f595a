"""The AUC-margin loss and its optimizer, by hand and against slow references."""

import copy

import pytest
import torch
from helpers.errors import raises

from chexpert.training import PESG, AUCMarginLoss, start_optimizer

NAMES = ["Edema", "Fracture"]
COUNTS = torch.tensor([[20.0, 50.0], [80.0, 50.0]])
ALL = torch.ones(8, 2, dtype=torch.bool)


def make_loss(a=(0.7, 0.6), b=(0.2, 0.3), alpha=(0.4, 0.9), **options):
    loss = AUCMarginLoss(NAMES, counts=COUNTS, **options)
    for own, values in ((loss.a, a), (loss.b, b), (loss.alpha, alpha)):
        own.data = torch.tensor(values)
    return loss


def make_batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, 2, generator=generator, requires_grad=True), torch.rand(8, 2, generator=generator).round()


def formula(loss, h, y, c, margin=1.0):
    """Compute equation 8 of Yuan et al. 2021 of one entry."""
    p, a, b, alpha = (float(own.detach()[c]) for own in (loss.p, loss.a, loss.b, loss.alpha))
    value = (1 - p) * (h - a) ** 2 if y == 1 else p * (h - b) ** 2
    pull = p * (1 - p) * margin + (-(1 - p) * h if y == 1 else p * h)
    return value + 2 * alpha * pull - p * (1 - p) * alpha**2


def test_auc_margin_by_hand():
    # p = 1/5, h = 1/2, a = .7, b = .2, alpha = .4: of a positive .8 (.2)^2 + .8 (.16 - .4) - .16 (.4)^2
    loss = make_loss()
    one = torch.ones(1, 1, dtype=torch.bool)
    with torch.no_grad():
        positive, negative = (float(loss(torch.zeros(1, 1), torch.full((1, 1), y), one)) for y in (1.0, 0.0))
    assert positive == pytest.approx(0.8 * 0.04 + 0.8 * (0.16 - 0.4) - 0.16 * 0.16)
    assert negative == pytest.approx(0.2 * 0.09 + 0.8 * (0.16 + 0.1) - 0.16 * 0.16)


@pytest.mark.parametrize("margin", [1.0, 0.6])
def test_auc_margin_matches_the_formula_over_unmasked_entries(margin):
    (logits, targets), loss = make_batch(), make_loss(margin=margin)
    mask = torch.rand(8, 2, generator=torch.Generator().manual_seed(3)) > 0.3
    kept = [(i, c) for i in range(8) for c in range(2) if mask[i, c]]
    scores = logits.sigmoid().detach()
    expected = sum(formula(loss, float(scores[i, c]), int(targets[i, c]), c, margin) for i, c in kept) / len(kept)
    assert float(loss(logits, targets, mask).detach()) == pytest.approx(expected, rel=1e-5)


def test_auc_margin_at_its_saddle_point_is_the_pairwise_loss():
    """The saddle point is p (1 - p) E[(m - h(x) + h(x'))^2] over pairs of a positive and a negative."""
    (logits, targets), margin = make_batch(5), 0.8
    logits, targets = logits[:, :1], targets[:, :1]
    h, yes = logits.sigmoid().detach(), targets[:, 0] == 1
    p = float(yes.float().mean())
    loss = AUCMarginLoss(NAMES[:1], margin, torch.tensor([[float(yes.sum())], [float((~yes).sum())]]))
    loss.a.data, loss.b.data = h[yes].mean(0), h[~yes].mean(0)
    loss.alpha.data = margin + loss.b.data - loss.a.data
    pairs = (margin - h[yes][:, None, 0] + h[~yes][None, :, 0]) ** 2
    expected = p * (1 - p) * float(pairs.mean())
    assert float(loss(logits, targets, ALL[:, :1]).detach()) == pytest.approx(expected, rel=1e-5)


def test_gradients_of_weights_a_and_b_match_the_formula():
    (logits, targets), loss = make_batch(), make_loss()
    loss(logits, targets, ALL).backward()
    h = logits.sigmoid().detach()
    expected = -2 * (1 - loss.p) * ((h - loss.a) * targets).mean(0) / 2
    assert torch.allclose(loss.a.grad, expected, atol=1e-7)
    expected = -2 * loss.p * ((h - loss.b) * (1 - targets)).mean(0) / 2
    assert torch.allclose(loss.b.grad, expected, atol=1e-7)
    slope = (1 - loss.p) * (h - loss.a - loss.alpha) * targets + loss.p * (h - loss.b + loss.alpha) * (1 - targets)
    assert torch.allclose(logits.grad, 2 * slope * h * (1 - h) / 16, atol=1e-7)


def test_gradient_of_alpha_matches_libauc():
    (logits, targets), loss = make_batch(), make_loss()
    loss(logits, targets, ALL).backward()
    assert torch.allclose(loss.alpha.grad, 2 * (1 + loss.b - loss.a - loss.alpha))


def test_gradient_of_alpha_matches_the_formula_at_the_means():
    (logits, targets), margin = make_batch(), 1.0
    h = logits.sigmoid().detach()
    counts = torch.stack([targets.sum(0), (1 - targets).sum(0)])
    loss = AUCMarginLoss(NAMES, margin, counts)
    loss.a.data, loss.b.data = (h * targets).sum(0) / counts[0], (h * (1 - targets)).sum(0) / counts[1]
    loss.alpha.data = torch.tensor([0.3, 0.5])
    loss(logits, targets, ALL).backward()
    p = loss.p
    papers = 2 * (p * (1 - p) * margin + (p * h * (1 - targets) - (1 - p) * h * targets).mean(0))
    papers = papers - 2 * p * (1 - p) * loss.alpha
    assert torch.allclose(loss.alpha.grad * p * (1 - p), papers, atol=1e-6)


def test_masked_observation_has_no_gradient_of_a_b_and_alpha():
    (logits, targets), loss = make_batch(), make_loss()
    mask = ALL.clone()
    mask[:, 0] = False
    loss(logits, targets, mask).backward()
    for own in (loss.a, loss.b, loss.alpha):
        assert own.grad[0] == 0
        assert own.grad[1] != 0


def test_shares_are_a_half_without_counts():
    assert AUCMarginLoss(NAMES).p.tolist() == [0.5, 0.5]


def test_state_has_a_b_and_alpha_but_no_shares():
    assert set(make_loss().state_dict()) == {"a", "b", "alpha"}


# The optimizer


def slow_pesg(weights, gradients, rates, momentum, weight_decay, epoch_decay):
    """Algorithm 1 in plain Python, of one number."""
    reference, total, steps, average, last = weights, 0.0, 0, None, None
    for gradient, rate in zip(gradients, rates, strict=True):
        if last is not None and rate <= last / 2:
            reference, total, steps = total / steps, 0.0, 0
        direction = max(-1.0, min(1.0, gradient)) + epoch_decay * (weights - reference) + weight_decay * weights
        average = direction if average is None else (1 - momentum) * average + momentum * direction
        weights, last = weights - rate * average, rate
        total, steps = total + weights, steps + 1
    return weights


GRADIENTS, RATES = [0.5, -3.0, 0.2, 0.7, -0.1, 2.0, 0.3], [0.1, 0.1, 0.09, 0.01, 0.01, 0.005, 0.005]


def step_through(optimizer, weights, gradients, rates):
    for gradient, rate in zip(gradients, rates, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        weights.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()


@pytest.mark.parametrize("options", [(0.9, 1e-2, 0.3), (1.0, 0.0, 0.0), (0.5, 0.1, 0.05)])
def test_pesg_matches_the_algorithm_of_the_paper(options):
    weights = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    names = ("momentum", "weight_decay", "epoch_decay")
    optimizer = PESG([weights], lr=0.1, **dict(zip(names, options, strict=True)))
    step_through(optimizer, weights, GRADIENTS, RATES)
    assert float(weights) == pytest.approx(slow_pesg(2.0, GRADIENTS, RATES, *options), rel=1e-12)


def test_pesg_ascends_duals_and_keeps_them_at_0_or_more():
    dual = torch.nn.Parameter(torch.tensor([0.5, 0.1]))
    optimizer = PESG([{"params": [dual], "maximize": True}], lr=0.1)
    dual.grad = torch.tensor([2.0, -5.0])
    optimizer.step()
    assert dual.tolist() == [pytest.approx(0.7), 0]


def test_weights_without_a_gradient_stay():
    weights = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    optimizer = PESG([weights], lr=0.1)
    optimizer.step()
    assert float(weights) == 2
    assert not optimizer.state[weights]


@pytest.mark.parametrize("at", range(1, len(RATES)))
def test_pesg_resumes_from_its_state(at, tmp_path):
    whole = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    step_through(PESG([whole], lr=0.1), whole, GRADIENTS, RATES)
    first = torch.nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    optimizer = PESG([first], lr=0.1)
    step_through(optimizer, first, GRADIENTS[:at], RATES[:at])
    torch.save([optimizer.state_dict(), first.data], tmp_path / "state")
    state, weights = torch.load(tmp_path / "state", weights_only=True)
    second = torch.nn.Parameter(weights)
    resumed = PESG([second], lr=0.1)
    resumed.load_state_dict(copy.deepcopy(state))
    step_through(resumed, second, GRADIENTS[at:], RATES[at:])
    assert torch.equal(whole, second)


@pytest.mark.parametrize("options", [{"lr": -1}, {"momentum": 0}, {"epoch_decay": -1}, {"clip_value": 0}])
def test_wrong_setting_of_pesg_is_an_error(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        PESG([torch.nn.Parameter(torch.zeros(1))], **{"lr": 0.1} | options)


def test_other_optimizer_with_duals_is_an_error():
    parts = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    with raises("conflict", "optimizer") as caught:
        start_optimizer(lambda groups: torch.optim.SGD(groups, lr=0.1), parts[:1], parts[1:2], parts[2:])
    assert "optimizer=pesg" in caught.value.hint


def test_auc_margin_with_pesg_ranks_imbalanced_data():
    """With noisy features and 5 % positives, loss and optimizer find the direction."""
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(400, 1, generator=generator) < 0.05).float()
    features = torch.randn(400, 5, generator=generator) + 1.5 * targets
    net = torch.nn.Linear(5, 1)
    net.weight.data.zero_()
    loss = AUCMarginLoss(NAMES[:1], counts=torch.stack([targets.sum(0), (1 - targets).sum(0)]))
    optimizer = start_optimizer(
        lambda groups: PESG(groups, lr=0.1), [], [*net.parameters(), loss.a, loss.b], loss.dual_parameters()
    )
    for _ in range(1500):
        optimizer.zero_grad()
        loss(net(features), targets, torch.ones_like(targets, dtype=torch.bool)).backward()
        optimizer.step()
    assert (net.weight > 0).all()
    scores = net(features).sigmoid().detach()
    assert float(loss.a) == pytest.approx(float(scores[targets == 1].mean()), abs=0.05)
    assert float(loss.b) == pytest.approx(float(scores[targets == 0].mean()), abs=0.05)
    assert float(loss.alpha) == pytest.approx(1 + float(loss.b) - float(loss.a), abs=0.02)
