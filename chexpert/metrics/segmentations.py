"""Masks in the format of CheXlocalize (Saporta et al. 2022): JSON of COCO run lengths by view and observation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as rle

from chexpert.observations import CHEXLOCALIZE
from chexpert.problem import ProblemError


class Segmentations:
    """Masks by view (``patient64541_study1_view1_frontal``) and observation, decoded when they are asked for.

    Args:
        listed: {view: {observation as CheXlocalize spells it: {"size": [height, width], "counts": run lengths}}}.
        where: the file, for messages.
    """

    def __init__(self, listed: dict[str, dict[str, dict[str, Any]]], where: str) -> None:
        self.listed, self.where = listed, where

    @classmethod
    def read(cls, path: str | Path) -> "Segmentations":
        """Reads a file.

        Raises:
            ProblemError: no such file, or not of this format.
        """
        try:
            return cls(json.loads(Path(path).read_text()), str(path))
        except (OSError, ValueError) as error:
            mend = "a JSON by CheXlocalize, or gt_segmentations_*.json of a phantom"
            raise ProblemError(f"no masks: {error}", where=str(path), mend=mend) from error

    def __contains__(self, view: object) -> bool:
        return view in self.listed

    def __iter__(self) -> Iterator[str]:
        return iter(self.listed)

    def __len__(self) -> int:
        return len(self.listed)

    def masks(self, view: str) -> dict[str, np.ndarray]:
        """(H, W) bool in film coordinates, by observation in CheXpert's spelling; what is not listed is not there."""
        spelled = {theirs: ours for ours, theirs in CHEXLOCALIZE.items()}
        listed = self.listed.get(view, {})
        return {spelled.get(name, name): rle.decode(item).astype(bool) for name, item in listed.items()}
