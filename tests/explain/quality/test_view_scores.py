"""Evidence at the border of a view."""

import math

import numpy as np
import pytest

from chexpert.explain.attribution import Attribution
from chexpert.explain.quality.view_scores import measure_border


def make(places, shape=(32, 64)) -> Attribution:
    signed = np.zeros(shape, dtype="float32")
    for place in places:
        signed[place] = 1
    return Attribution(signed)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([np.s_[:, :]], 1),
        ([np.s_[8:24, 16:48]], 0),
        ([np.s_[:2]], 4),  # a quarter of the view is border or corner: all evidence there is four times an even map's
        ([np.s_[2:4, 4:8]], 4),  # inside the frame, in a corner
        ([np.s_[2:4, 8:12]], 0),  # beside the corner
        ([np.s_[0, :8], np.s_[16, 20:28]], 2),
    ],
)
def test_share_of_the_evidence_over_the_share_of_the_area(places, expected):
    assert measure_border(make(places)) == pytest.approx(expected)


def test_evidence_against_the_observation_does_not_count():
    attribution = make([np.s_[16, 16]])
    attribution.signed[0] = -1
    assert measure_border(attribution) == 0
    assert math.isnan(measure_border(Attribution(-attribution.signed * 0)))
