"""The pictures that people draw first of a data set, as files."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from chexpert.report.figures.labels import draw_co_occurrence, draw_label_states, draw_prevalence
from chexpert.report.figures.population import draw_image_sizes, draw_sex_and_age, draw_views
from chexpert.report.figures.style import DPI


def draw_exploration(frames: Mapping[str, pd.DataFrame], images: pd.DataFrame | None, folder: Path) -> list[Path]:
    """Draws what there is to draw as PNG files.

    Args:
        frames: by split, one row a view with ``key, patient, projection, sex, age`` and the 14 observations as
            {1, 0, -1, NaN}.
        images: ``width`` and ``height`` in pixels, one row an image; None where no image was looked at.
        folder: for the pictures; made when it is missing.

    Returns:
        The files.
    """
    frames = {name: frame for name, frame in frames.items() if len(frame)}
    folder.mkdir(parents=True, exist_ok=True)
    figures = {f"label_states_{name}": draw_label_states(frame, name) for name, frame in frames.items()}
    if frames:
        name, largest = max(frames.items(), key=lambda item: len(item[1]))
        figures["co_occurrence"] = draw_co_occurrence(largest, name)
        figures |= {"views": draw_views(frames), "prevalence": draw_prevalence(frames)}
    if known := {name: frame for name, frame in frames.items() if frame["age"].notna().any()}:
        figures["sex_and_age"] = draw_sex_and_age(known)
    if images is not None and (images["width"] > 0).any():
        figures["image_sizes"] = draw_image_sizes(images[images["width"] > 0])
    files = {folder / f"{name}.png": figure for name, figure in figures.items()}
    for file, figure in files.items():
        figure.savefig(file, dpi=DPI)
    return list(files)
