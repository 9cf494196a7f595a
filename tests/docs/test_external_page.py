"""The page on external data has the mapping that the readers use."""

import pytest
from helpers.pages import PROJECT

from chexpert.data.sources.external import SETS
from chexpert.data.sources.external.describe import list_mapping
from chexpert.observations import OBSERVATIONS

PAGE = (PROJECT / "docs/how-to/external-data.md").read_text()


@pytest.mark.parametrize("variant", SETS)
def test_mapping_of_the_page_is_that_of_the_reader(variant):
    data_set = SETS[variant]
    section = PAGE.partition(f"### {data_set.name}\n")[2].partition("\n##")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    expected = [tuple(filter(None, row)) for row in list_mapping(data_set)]
    if variant == "mimic":
        assert data_set.table.observations == OBSERVATIONS
        assert not rows
    else:
        assert [tuple(cell.strip() for cell in row if cell.strip(" |")) for row in rows] == expected
    assert f"| `{variant}` |" in PAGE
