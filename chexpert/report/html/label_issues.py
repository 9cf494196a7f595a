"""The sheet of a label audit: the images whose labels are most likely wrong, each with its neighbors, as one page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chexpert.report.html.render import render_page


@dataclass(frozen=True)
class AuditImage:
    """An image of the sheet with its label of one observation.

    Attributes:
        name: of the view, or its hash.
        address: the image as a data: address; None where it cannot be read.
        label: ``1``, ``0``, ``-1`` or ``blank``.
        probability: of the observation.
    """

    name: str
    address: str | None
    label: str
    probability: float


@dataclass(frozen=True)
class AuditCard:
    """A label that may be wrong, with similar images beside it.

    Attributes:
        rank: among the labels of the observation.
        image: with the label.
        suggested: ``1``, ``0`` or empty.
        score: the lowest first.
        neighbors: similar images of other patients, the nearest first.
    """

    rank: int
    image: AuditImage
    suggested: str
    score: float
    neighbors: Sequence[AuditImage] = field(default_factory=tuple)


def make_audit_page(
    content: Mapping[str, Any], cards: Mapping[str, Sequence[AuditCard]], names: str, similar: str
) -> str:
    """Return the sheet as one self-contained HTML page.

    Args:
        content: of label_issues.json.
        cards: by observation.
        names: how images are named, for the reader.
        similar: by what the neighbors are found; empty without neighbors.
    """
    return render_page(
        "label_issues.html",
        title="Labels to look at",
        content=content,
        table=list_observations(content),
        cards=cards,
        names=names,
        similar=similar,
    )


def list_observations(content: Mapping[str, Any]) -> list[list[str]]:
    """Return the table of the observations, as text.

    >>> list_observations({"observations": {}})[0][:3]
    ['observation', 'labels 1', 'labels 0']
    """
    blank = " and blank" if content.get("blank") == "negative" else ""
    header = ["observation", "labels 1", f"labels 0{blank}", "expected wrong of 1", f"expected wrong of 0{blank}",
              "listed", "uncertain"]  # fmt: skip
    rows = [
        [
            name, f"{own['positives']:,}", f"{own['negatives']:,}", _percent(own["share_wrong_positives"]),
            _percent(own["share_wrong_negatives"]), f"{own['listed']:,}", f"{own['uncertain']:,}",
        ]
        for name, own in content["observations"].items()
    ]  # fmt: skip
    return [header, *rows]


def _percent(share: float | None) -> str:
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f} %"
