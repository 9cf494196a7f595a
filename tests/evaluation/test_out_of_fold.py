"""Which runs may predict training patients as if they had not seen them."""

from pathlib import Path

import pytest
from helpers.errors import raises

from chexpert.evaluation.out_of_fold import check_start


@pytest.mark.parametrize("key", ["start_from", "distill"])
def test_run_whose_weights_or_targets_may_know_these_patients_is_an_error(key):
    config = {"data": {"dev": 0.2}}
    check_start(Path("RUN"), config | {key: None})
    with raises("conflict", "RUN"):
        check_start(Path("RUN"), config | {key: "RUN_A"})
