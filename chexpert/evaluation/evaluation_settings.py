"""One file of predictions in each evaluation setting in which CheXpert's metrics are published.

The same weights have another AUROC over studies, over all images, and over frontal images alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chexpert.errors import UserError
from chexpert.evaluation.join import LabeledScores, count_studies, join_labels
from chexpert.evaluation.observation_metrics import Sample, evaluate_mean, interval_to_dict, take_samples
from chexpert.evaluation.predictions import Named
from chexpert.metrics import find_study, number_units
from chexpert.metrics.resampling import sample_studies

SETTINGS = {"studies": "study", "images": "image", "frontal": "image"}
"""The level of each evaluation setting: studies by the maximum over their views, all images, frontal images."""
VIEW = re.compile(r"(?:^|[/_])view[0-9]+_(frontal|lateral)(?:\.[^./]*)?$", re.IGNORECASE)
SHOWN = ("value", "ci_low", "ci_high", "positives", "negatives")


@dataclass(frozen=True)
class Setting:
    """The rows of an evaluation setting.

    Attributes:
        images: that the scores are of: ``frontal``, ``lateral``, ``all`` (both), or None where that is not known.
        labeled: the rows; None where the files cannot give them.
        why: the files cannot give them.
    """

    images: str | None = None
    labeled: LabeledScores | None = None
    why: str | None = None


def find_kinds(names: Sequence[str], column: Sequence[str] | None = None) -> list[str]:
    """Return ``frontal``, ``lateral``, or "" where not known, of each image: by its path, or by Frontal/Lateral.

    >>> find_kinds(["patient64541/study1/view1_frontal.jpg", "a.png", "b.png"], ["", "Lateral", ""])
    ['frontal', 'lateral', '']
    """
    known = {"frontal", "lateral"}
    stated = [value.lower() if value.lower() in known else "" for value in column or [""] * len(names)]
    found = (VIEW.search(name.replace("\\", "/")) for name in names)
    return [match[1].lower() if match else other for match, other in zip(found, stated, strict=True)]


def find_images(predictions: Named, labels: Named | None = None) -> str | None:
    """Return which images a file has scores of: ``frontal``, ``lateral``, ``all`` (both), or None: not known."""
    return None if predictions.key == "Study" else _join_kinds(list_kinds(predictions, labels))


def list_kinds(predictions: Named, labels: Named | None = None) -> list[str]:
    """Return the kind of each predicted image; the labels' column Frontal/Lateral counts where its path has none."""
    kinds = find_kinds(predictions.names)
    column = labels.groups.get("view") if labels else None
    if not labels or not column or all(kinds):
        return kinds
    stated = dict(zip(labels.places, find_kinds(labels.names, column), strict=True))
    return [kind or stated.get(name, "") for kind, name in zip(kinds, predictions.places, strict=True)]


def _join_kinds(kinds: Sequence[str]) -> str | None:
    found = set(kinds)
    if "" in found or not found:
        return None
    return found.pop() if len(found) == 1 else "all"


def take_settings(predictions: Named, labels: Named, main: LabeledScores | None = None) -> dict[str, Setting]:
    """Return the rows of each evaluation setting, or why the files cannot give them.

    Args:
        predictions: under the names of the labels, see :func:`match_prediction_names`.
        labels: of views or studies.
        main: rows that were joined already; they are taken where they are those of a setting.
    """
    images = _take_images(predictions, labels, main)
    return {
        "studies": _take_studies(predictions, labels, main),
        "images": _check_all(images),
        "frontal": _select_frontal(images),
    }


def _take_studies(predictions: Named, labels: Named, main: LabeledScores | None) -> Setting:
    if predictions.key == "Path" and all(find_study(name) == name for name in predictions.names):
        return Setting(why="the names of the images contain no study")
    try:
        labeled = _join(predictions, labels, "study", main)
    except UserError as error:  # views of a study with different labels; where it is names the study, and a patient
        return Setting(why=error.message)
    labeled = replace(labeled, views="max" if predictions.key == "Path" else "")
    return Setting(find_images(predictions, labels), labeled)


def _take_images(predictions: Named, labels: Named, main: LabeledScores | None) -> Setting:
    for side, words in ((predictions, "predictions"), (labels, "labels")):
        if side.key == "Study":
            return Setting(why=f"the {words} are of studies, not of images")
    try:
        labeled = _join(predictions, labels, "image", main)
    except UserError as error:
        return Setting(why=error.message)
    return Setting(_join_kinds(find_kinds(labeled.names, labeled.groups.get("view"))), labeled)


def _join(predictions: Named, labels: Named, level: str, main: LabeledScores | None) -> LabeledScores:
    if main and main.level == level and (level == "image" or main.views == "max"):
        return main
    return join_labels(predictions, labels, level, "max")


def _check_all(images: Setting) -> Setting:
    if images.images == "frontal":
        return Setting(why="no lateral image has a prediction: the same as frontal images")
    if images.images == "lateral":
        return Setting(why="no frontal image has a prediction")
    return images


