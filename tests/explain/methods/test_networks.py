"""docs/reference/networks.md: one network of each family of timm as a backbone, and its explainers."""

from pathlib import Path

import pytest
import timm

from chexpert.engine.networks import describe_network

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs/reference/networks.md").read_text()
PINNED = (PROJECT / "constraints.txt").read_text().splitlines()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| family")]


def read_cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.skipif(f"timm=={timm.__version__}" not in PINNED, reason="the page is of the version of constraints.txt")
def test_every_family_has_a_row():
    assert [read_cells(row)[0] for row in ROWS] == timm.list_modules()


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if "not tried" not in row], ids=lambda row: read_cells(row)[1])
def test_row_of_a_network_is_right(row):
    assert describe_network(read_cells(row)[1]) == row
