"""The evaluation setting of a recipe's published value, and the value of a run in that same setting."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.evaluation.evaluation_settings import describe_setting

ROWS = {
    "valid": {"studies": 200, "images": 234, "frontal": 202},
    "test": {"studies": 500, "images": 668, "frontal": 518},
}
"""Rows of CheXpert's splits in each evaluation setting."""
NAMES = {("study", "all"): "studies", ("study", "frontal"): "studies", ("image", "all"): "images",
         ("image", "frontal"): "frontal"}  # fmt: skip
"""Of an evaluation setting, by level and images."""
UNKNOWN = "not stated by the source"


def name_published(of: Mapping[str, Any]) -> str | None:
    """Return ``studies``, ``images`` or ``frontal``, the setting of a published value; None where it is not known.

    Args:
        of: of a recipe: ``level`` is ``study``, ``image`` or None; ``images`` is ``all``, ``frontal`` or None.
    """
    return NAMES.get((str(of.get("level")), str(of.get("images"))))


def describe_published(of: Mapping[str, Any]) -> str:
    """Describe the setting of a published value; what the source does not state is named.

    >>> describe_published({"level": "image", "images": "frontal"}), describe_published({"level": "image"})
    ('frontal images', 'level: image, images: not stated by the source')
    """
    name = name_published(of)
    if name is None:
        return ", ".join(f"{key}: {of.get(key) or UNKNOWN}" for key in ("level", "images"))
    words = describe_setting(name, {"views": "max", "images": of["images"]})
    return f"{words}, assumed: {' and '.join(of['assumed'])} {UNKNOWN}" if of.get("assumed") else words


def read_measured(
    of: Mapping[str, Any], study_score: str, evaluated: Mapping[str, Any], images: str | None
) -> tuple[Mapping[str, Any], list[str]]:
    """Return a run's mean AUROC in the setting of the published value, and why that cannot be compared.

    Args:
        of: of a recipe.
        study_score: of the recipe.
        evaluated: content of evaluation/<split>.json; one of an older version has no other settings than its own.
        images: ``data.views`` of the run.

    Returns:
        ``value``, ``ci_low``, ``ci_high`` and ``over``, those of the run's own setting where there is no other; and the
        reasons.
    """
    name, own = name_published(of), evaluated.get("auroc_mean") or {}
    if name is None:
        return own, [f"the evaluation setting of the published value is not known ({describe_published(of)})"]
    settings = evaluated.get("evaluation_settings")
    if settings and study_score == "max":  # the maximum is the only score of studies that is there in any case
        found = settings[name]
        if found["why"] is not None:
            return own, [f"the value is not of {describe_published(of)}: {found['why']}"]
        used = found["images"] if name == "studies" else None  # of the others the name says it
        return found["auroc_mean"], list(_check_rows(of, name, found["n"], used))
    return own, list(_check_own(of, study_score, evaluated, images, name))


def _check_own(
    of: Mapping[str, Any], study_score: str, evaluated: Mapping[str, Any], images: str | None, name: str
) -> Iterator[str]:
    """Check the one setting of an evaluation against that of a published value."""
    level = evaluated.get("level")
    if level != of["level"]:
        yield f"the value is of the level {level}, and not {of['level']}"
        return
    if level == "study" and evaluated.get("views") != study_score:
        yield f"the score of a study is the {evaluated.get('views')} over its views, and not the {study_score}"
    yield from _check_rows(of, name, evaluated.get("n"), images)


def _check_rows(of: Mapping[str, Any], name: str, n: int | None, images: str | None) -> Iterator[str]:
    """Check the images and the number of rows; of a file of studies the images are not known, and not checked."""
    if images is not None and images != of["images"]:
        yield f"the value is of {images} images, and not of {of['images']}"
        return
    if n != (expected := ROWS.get(of["split"], {}).get(name)):
        noun = "studies" if name == "studies" else "images"
        yield f"{n} {noun} were evaluated, and not {expected}"