def _select_frontal(images: Setting) -> Setting:
    labeled = images.labeled
    if labeled is None:
        return images
    kinds = find_kinds(labeled.names, labeled.groups.get("view"))
    if unknown := kinds.count(""):
        why = f"neither the path nor a column Frontal/Lateral shows which images are frontal, of {unknown:,} images"
        return Setting(why=why)
    if "frontal" not in kinds:
        return Setting(why="no frontal image has a prediction")
    rows = [row for row, kind in enumerate(kinds) if kind == "frontal"]
    return Setting("frontal", labeled if len(rows) == len(kinds) else select_rows(labeled, rows))


def select_rows(labeled: LabeledScores, rows: Sequence[int]) -> LabeledScores:
    """Return some of the rows, with their studies numbered anew."""
    names = [labeled.names[row] for row in rows]
    studies, _ = number_units(names)
    groups = {group: [values[row] for row in rows] for group, values in labeled.groups.items()}
    scores, labels = labeled.scores[rows], labeled.labels[rows]
    return replace(labeled, names=names, studies=studies, groups=groups, scores=scores, labels=labels)


def evaluate_settings(
    settings: Mapping[str, Setting],
    mean_over: Sequence[str],
    replicates: int = 1000,
    seed: int = 0,
    main: tuple[LabeledScores, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the AUROC of each observation and their mean in each evaluation setting, with 95 % intervals.

    Args:
        settings: rows by setting, from :func:`take_settings`.
        mean_over: observations to average the AUROC over.
        replicates: number of bootstrap replicates; each samples studies with replacement.
        seed: seed of the resampling.
        main: rows that were evaluated already by the same replicates, and the result: they are not evaluated again.

    Returns:
        By setting ``level``, ``views`` (how the score of a study was made; None where its file lists studies),
        ``images`` (``frontal``, ``lateral``, ``all`` or None), ``n``, ``studies``, ``replicates``, ``auroc``,
        ``auroc_mean`` and ``why``: None, or why the files cannot give this setting; the others are then None.
    """
    return {name: _evaluate(SETTINGS[name], own, mean_over, replicates, seed, main) for name, own in settings.items()}


def _evaluate(
    level: str,
    setting: Setting,
    mean_over: Sequence[str],
    replicates: int,
    seed: int,
    main: tuple[LabeledScores, Mapping[str, Any]] | None,
) -> dict[str, Any]:
    labeled = setting.labeled
    if labeled is None:
        nothing = dict.fromkeys(("views", "images", "n", "studies", "replicates", "auroc", "auroc_mean"))
        return {"level": level, **nothing, "why": setting.why}
    if main and _are_same(labeled, main[0]):
        aurocs = {name: {key: own[key] for key in SHOWN} for name, own in main[1]["auroc"].items()}
        mean = main[1]["auroc_mean"]
    else:
        counts = sample_studies(int(labeled.studies.max()) + 1, replicates, seed)
        samples = take_samples(labeled, counts, ["auroc"])
        aurocs = {name: _describe(sample) for name, sample in samples.items()}
        found, over = evaluate_mean(samples, mean_over)
        mean = found | {"over": over}
    return {
        "level": level,
        "views": labeled.views or None if level == "study" else None,
        "images": setting.images,
        "n": len(labeled.names),
        "studies": count_studies(labeled.names, level),
        "replicates": replicates,
        "auroc": aurocs,
        "auroc_mean": mean,
        "why": None,
    }


def _are_same(labeled: LabeledScores, main: LabeledScores) -> bool:
    """Whether these are the rows and scores of the main evaluation."""
    return (
        labeled.level == main.level
        and np.array_equal(labeled.scores, main.scores, equal_nan=True)
        and list(labeled.names) == list(main.names)
    )


def _describe(sample: Sample) -> dict[str, Any]:
    counts = {"positives": sample.value.positives, "negatives": sample.value.negatives}
    return interval_to_dict(sample.interval()) | counts


def describe_setting(name: str, setting: Mapping[str, Any]) -> str:
    """Name an evaluation setting of :func:`evaluate_settings` in words.

    >>> describe_setting("studies", {"views": "max", "images": "all"}), describe_setting("frontal", {})
    ('studies (max over views)', 'frontal images')
    >>> describe_setting("studies", {"views": "max", "images": "frontal"})
    'studies (max over frontal views)'
    >>> describe_setting("images", {"images": "all"}), describe_setting("images", {"images": None, "why": None})
    ('all images', 'images of unknown view')
    """
    if name == "frontal":
        return "frontal images"
    if name == "images":
        unknown = "images" in setting and not setting["images"] and not setting.get("why")
        return "images of unknown view" if unknown else "all images"
    if not setting.get("views"):
        return "studies"
    kind = f"{setting['images']} " if setting.get("images") in ("frontal", "lateral") else ""
    return f"studies ({setting['views']} over {kind}views)"
