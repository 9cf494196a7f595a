"""Read the explanations of a run by image and observation, with all explainers beside each other."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from chexpert.report.html.overlay import plot_overlay, to_address
from chexpert.report.names import Names
from chexpert.runs import files as run_files
from chexpert.runs.read import read_explanations

TRUTHS = {1: "present", 0: "absent", None: "not labeled"}
LONGEST = 448  # pixels of an image
QUALITY = 80


@dataclass(frozen=True)
class Layer:
    """One explainer's map of an observation, as an address; ``silent`` where nothing speaks for it."""

    explainer: str
    address: str | None
    silent: bool


@dataclass
class GalleryCard:
    """An observation of an image.

    Attributes:
        image_index: number of the image.
        name: of the image on this page.
        observation: what was explained.
        truth: ``present``, ``absent`` or ``not labeled``.
        probability: in [0, 1].
        width: of the image, in its own pixels.
        height: likewise.
        outline: path of an SVG in shares of width and height; empty where nothing was outlined.
        layers: one an explainer.
    """

    image_index: int
    name: str
    observation: str
    truth: str
    probability: float
    width: int
    height: int
    outline: str
    layers: list[Layer] = field(default_factory=list)


@dataclass(frozen=True)
class Gallery:
    """Cards, and the images beneath their maps as addresses; None of an image that was not kept."""

    explainers: list[str]
    cards: list[GalleryCard]
    originals: list[str | None]

    @property
    def observations(self) -> list[str]:
        """Those that were explained."""
        return sorted({card.observation for card in self.cards})

    @property
    def truths(self) -> list[str]:
        """Those that occur."""
        return [truth for truth in TRUTHS.values() if any(card.truth == truth for card in self.cards)]


def read_gallery(run: Path, names: Names) -> Gallery:
    """Read the explanations in explanations/, as many as there are."""
    folder = run / run_files.EXPLANATIONS
    explainers = sorted(path.parent.name for path in folder.glob(f"*/{run_files.MANIFEST}"))
    views: dict[str, int] = {}
    cards: dict[tuple[str, str], GalleryCard] = {}
    for explainer in explainers:
        for entry in read_explanations(folder / explainer / run_files.MANIFEST):
            view, observation = str(entry["view"]), str(entry["observation"])
            number = views.setdefault(view, len(views))
            card = cards.setdefault((view, observation), _begin(entry, number, names.image(view)))
            path = run_files.attribution_map(folder, explainer, view, observation)
            overlay = plot_overlay(path, entry.get("scale"))
            if overlay and not card.width:
                card.width, card.height = overlay[1]
            silent = not entry.get("positive_evidence", True)
            card.layers.append(Layer(explainer, overlay and overlay[0], silent))
    originals = [read_image(run_files.image(folder, view)) for view in views]
    ordered = sorted(cards.values(), key=lambda card: (card.image_index, -card.probability))
    return Gallery(explainers, ordered, originals)


def read_image(path: Path) -> str | None:
    """Read an image as JPEG in an address, without any metadata; None where it cannot be read."""
    try:
        with Image.open(path) as image:
            original = image.convert("L")
    except (OSError, ValueError):
        return None
    return encode_gray(np.asarray(original))


def encode_gray(gray: np.ndarray, longest: int = LONGEST) -> str:
    """Encode an image (H, W) uint8 as JPEG in an address, its longer side at most ``longest`` pixels."""
    image = Image.fromarray(gray)
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)  # of the pixels alone
    return to_address(file.getvalue(), "image/jpeg")


def _begin(entry: Mapping[str, Any], number: int, name: str) -> GalleryCard:
    width, height = int(entry.get("width") or 0), int(entry.get("height") or 0)
    outline = trace(entry.get("outline") or [], width, height)
    truth = TRUTHS.get(entry.get("truth"), TRUTHS[None])
    return GalleryCard(
        number, name, str(entry["observation"]), truth, float(entry["probability"]), width, height, outline
    )


def trace(outline: list[list[list[float]]], width: int, height: int) -> str:
    """Convert closed lines of (x, y) in shares of an image to the path of an SVG in its pixels.

    >>> trace([[[0, 0], [0.5, 0], [0.5, 1]]], 200, 100)
    'M0.0 0.0L100.0 0.0L100.0 100.0Z'
    """
    lines = ("L".join(f"{float(x) * width:.1f} {float(y) * height:.1f}" for x, y in line) for line in outline)
    return "".join(f"M{line}Z" for line in lines if line)
