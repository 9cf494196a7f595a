"""The compiled step: the same gradients, the same keys, and the error of a failed compilation."""

from functools import partial

import torch
from helpers.errors import raises
from torch import nn
from torch._dynamo.exc import Unsupported

from chexpert.training.compiling import compile_function


def test_compiled_method_gives_the_same_and_keeps_the_keys(monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))  # no C++ compiler needed
    net, images = nn.Linear(3, 2), torch.randn(4, 3)
    keys = list(net.state_dict())
    compiled = compile_function(net.forward)
    assert torch.equal(compiled(images), net(images))
    compiled(images).sum().backward()
    torch.testing.assert_close(net.weight.grad, images.sum(0).expand(2, 3))
    assert list(net.state_dict()) == keys


def test_failed_compilation_is_an_error(monkeypatch):
    def refuse(images):
        raise Unsupported("no C++ compiler")

    monkeypatch.setattr(torch, "compile", lambda function: refuse)
    with raises("not-compiled", "compile") as caught:
        compile_function(nn.Linear(3, 2).forward)(torch.ones(1, 3))
    assert caught.value.hint == "compile=false"
