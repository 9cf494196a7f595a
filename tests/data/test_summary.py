"""The fingerprint of a split."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from chexpert.data.summary import fingerprint
from chexpert.observations import OBSERVATIONS


@pytest.fixture
def frame():
    labels = pd.DataFrame(np.nan, range(2), list(OBSERVATIONS)).astype("float32")
    labels.loc[0, ["No Finding", "Edema"]] = 1.0, -1.0
    labels.loc[1, "Support Devices"] = 0.0
    return labels.assign(key=["train/patient00002/study1/view1_frontal", "train/patient00001/study1/view1_frontal"])


def test_fingerprint_is_the_hash_of_sorted_lines(frame):
    first = "train/patient00001/study1/view1_frontal|.............0\n"
    lines = first + "train/patient00002/study1/view1_frontal|1....-........\n"
    assert fingerprint(frame) == hashlib.sha256(lines.encode()).hexdigest()


def test_fingerprint_does_not_depend_on_order_or_columns(frame):
    other = frame[["key", *reversed(OBSERVATIONS)]].iloc[::-1].assign(path="elsewhere")
    assert fingerprint(other) == fingerprint(frame)


@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_fingerprint_depends_on_every_label(frame, observation):
    states = {fingerprint(frame.assign(**{observation: np.float32([state, np.nan])})) for state in (1, 0, -1, np.nan)}
    assert len(states) == 4


def test_fingerprint_depends_on_every_view(frame):
    renamed = frame.replace("train/patient00001/study1/view1_frontal", "train/patient00001/study1/view2_frontal")
    assert fingerprint(renamed) != fingerprint(frame) != fingerprint(frame[:1])


def test_empty_table_has_a_fingerprint(frame):
    assert fingerprint(frame[:0]) == hashlib.sha256(b"").hexdigest()
