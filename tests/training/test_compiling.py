"""The compiled step: the same gradients, the same keys, and a word where it cannot be."""

from functools import partial

import pytest
import torch
from torch import nn
from torch._dynamo.exc import Unsupported

from chexpert.errors import UserError
from chexpert.training.compiling import compile_function


def test_a_compiled_method_gives_the_same_and_leaves_the_keys(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # no C++ compiler needed
    net, images = nn.Linear(3, 2), torch.randn(4, 3)
    keys = list(net.state_dict())
    compiled = compile_function(net.forward)
    assert torch.equal(compiled(images), net(images))
    compiled(images).sum().backward()
    assert net.weight.grad.tolist() == [pytest.approx(images.sum(0).tolist())] * 2
    assert list(net.state_dict()) == keys


def test_what_cannot_be_compiled_is_told(monkeypatch):
    def refuse(images):
        raise Unsupported("no C++ compiler")

    monkeypatch.setattr(torch, "compile", lambda function: refuse)
    with pytest.raises(UserError, match=r"cannot be compiled: no C\+\+ compiler(?s:.*)compile=false"):
        compile_function(nn.Linear(3, 2).forward)(torch.ones(1, 3))
