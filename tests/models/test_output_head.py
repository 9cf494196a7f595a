"""From raw logits to those of the observations."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from chexpert.models.output_head import OutputHead, multiply_down

TREE = [2, -1, 3, -1]  # 0 is a kind of 2, 2 of 3; 1 and 3 are roots
PATHS = [[0, 2, 3], [1], [2, 3], [3]]


def odds(p):
    return math.log(p / (1 - p))


def product_by_numpy(raw):
    """Log-odds of the products along each path, in float64; 1 - p by its own sum, since p may be 1 to all digits."""
    yes, no = -np.logaddexp(0, -raw.astype(float)), -np.logaddexp(0, raw.astype(float))
    logits = np.empty(raw.shape)
    for c, path in enumerate(PATHS):
        above = [path[i + 1 :] for i in range(len(path))]  # fails first at path[i], with all above it there
        fail = np.logaddexp.reduce([no[:, node] + yes[:, rest].sum(1) for node, rest in zip(path, above, strict=True)])
        logits[:, c] = yes[:, path].sum(1) - fail
    return logits


def test_plain_logits_are_returned_unchanged():
    raw = torch.randn(3, 4)
    assert torch.equal(OutputHead(4)(raw), raw)
    assert OutputHead(4).ask(raw) is raw


def test_uncertain_logits_are_left_out():
    output_head = OutputHead(2, uncertain=[1])
    assert output_head.width == 3
    assert output_head(torch.tensor([[1.0, 2.0, 30.0]])).tolist() == [[1, 2]]


def test_three_class_probability_is_the_softmax_over_0_and_1():
    z, u = torch.randn(50, 1), torch.randn(50, 1)
    classes = torch.cat([torch.zeros(50, 1), z, u], 1).softmax(1)
    expected = classes[:, 1] / (classes[:, 0] + classes[:, 1])
    torch.testing.assert_close(OutputHead(1, [0])(torch.cat([z, u], 1)).sigmoid()[:, 0], expected)


def test_probabilities_multiply_down_the_tree():
    raw = torch.tensor([[odds(0.5), odds(0.9), odds(0.25), odds(0.8)]])
    logits = OutputHead(4, parents=TREE)(raw)
    assert logits.sigmoid()[0].tolist() == pytest.approx([0.1, 0.9, 0.2, 0.8])


def test_roots_keep_their_exact_logits():
    raw = torch.randn(20, 4) * 30
    logits = OutputHead(4, parents=TREE)(raw)
    assert torch.equal(logits[:, [1, 3]], raw[:, [1, 3]])


@pytest.mark.parametrize("scale", [0.1, 1, 10, 100, 1e4])
def test_products_match_float64_at_any_scale(scale):
    raw = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0)) * scale
    expected = product_by_numpy(raw.numpy())
    np.testing.assert_allclose(multiply_down(raw, TREE).numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [0, 20, 88, 104, 1e4, 1e30])
def test_extreme_logits_give_finite_values_and_gradients(size):
    signs = torch.tensor(np.stack(np.meshgrid(*[[-1.0, 1.0]] * 4), -1).reshape(-1, 4), dtype=torch.float32)
    raw = (signs * size).requires_grad_()
    logits = multiply_down(raw, TREE)
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert torch.isfinite(raw.grad).all()


def test_gradients_of_products_pass_gradcheck():
    raw = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: multiply_down(x, TREE), raw)


def test_half_precision_is_multiplied_in_float32():
    assert OutputHead(4, parents=TREE)(torch.randn(2, 4).bfloat16()).dtype == torch.float32


def test_three_classes_combine_with_conditions():
    raw = torch.tensor([[odds(0.5), odds(0.4), 7.0]])
    logits = OutputHead(2, uncertain=[0], parents=[1, -1])(raw)
    assert logits.sigmoid()[0].tolist() == pytest.approx([0.2, 0.4])


@pytest.fixture(scope="module")
def three_classes():
    """Raw logits of two observations, the second of three classes (2: uncertain): labels, targets and mask."""
    generator = torch.Generator().manual_seed(0)
    raw = (torch.randn(64, 3, generator=generator) * 8).requires_grad_()
    labels = torch.randint(0, 3, (64,), generator=generator)
    plain = torch.rand(64, generator=generator)
    targets = torch.stack([plain, (labels == 1).float(), (labels == 2).float()], 1)
    mask = torch.stack([torch.ones(64), labels != 2, torch.ones(64)], 1).bool()
    return raw, labels, plain, targets, mask


def test_binary_loss_of_three_classes_equals_the_softmax_loss(three_classes):
    raw, labels, plain, targets, mask = three_classes
    binary = OutputHead(2, uncertain=[1]).ask(raw)
    cost = binary_cross_entropy_with_logits(binary, targets, reduction="none") * mask
    softmax = torch.cat([torch.zeros(64, 1), raw[:, 1:]], 1)
    expected = cross_entropy(softmax, labels, reduction="none")
    torch.testing.assert_close(cost[:, 1] + cost[:, 2], expected, rtol=1e-6, atol=1e-6)
    plainly = binary_cross_entropy_with_logits(raw[:, 0], plain, reduction="none")
    torch.testing.assert_close(cost[:, 0], plainly, rtol=0, atol=0)
    (ours,) = torch.autograd.grad(cost.sum(), raw, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected.sum() + plainly.sum(), raw)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_soft_binary_loss_of_three_classes_equals_softmax_loss():
    raw, soft = torch.randn(64, 2), torch.rand(64)
    binary = OutputHead(1, uncertain=[0]).ask(raw)
    cost = binary_cross_entropy_with_logits(binary, torch.stack([soft, torch.zeros(64)], 1), reduction="none").sum(1)
    classes = torch.cat([torch.zeros(64, 1), raw], 1)
    expected = cross_entropy(classes, torch.stack([1 - soft, soft, torch.zeros(64)], 1), reduction="none")
    torch.testing.assert_close(cost, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [100.0, -100.0])
def test_extreme_logits_give_finite_binary_logits(size):
    raw = torch.tensor([[size, size], [size, -size]], requires_grad=True)
    binary = OutputHead(1, uncertain=[0]).ask(raw)
    binary.sum().backward()
    assert torch.isfinite(binary).all()
    assert torch.isfinite(raw.grad).all()
