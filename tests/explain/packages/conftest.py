"""Small networks, and captum: the package itself, or where it is not installed a stand-in with its signatures."""

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch
from helpers import captum_stand_in

from chexpert.models import Backbone, Combined, Model, Single

SIZE = (64, 48)
IMAGES = torch.randint(0, 256, (2, 1, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def images() -> torch.Tensor:
    """Two views that are no squares."""
    return IMAGES


@pytest.fixture(scope="module")
def single() -> Model:
    torch.manual_seed(0)
    return Single(Backbone("test_resnet"), 3).eval()


@pytest.fixture(scope="module")
def combined() -> Model:
    torch.manual_seed(0)
    return Combined({"a": Backbone("test_resnet"), "b": Backbone("test_efficientnet")}, 3).eval()


@pytest.fixture(scope="module")
def transformer() -> Model:
    torch.manual_seed(0)
    return Single(Backbone("test_vit", options={"img_size": list(SIZE)}), 3).eval()


@pytest.fixture
def captum(monkeypatch) -> ModuleType:
    """captum.attr."""
    if find_spec("captum"):
        return importlib.import_module("captum.attr")
    package = ModuleType("captum")
    package.attr, package.__spec__ = captum_stand_in, ModuleSpec("captum", None)
    monkeypatch.setitem(sys.modules, "captum", package)
    monkeypatch.setitem(sys.modules, "captum.attr", captum_stand_in)
    return captum_stand_in
