"""Masks in the format of CheXlocalize (Saporta et al. 2022): JSON of COCO run lengths by view and observation."""

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from chexpert.errors import Code, UserError
from chexpert.metrics.localization.run_lengths import RunLengths, check
from chexpert.observations import CHEXLOCALIZE, OBSERVATIONS

SPELLED = {theirs: ours for ours, theirs in CHEXLOCALIZE.items()}
"""CheXpert's spelling of what CheXlocalize calls otherwise."""

HINT = (
    "a JSON by CheXlocalize, or gt_segmentations_*.json of a phantom: "
    'each mask is {"size": [height, width], "counts": run lengths}'
)


class ViewMasks(Mapping[str, np.ndarray]):
    """Masks of a view by observation, (H, W) bool in image coordinates; each is decoded when it is asked for.

    Fourteen masks of an image of v1.0 would take 90 MB, and those of a split 20 GB.

    Args:
        items: the encoded masks by observation.
    """

    def __init__(self, items: Mapping[str, RunLengths]) -> None:
        self._items = items

    def __getitem__(self, observation: str) -> np.ndarray:
        return np.ascontiguousarray(rle.decode(self._items[observation])).view(bool)

    def __contains__(self, observation: object) -> bool:
        return observation in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<masks of {', '.join(self) or 'nothing'}>"


class Segmentations:
    """Masks by view (``patient64541_study1_view1_frontal``) and observation, decoded when they are asked for.

    Observations are given in CheXpert's spelling, and read in either. A view of CheXlocalize's own files lists all ten
    observations, with empty masks; a phantom's only those present: what is not listed has no pixel.

    Args:
        listed: {view: {observation: {"size": [height, width], "counts": run lengths}}}.
        where: the file, for messages.

    Raises:
        UserError: not of this form; a mask has no size or does not fill it; the masks of a view differ in size.
    """

    def __init__(self, listed: Mapping[str, Mapping[str, Any]], where: str) -> None:
        self.where = where
        if not isinstance(listed, dict) or not all(isinstance(masks, dict) for masks in listed.values()):
            raise UserError("no masks by view and observation", code="damaged-file", where=where, hint=HINT)
        self.listed = {view: self._check(view, masks) for view, masks in listed.items()}

    @classmethod
    def read(cls, path: str | Path) -> "Segmentations":
        """Read a file.

        Raises:
            UserError: no such file, or not of this format.
        """
        try:
            return cls(json.loads(Path(path).read_text(encoding="utf-8")), str(path))
        except FileNotFoundError as error:
            raise UserError("no such file", code="missing-file", where=str(path), hint=HINT) from error
        except (OSError, ValueError) as error:
            code: Code = "unreadable-file" if isinstance(error, OSError) else "damaged-file"
            raise UserError(f"no masks: {error}", code=code, where=str(path), hint=HINT) from error

    def _check(self, view: str, masks: Mapping[str, Any]) -> dict[str, RunLengths]:
        checked: dict[str, RunLengths] = {}
        for name, item in masks.items():
            observation, where = SPELLED.get(name, name), f"{self.where}, {view}, {name}"
            if observation in checked:
                raise UserError(
                    "listed under both its names", code="repeated", where=where, hint="leave one of them out"
                )
            try:
                checked[observation] = check(item)
            except ValueError as error:
                raise UserError(str(error), code="damaged-file", where=where, hint=HINT) from error
            if checked[observation]["size"] != next(iter(checked.values()))["size"]:
                raise UserError("masks of two sizes", code="mask-size", where=where, hint="outline one image")
        return checked

    def __contains__(self, view: object) -> bool:
        return view in self.listed

    def __iter__(self) -> Iterator[str]:
        return iter(self.listed)

    def __len__(self) -> int:
        return len(self.listed)

    def observations(self) -> set[str]:
        """Return all observations that some view lists."""
        return {name for masks in self.listed.values() for name in masks}

    def note_unknown(self) -> list[str]:
        """Return a note on each name that is no observation of CheXpert, with the one that may be meant.

        Raises:
            UserError: no observation of CheXpert is named.
        """
        found = self.observations()
        if not found & {*OBSERVATIONS}:
            named = f"its names: {', '.join(sorted(found)) or 'none'}"
            hint = f"name observations as CheXpert does: {', '.join(OBSERVATIONS)}"
            raise UserError(
                f"no mask of an observation of CheXpert; {named}",
                code="missing-observation",
                where=self.where,
                hint=hint,
            )
        return [self._note(name) for name in sorted(found - {*OBSERVATIONS})]

    def _note(self, name: str) -> str:
        count = sum(name in masks for masks in self.listed.values())
        close = difflib.get_close_matches(name, [*OBSERVATIONS, *SPELLED], n=1)
        meant = f"; {close[0]}?" if close else ""
        ignored = f"{count} mask{'s' * (count > 1)} ignored in {self.where}"
        return f"{ignored}: {name!r} is not an observation of CheXpert{meant}"

    def size(self, view: str) -> tuple[int, int] | None:
        """Return the (height, width) of a view's image; None where it lists no mask."""
        first = next(iter(self.listed.get(view, {}).values()), None)
        return (first["size"][0], first["size"][1]) if first else None

    def masks(self, view: str) -> ViewMasks:
        """Return the masks of a view by observation, (H, W) bool in image coordinates; only those that are listed."""
        return ViewMasks(self.listed.get(view, {}))

    def mask(self, view: str, observation: str) -> np.ndarray | None:
        """Return a mask, (H, W) bool in image coordinates; None where it is empty or not listed."""
        return self.masks(view)[observation] if self.area(view, observation) else None

    def area(self, view: str, observation: str) -> int:
        """Count the pixels of a mask, without decoding it."""
        item = self.listed.get(view, {}).get(observation)
        return int(rle.area(item)) if item else 0

    def intersection(self, other: "Segmentations", view: str, observation: str) -> int:
        """Count the pixels that the masks of two files share, without decoding them; their sizes must be equal."""
        items = [each.listed.get(view, {}).get(observation) for each in (self, other)]
        return int(rle.area(rle.merge(items, intersect=True))) if all(items) else 0


def write_segmentations(path: Path, masks: Mapping[str, Mapping[str, RunLengths]]) -> None:
    """Write masks as a JSON file of CheXlocalize, in its spelling (Lung Opacity: ``Airspace Opacity``).

    Args:
        path: file to write; its folder is made if missing.
        masks: encoded masks by view and observation, in CheXpert's spelling; their ``counts`` are text.
    """
    spelled = {view: {CHEXLOCALIZE.get(n, n): item for n, item in own.items()} for view, own in masks.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(spelled) + "\n", encoding="utf-8")
