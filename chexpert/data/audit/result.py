"""What an audit found."""

from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

from chexpert.data.audit.defect import Defect
from chexpert.data.sources.layout import Layout
from chexpert.runs.synthetic import is_phantom


@dataclass
class Audit:
    """What an audit found.

    Attributes:
        layout: the copy; None where more than one lies under the root.
        frames: the splits that could be read and have a row.
        unread: the splits whose tables could not be read, had no row, or list images that lie elsewhere.
        counts: by split, of `count_split`; with the fingerprint, and with the published totals where the split claims
            to be the whole one.
        external: of an external data set its own counts, the published ones, and the labels without a counterpart.
        defects: what is wrong, in the order in which it was looked for.
        images: one row a listed image that is there: key, split and the fields of `ImageFile`.
        hashes: SHA-256 of the tables and of every image file that lies there, by path relative to the layout's folder.
    """

    layout: Layout | None = None
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    counts: dict[str, dict[str, Any]] = field(default_factory=dict)
    external: dict[str, Any] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    images: pd.DataFrame | None = None
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Return whether there is no error; warnings do not count."""
        return all(defect.severity != "error" for defect in self.defects)

    def to_json(self) -> dict[str, Any]:
        """Return the audit for JSON.

        {"layout": .., "<split>": {"images": .., "labels": {..}, ..}, "defects": [{"kind", "where", ..}]}.
        """
        found = self.layout
        layout = found and {"name": found.name, "folder": str(found.folder), "synthetic": is_phantom(found.folder)}
        if layout and self.external:
            layout["external"] = self.external
        return {"layout": layout, **self.counts, "defects": [asdict(defect) for defect in self.defects]}
