"""Published values of explainers on CheXlocalize's test set, for context beside the own ones."""

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "published_chexlocalize.yaml"


def read_published() -> dict[str, Any]:
    """Return the published values: ``dataset``, ``notes``, ``human``, and ``rows``, each with its source.

    A row has ``model``, ``kind`` (``single`` or ``ensemble``), ``explainer``, ``metric`` (``hit_rate`` or ``iou``),
    ``values`` by observation, their ``mean``, and ``cases`` where it is of some of them.
    """
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    names = content.pop("observations")
    for row in content["rows"]:
        row["values"] = dict(zip(names, row["values"], strict=True)) if row["values"] else {}
    return content
