"""The published totals of CheXpert, to hold a copy against.

Sources: Irvin et al. 2019 (arxiv.org/abs/1901.07031), table 1, for the labels of the studies; the rest was counted in
mlmed/torchxrayvision's copy of the CheXpert-v1.0-small train.csv; valid and test as in rajpurkarlab/cheXlocalize.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.observations import STATES

# Images, then studies: 1, -1, 0, blank.
_LABELS = {
    "No Finding": (22_381, 0, 0, 201_033, 16_627, 0, 0, 171_014),
    "Enlarged Cardiomediastinum": (10_798, 12_403, 21_638, 178_575, 9_020, 10_148, 15_032, 153_441),
    "Cardiomegaly": (27_000, 8_087, 11_116, 177_211, 23_002, 6_597, 7_712, 150_330),
    "Lung Opacity": (105_581, 5_598, 6_599, 105_636, 92_669, 4_341, 4_949, 85_682),
    "Lung Lesion": (9_186, 1_488, 1_270, 211_470, 6_856, 1_071, 752, 178_962),
    "Edema": (52_246, 12_984, 20_726, 137_458, 48_905, 11_571, 15_667, 111_498),
    "Consolidation": (14_783, 27_742, 28_097, 152_792, 12_730, 23_976, 19_203, 131_732),
    "Pneumonia": (6_039, 18_770, 2_799, 195_806, 4_576, 15_658, 1_833, 165_574),
    "Atelectasis": (33_376, 33_739, 1_328, 154_971, 29_333, 29_377, 1_007, 127_924),
    "Pneumothorax": (19_448, 3_145, 56_341, 144_480, 17_313, 2_663, 47_006, 120_659),
    "Pleural Effusion": (86_187, 11_628, 35_396, 90_203, 75_696, 9_419, 24_832, 77_694),
    "Pleural Other": (3_523, 2_653, 316, 216_922, 2_441, 1_771, 206, 183_223),
    "Fracture": (9_040, 642, 2_512, 211_220, 7_270, 484, 1_949, 177_938),
    "Support Devices": (116_001, 1_079, 6_137, 100_197, 105_831, 898, 5_257, 75_655),
}
# Frontal images alone; of the competition's five.
_FRONTAL = {
    "Atelectasis": (29_720, 29_863, 1_025, 130_419),
    "Cardiomegaly": (23_385, 6_707, 7_869, 153_066),
    "Consolidation": (12_983, 24_381, 19_608, 134_055),
    "Edema": (49_675, 11_818, 15_915, 113_619),
    "Pleural Effusion": (76_899, 9_578, 25_299, 79_251),
}


def _name(table: Mapping[str, tuple[int, ...]], start: int = 0) -> dict[str, dict[str, int]]:
    return {name: dict(zip(STATES, counts[start:], strict=False)) for name, counts in table.items()}


PUBLISHED: dict[str, dict[str, Any]] = {
    "train": {
        "images": 223_414,
        "studies": 187_641,
        "patients": 64_540,
        "frontals": 191_027,
        "views": {
            "frontal_ap": 161_590,
            "frontal_pa": 29_420,
            "frontal_ll": 16,
            "frontal_rl": 1,
            "lateral": 32_387,
        },
        "view_files": {
            "view1_frontal": 187_625,
            "view1_lateral": 16,
            "view2_frontal": 3_361,
            "view2_lateral": 30_633,
            "view3_frontal": 41,
            "view3_lateral": 1_738,
        },
        "views_per_study": {"1": 153_647, "2": 32_215, "3": 1_779},
        "first_patient": 1,
        "last_patient": 64_540,  # with 64,540 patients: no number is left out
        "most_images_of_a_patient": 92,
        "studies_without_frontal": 16,
        "patients_without_frontal": 6,
        "labels": _name(_LABELS),
        "labels_by_study": _name(_LABELS, 4),
        "labels_of_frontals": _name(_FRONTAL),
        "parents_of_positives": {
            "Cardiomegaly": {"positive": 1_901, "uncertain": 311, "negative": 172, "blank": 24_616},
            "Edema": {"positive": 27_455},
            "Pneumonia": {"negative": 528},
        },
        "sex": {"Male": 132_636, "Female": 90_777, "Unknown": 1},
        "rows_with": {
            "uncertain_of_all": 85_056,
            "blank_in_all": 12,
            "uncertain_of_five": 64_085,
            "blank_in_five": 25_342,
        },
        "age": {"zero": 3, "from_1_to_17": 0, "greatest": 90, "at_90": 7_579},
    },
    "valid": {"images": 234, "studies": 200, "patients": 200, "first_patient": 64_541},
    "test": {"images": 668, "studies": 500, "patients": 500, "first_patient": 64_741},
}
"""By split, in the form of `chexpert.data.audit.count_split`."""


BY_VIEWS: dict[str, dict[str, tuple[int, int | None]]] = {
    "train": {"all": (223_414, 187_641), "frontal": (191_027, 187_625), "lateral": (32_387, None)},
    "valid": {"all": (234, 200), "frontal": (202, 200), "lateral": (32, None)},
    "test": {"all": (668, 500), "frontal": (518, 500), "lateral": (150, None)},
}
"""Images and studies of each split by ``data.views``; None where no number of studies is published."""
PART = 0.9
"""Share of the training images below which a data set is a part of CheXpert by intention."""


def describe_counts(found: Mapping[str, tuple[int, int]], views: str) -> str | None:
    """Describe where a whole CheXpert differs from the published counts.

    Args:
        found: images and studies of each split.
        views: which of its images: ``frontal``, ``lateral`` or ``all``.

    Returns:
        A sentence; None where nothing differs, or where the training images are a part of CheXpert alone.

    >>> describe_counts({"train": (191_026, 187_625), "valid": (202, 200)}, "frontal")
    'not the published counts of CheXpert (frontal images): train 191,026 images, published 191,027'
    """
    images, _ = found.get("train", (0, 0))
    if images < PART * BY_VIEWS["train"][views][0]:
        return None
    differing = [
        f"{split} {count:,} {noun}, published {published:,}"
        for split, counts in found.items()
        for noun, count, published in zip(("images", "studies"), counts, BY_VIEWS[split][views], strict=True)
        if published is not None and count != published
    ]
    return f"not the published counts of CheXpert ({views} images): {'; '.join(differing)}" if differing else None


def find_differences(counts: Mapping[str, Any], split: str) -> list[str]:
    """Return the differences between the counts of a split and the published ones; none where none were published.

    >>> find_differences({"images": 234, "studies": 200, "patients": 199, "first_patient": 64541}, "valid")
    ['patients: 199, published 200']
    """
    return list(_compare(counts, PUBLISHED.get(split, {}), ""))


def _compare(counts: Any, published: Any, name: str) -> Iterator[str]:
    if not isinstance(published, Mapping):
        if counts != published:
            yield f"{name}: {_show(counts)}, published {_show(published)}"
        return
    for key, value in published.items():
        yield from _compare(counts.get(key) if counts else None, value, f"{name}, {key}" if name else key)
    for key in sorted(set(counts or {}) - set(published)) if name in OPEN else ():
        yield f"{name}, {key}: {_show(counts[key])}, not published"


OPEN = ("views", "view_files", "views_per_study", "sex")
"""Counts over values that a file may hold and the published one does not."""


def _show(count: int | None) -> str:
    return "none" if count is None else f"{count:,}"
