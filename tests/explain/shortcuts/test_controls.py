"""Which other images are the controls of a filled region."""

from dataclasses import replace

import numpy as np
import pytest

from chexpert.explain.shortcuts.controls import (
    CONTROLS,
    MOST_OTHERS,
    bootstrap_above_controls,
    find_others,
    sample_controls,
)
from chexpert.explain.shortcuts.effects import measure_effects

HEARTS, DEVICES = "Cardiomegaly", "Support Devices"


@pytest.fixture
def split(make_cases):
    """A case with a large heart and the device, its region, and the cases without the device: 4 and 26 of a kind."""
    cases = make_cases(26, 4)
    shown = next(case for case in cases if DEVICES in case.regions and case.labels[HEARTS])
    return shown, shown.regions[DEVICES], [case for case in cases if DEVICES not in case.regions]


def sample(split, names=(HEARTS,), seed=0):
    return sample_controls(*split, names, np.random.default_rng(seed))


def test_controls_have_the_label(split):
    shown, region, others = split
    controls = [others[place] for place in sample(split)[HEARTS]]
    assert len(controls) == 4  # all large hearts without the device
    assert all(case.labels[HEARTS] == 1 for case in controls)
    many = sample((replace(shown, labels={HEARTS: 0}), region, others))[HEARTS]
    assert len(set(many)) == CONTROLS
    assert all(others[place].labels[HEARTS] == 0 for place in many)


def test_blank_label_has_blank_controls(split):
    shown, region, others = split
    blank = [replace(case, labels={}) if row < 3 else case for row, case in enumerate(others)]
    assert sorted(sample((replace(shown, labels={}), region, blank))[HEARTS]) == [0, 1, 2]


def test_controls_do_not_depend_on_the_other_observations(split):
    shown, region, others = split
    both = [replace(case, labels={**case.labels, "Edema": row % 2}) for row, case in enumerate(others)]
    shown = replace(shown, labels={HEARTS: 1, "Edema": 0})
    together = sample((shown, region, both), ("Edema", HEARTS))
    assert together[HEARTS] == sample((shown, region, both))[HEARTS]
    assert len(together["Edema"]) == CONTROLS


def test_control_has_as_much_of_the_region_inside_the_body(split):
    shown, region, others = split
    narrow = [replace(case, body=case.body & ~region) if case.labels[HEARTS] else case for case in others]
    assert sample((shown, region, narrow))[HEARTS] == []
    outside = replace(shown, body=shown.body & ~region)  # as a marker lies
    assert len(sample((outside, region, narrow))[HEARTS]) == 4
    assert sample((outside, region, others))[HEARTS] == []


def test_control_of_a_frontal_is_a_frontal(split):
    shown, region, others = split
    lateral = [replace(case, name=f"{case.name}_lateral") for case in others]
    assert sample((shown, region, lateral))[HEARTS] == []
    assert len(sample((replace(shown, name="view1_lateral"), region, lateral))[HEARTS]) == 4


def test_others_show_no_suspect_by_outline_and_by_label(make_cases):
    cases = make_cases(26, 4)
    labeled = [replace(case, labels={DEVICES: 1}) if row >= 50 else case for row, case in enumerate(cases)]
    others = find_others(labeled, DEVICES, np.random.default_rng(0))
    assert [case.name for case in others] == [
        case.name for row, case in enumerate(cases) if DEVICES not in case.regions and row < 50
    ]
    assert len(find_others(cases * 20, DEVICES, np.random.default_rng(0))) == MOST_OTHERS


def test_interval_resamples_images_and_controls():
    losses, controls = np.array([1.0, 2.0, 4.0]), np.array([[0.5, np.nan, 1.5], [np.nan] * 3, [np.nan, 1.0, 3.0]])
    found = bootstrap_above_controls(losses, controls, replicates=200)
    assert found[0] == pytest.approx(((1 - 1.0) + (4 - 2.0)) / 2)  # the second image has no control
    assert found.n == 2
    rng, values = np.random.default_rng(0), []
    images, others = (rng.multinomial(k, np.full(k, 1 / k), 200) for k in (2, 3))
    for image_counts, other_counts in zip(images, others, strict=True):
        above = []
        for row, count in zip((0, 2), image_counts, strict=True):
            own = [v for v, n in zip(controls[row], other_counts, strict=True) for _ in range(n) if np.isfinite(v)]
            above += [losses[row] - np.mean(own)] * count if own else []
        values += [np.mean(above)] if above else []
    assert (found.ci_low, found.ci_high) == pytest.approx(tuple(np.quantile(values, (0.025, 0.975))))
    assert found.undefined_replicates == 200 - len(values)
    assert np.isnan(bootstrap_above_controls(losses, np.empty((3, 0)))[0])


def test_few_shared_controls_widen_the_interval():
    """Sixty images with the same two controls, -1 and 1, know these two no better than one image does."""
    losses = np.random.default_rng(1).normal(size=60)
    one = bootstrap_above_controls(losses, np.zeros((60, 1)))
    two = bootstrap_above_controls(losses, np.tile([-1.0, 1.0], (60, 1)))
    assert one.ci_high - one.ci_low == pytest.approx(4 * losses.std() / 60**0.5, rel=0.1)
    assert (two.ci_low, two.ci_high) == pytest.approx((losses.mean() - 1, losses.mean() + 1), abs=0.4)


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
    assert effects.above_controls()[:, 0] == pytest.approx(0, abs=0.09)


def test_observation_that_was_not_asked_has_no_controls(reads_device, make_cases):
    effects = measure_effects(reads_device, make_cases(26, 4), DEVICES, {}, {})
    assert np.isnan(effects.controls).all()
    assert np.isnan(effects.above_controls()).all()
    assert np.isfinite(effects.inpainted).all()
