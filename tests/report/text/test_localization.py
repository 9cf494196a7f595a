"""The table of localization scores as text."""

import math
import re

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


def test_metric_has_interval_and_images_or_is_a_dash():
    wanted = "Edema 0.300 [0.200, 0.400] 7 0.250 [0.200, 0.400] 7 - 0 0.125 > 0.4, p >= 0.1"
    _, line = describe_localization({"Edema": METRICS}).splitlines()
    assert line.split() == wanted.split()


def test_line_ends_with_the_segmentation_threshold():
    endings = [
        describe_localization({"Edema": METRICS | {"threshold": threshold, "probability_cutoff": cutoff}}).split()[-5:]
        for threshold, cutoff in ((0.4, 0.1), ("otsu", 0.0), (None, None))
    ]
    assert endings[0] == [">", "0.4,", "p", ">=", "0.1"]
    assert endings[1][-2:] == ["0.125", "Otsu"]
    assert not re.search(r"\d", endings[2][-1])


def test_limits_of_the_metrics_are_notes_with_their_counts():
    limits = {"constant_maps": 2, "undefined_replicates": 3, "tuned_images": 0, "tuned_on": "these images: optimistic"}
    lines = describe_localization({"Edema": METRICS | limits}).splitlines()
    *notes, tuned = lines[2:]
    assert all(note.startswith("note: Edema") for note in notes)
    assert [re.findall(r"\d+", note) for note in notes] == [[], ["2"], ["3"]]
    assert tuned.endswith(limits["tuned_on"])
