"""Whether the images of a folder differ from those that a run knows: in which quantities, and by how much."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from chexpert.checkpoints import Loaded
from chexpert.data import reporting_dead_workers
from chexpert.data.metadata import GRAY, Circumstances
from chexpert.errors import UserError
from chexpert.inference.drift_sets import ImageSet, read_given, read_reference
from chexpert.inference.image_features import ImageFeatures, compute_image_features
from chexpert.inference.opened_run import limit_batch
from chexpert.inference.predicted_batches import Watch
from chexpert.metrics.comparison import adjust_holm
from chexpert.metrics.two_sample import (
    PERMUTATIONS,
    Effect,
    PatientPermutations,
    classify_sets,
    compare_features,
    compare_means,
    compare_shares,
)

IMAGES = 500
"""Of each side by default: a difference of a quarter of a standard deviation is then found nearly always."""
LEAST = 2
"""Patients of each side: one has no spread."""
LEVEL = 0.05
NAMES = {"width": "file width", "height": "file height"}


@dataclass(frozen=True)
class Side:
    """The images of one side that could be read."""

    set: ImageSet
    features: ImageFeatures
    unread: int


@reporting_dead_workers()
def compute_drift(
    loaded: Loaded,
    folder: Path,
    *,
    reference: str | None = None,
    root: Path | None = None,
    images: int = IMAGES,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    watch: Watch = iter,
) -> dict[str, Any]:
    """Compare the images of a folder with those of a run's own data.

    Args:
        loaded: the run's model.
        folder: a dataset folder, a table, or any folder of images.
        reference: ``train``, ``dev`` or ``valid``; by default ``dev``, or ``valid`` where the run has no such split.
        root: of the paths in a table.
        images: of each side at most, sampled as whole patients.
        permutations: of the patients.
        seed: of the samples and permutations.
        watch: shows progress.

    Returns:
        What ``chexpert.report.describe_drift`` reads. It holds no name and no path.

    Raises:
        UserError: the folder has no image, the run's data are gone, or a side has too few patients.
    """
    given = read_given(loaded, folder, root)
    split, known = read_reference(loaded, reference)
    known, shared = exclude_patients(known, given)
    if not known.images:
        hint = "give images of other patients, or another split: --reference train"
        raise UserError(f"all patients of {split} are in it too", code="conflict", where=str(folder), hint=hint)
    found = [one.sample_patients(images, seed) for one in (known, given)]
    sides = [read_side(loaded, one, watch) for one in found]
    for side, where in zip(sides, (f"the split {split}", str(folder)), strict=True):
        if (count := len(set(side.set.patients))) < LEAST:
            message = f"{count} patients with an image that can be read, and {LEAST} are needed"
            raise UserError(message, code="too-few", where=where, hint="give more images")
    second = np.repeat([False, True], [len(side.set.images) for side in sides])
    patients = _number_patients(sides)
    divisions = PatientPermutations(second, patients, permutations, seed)
    tests = list(run_tests(loaded, sides, divisions))
    for test, p in zip(tests, adjust_holm([test["p"] for test in tests]), strict=True):
        test |= {"p_holm": p, "differs": bool(p < LEVEL)}
    pooled = np.concatenate([side.features.pooled for side in sides])
    return {
        "reference": {"split": split, "shared_patients_left_out": shared, **_count(sides[0], known)},
        "given": _count(sides[1], given),
        "tests": tests,
        "features_auroc": classify_sets(pooled, second, patients),
        "least_p": compute_least_p(sides, len(tests), permutations),
        "permutations": permutations,
        "seed": seed,
        "synthetic": loaded.synthetic,
    }


def compute_least_p(sides: list[Side], tests: int, permutations: int) -> float:
    """Return the least corrected p that so few patients, or permutations, can reach."""
    counts = [len(set(side.set.patients)) for side in sides]
    return min(1.0, tests / min(comb(sum(counts), counts[0]), permutations + 1))


def exclude_patients(known: ImageSet, given: ImageSet) -> tuple[ImageSet, int]:
    """Return the reference without the patients of the given set, and how many; only one dataset shares its names."""
    files = {os.path.realpath(image.file) for image in given.images if image.file}
    same = {patient for patient, image in zip(known.patients, known.images, strict=True) if image.file in files}
    if known.folder == given.folder:
        same |= set(known.patients) & set(given.patients)
    rows = [row for row, patient in enumerate(known.patients) if patient not in same]
    return known.select(rows), len(same)


def read_side(loaded: Loaded, images: ImageSet, watch: Watch) -> Side:
    """Compute the features of a set, and leave out what cannot be read."""
    workers = loaded.config.get("data", {}).get("num_workers", 2)
    features = compute_image_features(loaded, images.images, limit_batch(loaded), workers, watch)
    return Side(images.select(features.rows), features, len(images.images) - len(features.rows))


def run_tests(loaded: Loaded, sides: list[Side], divisions: PatientPermutations) -> Iterator[dict[str, Any]]:
    """Yield each quantity with its values on both sides, the effect and the p."""
    gray = [side.features.gray for side in sides]
    names = [NAMES.get(name, f"gray {name}") for name in GRAY]
    yield from _test_means("gray", names, gray, divisions)
    metadata = [side.set.metadata for side in sides]
    if metadata[0] is not None and metadata[1] is not None:
        yield from _test_metadata(metadata[0], metadata[1], divisions)
    probabilities = [side.features.probabilities for side in sides]
    yield from _test_means("prediction", loaded.observations, probabilities, divisions)
    effect = compare_features(np.concatenate([side.features.pooled for side in sides]), divisions)
    yield _describe("features", "pooled features", "discrepancy", effect, None, None)


def _test_metadata(one: Circumstances, two: Circumstances, divisions: PatientPermutations) -> Iterator[dict[str, Any]]:
    for column, name in (("sex", "sex"), ("projection", "view")):
        effect = compare_shares(np.concatenate([one[column], two[column]]), divisions)
        yield _describe("metadata", name, "total_variation", effect, *(_share(part[column]) for part in (one, two)))
    yield from _test_means("metadata", ["age"], [part["age"][:, None] for part in (one, two)], divisions)


def _share(categories: np.ndarray) -> dict[str, float]:
    names, counts = np.unique(categories, return_counts=True)
    return dict(zip(names.tolist(), (counts / counts.sum()).tolist(), strict=True))


def _test_means(
    group: str, names: list[str], values: list[np.ndarray], divisions: PatientPermutations
) -> Iterator[dict[str, Any]]:
    effects = compare_means(np.concatenate(values).astype(np.float64), divisions)
    for column, (name, effect) in enumerate(zip(names, effects, strict=True)):
        means = [_mean(part[:, column]) for part in values]
        yield _describe(group, name, "standard_deviations", effect, means[0], means[1])


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _describe(group: str, name: str, unit: str, effect: Effect, reference: Any, given: Any) -> dict[str, Any]:
    values = {"reference": reference, "given": given, "effect": effect.value, "unit": unit, "p": effect.p}
    return {"group": group, "name": name, **values}


def _number_patients(sides: list[Side]) -> np.ndarray:
    """Number the patients of both sides; one name on both sides stands for two patients."""
    names = [f"{number} {patient}" for number, side in enumerate(sides) for patient in side.set.patients]
    return np.unique(names, return_inverse=True)[1]


def _count(side: Side, whole: ImageSet) -> dict[str, Any]:
    return {
        "images": len(side.set.images),
        "patients": len(set(side.set.patients)),
        "of_images": len(whole.images),
        "unreadable": side.unread,
        "metadata": side.set.metadata is not None,
        "notes": whole.notes,
    }
