"""Small networks, and views that are no squares."""

import pytest
import torch

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
