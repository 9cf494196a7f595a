"""What an explainer leaves in the folder of explanations: pictures, maps, a manifest and a sheet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from skimage.measure import approximate_polygon

from chexpert.explain.attribution import positive_share
from chexpert.explain.explanation import Explanation
from chexpert.explain.geometry import carry_whole
from chexpert.explain.plots import find_scale, plot_explainer_sheet, plot_picture
from chexpert.explain.plots.canvas import Canvas
from chexpert.explain.plots.scale import Scale
from chexpert.explain.regions import Region, Thresholds, choose_threshold, list_rows, write_mask, write_regions
from chexpert.metrics import LocalMap, write_map, write_segmentations
from chexpert.metrics.localization.run_lengths import RunLengths, encode
from chexpert.runs import files as run_files

QUALITY = 85  # of the JPEG image: 20 to 40 KB at 512 px
LOOSE = 0.7  # pixels by which an outline may leave its border, for a tenth of the points


def write_explainer(
    folder: Path,
    name: str,
    views: Sequence[Sequence[Explanation]],
    thresholds: Thresholds = "otsu",
    *,
    boxed: bool = False,
) -> Figure:
    """Write all files of one explainer, and return its sheet.

    Args:
        folder: of the explanations.
        name: of the explainer.
        views: the explanations of each view.
        thresholds: of the maps, from which on a pixel is in a region.
        boxed: plot the boxes of the regions too.
    """
    entries: list[dict[str, Any]] = []
    rows: list[list[str]] = []
    masks: dict[str, dict[str, RunLengths]] = {}
    for explanations in views:
        scale, canvas = find_scale(explanations), Canvas.of(explanations[0].view)
        export_image(folder, canvas)
        for explanation in explanations:
            region = explanation.segment(choose_threshold(thresholds, explanation.observation))
            export_picture(folder, name, explanation, scale, region, boxed=boxed)
            rows += list_rows(explanation.view.path, explanation.observation, explanation.probability, region)
            masks.setdefault(explanation.view.name, {})[explanation.observation] = encode(region.mask)
            entries.append(_write(folder, name, explanation, scale, canvas))
    run_files.write_json(folder / name / run_files.MANIFEST, entries)
    write_regions(folder / name / run_files.REGIONS, rows)
    write_segmentations(folder / name / run_files.SEGMENTATIONS, masks)
    sheet = plot_explainer_sheet(views)
    sheet.savefig(run_files.explainer_sheet(folder, name))
    return sheet


def export_picture(
    folder: Path, name: str, explanation: Explanation, scale: Scale, region: Region, *, boxed: bool = False
) -> None:
    """Write the picture of a map, and the mask of its region."""
    place = name, explanation.view.path, explanation.observation
    picture = run_files.picture(folder, *place)
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot_picture(explanation, scale, region.boxes if boxed else ()).savefig(picture)
    write_mask(run_files.region_mask(folder, *place), region.mask)


def export_map(path: Path, explanation: Explanation) -> None:
    """Write a map as chexpert localize reads it, and beside it the raw maps of the explainer.

    ``map`` (h, w) in [0, 1] lies over the whole image of ``height`` x ``width`` pixels; ``signed`` and ``members_*``
    are raw and in model coordinates, of ``shape``, where ``matrix`` leads from the image and the cells of ``grid`` lie.
    ``view`` and ``observation`` say whose map it is, should the file be renamed.
    """
    view, attribution = explanation.view, explanation.attribution
    height, width = view.original.shape
    whole = positive_share(carry_whole(attribution.signed, view.matrix, view.original.shape))
    members = {f"members_{name}": signed for name, signed in attribution.members.items()}
    grid = attribution.manifest.get("grid")
    local = LocalMap(
        whole, explanation.probability, width, height, grid and tuple(grid), view.matrix, attribution.signed.shape
    )
    whose = {"view": np.array(run_files.view_name(view.path)), "observation": np.array(explanation.observation)}
    write_map(path, local, signed=attribution.signed, **whose, **members)


def export_image(folder: Path, canvas: Canvas) -> None:
    """Write the image that maps are shown over, without any of its file's metadata."""
    path = run_files.image(folder, canvas.view.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas.image).save(path, quality=QUALITY)


def trace_outline(canvas: Canvas, mask: np.ndarray | None) -> list[list[list[float]]]:
    """Return the borders of a mask (H, W) as closed lines of (x, y) in shares of the image's width and height."""
    height, width = canvas.image.shape
    lines = [] if mask is None else [approximate_polygon(line, LOOSE) for line in canvas.outline(mask)]
    return [((line + 0.5) / (width, height)).round(4).tolist() for line in lines]


def _write(folder: Path, name: str, explanation: Explanation, scale: Scale, canvas: Canvas) -> dict[str, Any]:
    """Writes the map; returns what the manifest says of it, places relative to the folder."""
    place = name, explanation.view.path, explanation.observation
    picture, path = run_files.picture(folder, *place), run_files.attribution_map(folder, *place)
    export_map(path, explanation)
    height, width = explanation.view.original.shape
    return {
        "view": explanation.view.path,
        "observation": explanation.observation,
        "probability": explanation.probability,
        "truth": explanation.truth,
        "width": width,
        "height": height,
        "image": str(run_files.image(folder, explanation.view.path).relative_to(folder)),
        "outline": trace_outline(canvas, explanation.mask),
        "scale": scale.limit,
        "positive_evidence": not scale.is_silent(explanation.attribution.signed),
        "picture": str(picture.relative_to(folder)),
        "mask": str(run_files.region_mask(folder, *place).relative_to(folder)),
        "map": str(path.relative_to(folder)),
        **explanation.attribution.manifest,
    }
