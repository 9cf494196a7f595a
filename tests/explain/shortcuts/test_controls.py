"""Which other images are the controls of a filled region."""

from dataclasses import replace

import numpy as np
import pytest

from chexpert.explain.shortcuts.controls import CONTROLS, draw_controls
from chexpert.explain.shortcuts.effects import measure_effects

HEARTS, DEVICES = "Cardiomegaly", "Support Devices"


@pytest.fixture
def split(make_cases):
    """A case with a large heart and the device, its region, and the cases without the device: 4 and 26 of a kind."""
    cases = make_cases(26, 4)
    shown = next(case for case in cases if DEVICES in case.regions and case.labels[HEARTS])
    return shown, shown.regions[DEVICES], [case for case in cases if DEVICES not in case.regions]


def draw(split, names=(HEARTS,), seed=0):
    return draw_controls(*split, names, np.random.default_rng(seed))


def test_controls_have_the_label_and_not_the_suspect(split):
    shown, region, others = split
    controls = [others[place] for place in draw(split)]
    assert len(controls) == 4  # all large hearts without the device
    assert all(case.labels[HEARTS] == 1 and DEVICES not in case.regions for case in controls)
    small = replace(shown, labels={HEARTS: 0})
    many = draw((small, region, others))
    assert len(set(many)) == CONTROLS
    assert all(others[place].labels[HEARTS] == 0 for place in many)


def test_blank_label_has_blank_controls(split):
    shown, region, others = split
    blank = [replace(case, labels={}) if row < 3 else case for row, case in enumerate(others)]
    assert sorted(draw((replace(shown, labels={}), region, blank))) == [0, 1, 2]


def test_observations_share_controls(split):
    shown, region, others = split
    labels = {HEARTS: 1, "Edema": 0}
    both = [replace(case, labels={**case.labels, "Edema": 0}) for case in others]
    places = draw((replace(shown, labels=labels), region, both), (HEARTS, "Edema"))
    assert len(places) == CONTROLS  # the four large hearts have no edema either
    assert sum(both[place].labels[HEARTS] for place in places) == 4


def test_image_whose_body_ends_in_the_region_is_no_control(split):
    shown, region, others = split
    narrow = [replace(case, body=case.body & ~region) if case.labels[HEARTS] else case for case in others]
    assert draw((shown, region, narrow)) == []
    outside = replace(shown, body=shown.body & ~region)  # as a marker lies
    assert len(draw((outside, region, narrow))) == 4


def test_no_other_image_is_no_control(split):
    shown, region, _ = split
    assert draw((shown, region, [])) == []


def test_trace_of_the_hole_is_taken_off(reads_heart, make_cases):
    """A model that reads the heart, and a suspect that lies on it: every hole there moves the logit, by its label."""
    cases = make_cases(26, 4)
    heart = next(case.regions[HEARTS] for case in cases if HEARTS in case.regions)
    moved = [
        replace(case, regions={DEVICES: heart}) if DEVICES in case.regions else replace(case, regions={})
        for case in cases
    ]
    effects = measure_effects(reads_heart, moved, DEVICES, {}, {0: HEARTS})
    large = np.array([int(name.removeprefix("view")) % 2 == 0 for name in effects.names])
    # a heart of 180 or 150 falls to the 100 around it, out of 255, times 4
    assert effects.inpainted[large, 0] == pytest.approx(4 * 80 / 255, abs=0.06)
    assert effects.inpainted[~large, 0] == pytest.approx(4 * 50 / 255, abs=0.06)
    assert effects.inpainted[:, 0] - effects.control[:, 0] == pytest.approx(0, abs=0.09)


def test_observation_that_was_not_asked_has_no_controls(reads_device, make_cases):
    effects = measure_effects(reads_device, make_cases(26, 4), DEVICES, {}, {})
    assert np.isnan(effects.control).all()
    assert np.isfinite(effects.inpainted).all()
