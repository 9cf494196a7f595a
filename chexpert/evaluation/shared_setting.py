"""The one evaluation setting of compared models; models of different settings are not ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chexpert.errors import UserError
from chexpert.evaluation.candidates import Candidate
from chexpert.evaluation.evaluation_settings import find_images, list_kinds
from chexpert.evaluation.join import LEVEL_NAMES, describe_level
from chexpert.evaluation.predictions import Named

IMAGES = ("frontal",)
"""What the rows may be restricted to."""
EQUAL = {"level": "--level study", "views": "--study-score max", "images": "--images frontal"}
"""The option that makes a part of the setting equal for all models."""


@dataclass(frozen=True)
class SharedSetting:
    """What all compared models have in common.

    Attributes:
        level: ``image`` or ``study``.
        views: score of a study from its views: ``max``, ``mean`` or ``noisy_or``.
        images: that the scores are of: ``frontal``, ``lateral``, ``all`` (both), or None where not known of each.
        unknown: names of the models whose images are not known.
    """

    level: str
    views: str
    images: str | None
    unknown: tuple[str, ...] = ()


def share_setting(
    candidates: Sequence[Candidate], labels: Named | None, level: str | None, views: str | None
) -> SharedSetting:
    """Return the evaluation setting of all models.

    A file of studies does not show how and from which images its scores were made: it is compared with any.

    Args:
        candidates: the models.
        labels: of all of them; None: each has its own.
        level: chosen for all; None: as the runs were evaluated, and ``study`` without a run.
        views: chosen for all; None: as the runs were evaluated, and ``max`` without a run.

    Raises:
        UserError: they differ, and no option makes them equal.
    """
    levels = {level} if level else _find(candidates, "level") or {"study"}
    scores = {views} if views else _find(candidates, "views") if "study" in levels else set()
    own = [find_own_images(one, labels, levels) for one in candidates]
    images = {kind for kind in own if kind}
    differing = [key for key, found in (("level", levels), ("views", scores), ("images", images)) if len(found) > 1]
    if differing:
        chosen = {"level": level, "views": views}
        named = [
            f"{one.name} ({describe_own(one, kind, chosen)})"
            for one, kind in zip(candidates, own, strict=True)
            if kind or one.evaluation_setting
        ]
        message = "models of different evaluation settings are not ranked"
        hint = advise(differing, dict(zip([one.name for one in candidates], own, strict=True)))
        raise UserError(message, code="not-comparable", where=", ".join(named), hint=hint)
    unknown = tuple(one.name for one, kind in zip(candidates, own, strict=True) if kind is None)
    return SharedSetting(
        levels.pop(), (scores or {"max"}).pop(), images.pop() if images and not unknown else None, unknown
    )


def advise(differing: Sequence[str], images: Mapping[str, str | None]) -> str:
    """Return how to make the settings equal, or which models cannot be in one table.

    Args:
        differing: parts of the setting that differ.
        images: of each model, by name.
    """
    lateral = [name for name, kind in images.items() if kind == "lateral"]
    apart = lateral if "images" in differing else []
    options = [EQUAL[key] for key in differing if key != "images" or not apart]
    hint = f"evaluate all in the same: {' '.join(options)}" if options else ""
    if apart:
        return "; ".join(filter(None, [hint, f"compare models of lateral images alone apart: {', '.join(apart)}"]))
    unknown = [name for name, kind in images.items() if kind is None]
    return hint + (f", without {', '.join(unknown)}" if unknown and "images" in differing else "")


def _find(candidates: Sequence[Candidate], key: str) -> set[str]:
    return {one.evaluation_setting[key] for one in candidates if one.evaluation_setting.get(key)}


def find_own_images(candidate: Candidate, labels: Named | None, levels: set[str]) -> str | None:
    """Return which images a model's scores are of; of single views only those with labels count."""
    predictions, known = candidate.predictions, labels or candidate.labels
    if "study" in levels or known is None or known.key == "Study":
        return find_images(predictions, known)
    there = known.places
    rows = [row for name, row in predictions.places.items() if name in there]
    return find_images(select_named(predictions, rows), known)


def describe_own(candidate: Candidate, images: str | None, chosen: dict[str, str | None]) -> str:
    """Describe a model's own evaluation setting, as far as it was not chosen for all."""
    own: dict[str, Any] = candidate.evaluation_setting | {key: value for key, value in chosen.items() if value}
    parts = []
    if own.get("level") in LEVEL_NAMES:
        parts.append(describe_level({"views": "max"} | own))
    return ", ".join([*parts, *([f"{images} images"] if images else [])])


def select_frontal(candidates: Sequence[Candidate], labels: Named | None) -> list[Candidate]:
    """Return the models with their scores of frontal images alone.

    Raises:
        UserError: a file lists studies, or does not show which images are frontal.
    """
    return [replace(one, predictions=select_frontal_rows(one.predictions, labels or one.labels)) for one in candidates]


def select_frontal_rows(predictions: Named, labels: Named | None) -> Named:
    """Return the rows of frontal images; see :func:`select_frontal`."""
    hint = "leave it out, or compare without --images frontal"
    if predictions.key == "Study":
        raise UserError(
            "a file of studies has no images to select", code="level", where=str(predictions.path), hint=hint
        )
    kinds = list_kinds(predictions, labels)
    if unknown := kinds.count(""):
        message = f"neither the path nor a column Frontal/Lateral shows which of {unknown:,} images are frontal"
        raise UserError(message, code="not-comparable", where=str(predictions.path), hint=hint)
    rows = [row for row, kind in enumerate(kinds) if kind == "frontal"]
    if not rows:
        raise UserError("no frontal image", code="no-overlap", where=str(predictions.path), hint=hint)
    return select_named(predictions, rows)


def select_named(rows: Named, places: Sequence[int]) -> Named:
    """Return some of the rows."""
    columns = {name: values[list(places)] for name, values in rows.columns.items()}
    return replace(rows, names=[rows.names[place] for place in places], columns=columns)
