"""What a run folder says of its run."""

import json

import pytest

from chexpert.problem import ProblemError
from chexpert.state import telling_state


def read(folder):
    return json.loads((folder / "state.json").read_text())


def test_a_run_is_running_until_it_is_finished(tmp_path):
    with telling_state(tmp_path, ["model=combined", "seed=1"]):
        during = read(tmp_path)
        assert (during["state"], during["seconds"]) == ("running", None)
        assert during["command"] == "python train.py model=combined seed=1"
    assert read(tmp_path) == during | {"state": "finished", "seconds": pytest.approx(0, abs=1)}


@pytest.mark.parametrize(
    ("error", "why"), [(ProblemError("no data", where="here"), "no data"), (KeyboardInterrupt(), "KeyboardInterrupt")]
)
def test_a_run_that_ends_early_says_why_in_one_line(tmp_path, error, why):
    with pytest.raises(type(error)), telling_state(tmp_path):
        raise error
    assert (read(tmp_path)["state"], read(tmp_path)["why"]) == ("failed", why)


def test_the_versions_that_decide_over_a_figure_are_told(tmp_path):
    with telling_state(tmp_path):
        pass
    assert {"python", "torch", "timm", "pytorch-lightning", "chexpert"} == set(read(tmp_path)["versions"])
