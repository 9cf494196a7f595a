"""The table of layers that a run prints on request."""

import re

import pytest
import torch
from helpers.modules import make_module

from chexpert.engine.summary import describe_layers
from chexpert.image_size import ImageSize
from chexpert.models import Backbone, Combined

NETWORKS = [f"model._members.{name}.net" for name in ("a", "b")]


@pytest.fixture(scope="module")
def module():
    small = {"channels": [4, 4, 8, 8], "stem_width": 4}
    members = {name: Backbone("resnet10t", options=small) for name in ("a", "b")}
    return make_module(Combined(members, outputs=2))


def read_rows(table):
    """Name and the other columns of each layer."""
    rows = [[cell.strip() for cell in line.split(" | ")] for line in table.splitlines() if re.match(r"\d+ +\| ", line)]
    return {row[1]: row[2:] for row in rows}


def test_table_has_parameters_and_sizes(module):
    rows = read_rows(describe_layers(module, ImageSize(64, 64), True))
    weights = module.model.classifier.weight
    kind, parameters, mode, flops, size_in, size_out = rows["model.classifier"]
    assert (kind, parameters, mode) == ("Linear", str(weights.numel() + len(weights)), "train")
    assert int(flops) == 2 * weights.numel()
    assert (size_in, size_out) == (f"[1, {weights.shape[1]}]", f"[1, {len(weights)}]")
    assert rows["model"][-2:] == ["[1, 1, 64, 64]", f"[1, {len(weights)}]"]


@pytest.mark.parametrize(("depth", "deepest"), [(1, 0), (2, 1), (True, 3), (5, 4)])
def test_depth_is_the_number_of_levels(module, depth, deepest):
    names = read_rows(describe_layers(module, ImageSize(64, 64), depth))
    assert max(name.count(".") for name in names) == deepest
    assert [name in names for name in NETWORKS] == [deepest >= 3] * 2


def test_depth_of_minus_one_lists_all_layers(module):
    assert list(read_rows(describe_layers(module, ImageSize(64, 64), -1))) == [
        name for name, _ in module.named_modules() if name
    ]


def test_table_changes_nothing(module):
    before, random = {name: value.clone() for name, value in module.state_dict().items()}, torch.get_rng_state()
    describe_layers(module, ImageSize(64, 64), True)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert module.example_input_array is None
    assert all(part.training for part in module.modules())
