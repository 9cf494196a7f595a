"""A run that nothing stopped, to compare with."""

from pathlib import Path

import pytest
from helpers.resumed_runs import SHORT
from helpers.runs import start


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, phantom):
    """Folders of whole runs by their options."""
    done: dict[tuple[str, ...], Path] = {}

    def get(*options: str) -> Path:
        if options not in done:
            done[options] = tmp_path_factory.mktemp("whole")
            start(done[options], phantom, *SHORT, *options)
        return done[options]

    return get
