"""The table of localization scores as text."""

import math

from chexpert.report import describe_localization

INTERVAL = {"ci_low": 0.2, "ci_high": 0.4, "images": 7, "undefined_replicates": 0}
METRICS = {
    "miou": 0.3,
    **INTERVAL,
    "miou_all": 0.25,
    **{f"miou_all_{key}": value for key, value in INTERVAL.items()},
    "hit_rate": math.nan,
    "hit_rate_images": 0,
    "hit_rate_undefined_replicates": 1000,
    "chance": 0.125,
    "constant_maps": 0,
    "threshold": 0.4,
    "probability_cutoff": 0.1,
    "tuned_images": None,
    "tuned_on": None,
}


def test_a_metric_has_its_interval_and_images_and_an_undefined_one_is_a_dash():
    wanted = "Edema 0.300 [0.200, 0.400] 7 0.250 [0.200, 0.400] 7 - 0 0.125 > 0.4, p >= 0.1"
    _, line = describe_localization({"Edema": METRICS}).splitlines()
    assert line.split() == wanted.split()


def test_how_it_was_segmented_is_reported():
    for changed, ending in (
        ({"threshold": "otsu", "probability_cutoff": 0.0}, "Otsu"),
        ({"threshold": None, "probability_cutoff": None}, "as given"),
    ):
        assert describe_localization({"Edema": METRICS | changed}).endswith(ending)


def test_what_limits_the_metrics_is_noted():
    limits = {"constant_maps": 2, "undefined_replicates": 3, "tuned_images": 0, "tuned_on": "these images: optimistic"}
    lines = describe_localization({"Edema": METRICS | limits}).splitlines()
    assert lines[2:] == [
        "note: Edema: nothing to tune on; the first candidate was taken",
        "note: Edema: 2 constant maps: no peak, not in the hit rate",
        "note: Edema, mIoU: replicates without any of its images, left out: 3",
        "tuned on: these images: optimistic",
    ]
