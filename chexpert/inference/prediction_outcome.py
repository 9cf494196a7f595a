"""What became of the images that were predicted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What became of the images.

    Attributes:
        output: the table that was written.
        images: how many were predicted, resumed ones included.
        rows: of the table.
        resumed: how many had been predicted before.
        failed: of each image that could not be read its name in the input, and why.
        incomplete: studies that lack a failed view and are scored by the others; by the names in the input.
        flagged: of each image that should be looked at its name in the input, and why.
        refused: of the flagged images the names of those that got no probabilities.
        partly_refused: studies that have a refused view and are scored by the others, likewise.
        ungated: why no gate was used, where one would have been; see :mod:`chexpert.inference.gating`.
        aside: of each file that is no image, and was left aside, its name and what it is.
        hashed: whether a row is called by a hash.
        synthetic: whether the model was trained on synthetic images.
        tta: over how many views of each image the probabilities are averaged, 1 without test-time augmentation.
        explanations: the folder of the explanations; None without them.
        missing_sets: of each observation that has no prediction set why; it is in the table too.
        failed_explainers: by name why an explainer failed; it has explained the batches before.
    """

    output: Path
    images: int
    rows: int
    resumed: int
    failed: Mapping[str, str]
    incomplete: Sequence[str]
    flagged: Mapping[str, str]
    aside: Mapping[str, str]
    refused: Sequence[str] = ()
    partly_refused: Sequence[str] = ()
    ungated: str = ""
    hashed: bool = False
    synthetic: bool = False
    tta: int = 1
    explanations: Path | None = None
    missing_sets: Mapping[str, str] = field(default_factory=dict)
    failed_explainers: Mapping[str, str] = field(default_factory=dict)
