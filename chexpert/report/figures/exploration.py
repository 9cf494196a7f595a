"""Write the usual first plots of a data set as files."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from chexpert.report.figures.labels import plot_co_occurrence, plot_label_states, plot_prevalence
from chexpert.report.figures.population import plot_image_sizes, plot_sex_and_age, plot_views
from chexpert.report.figures.style import DPI


def plot_exploration(frames: Mapping[str, pd.DataFrame], images: pd.DataFrame | None, folder: Path) -> list[Path]:
    """Plot the label states, views and other columns that the frames have, as PNG files.

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
    plots = {f"label_states_{name}": plot_label_states(frame, name) for name, frame in frames.items()}
    if frames:
        name, largest = max(frames.items(), key=lambda item: len(item[1]))
        plots["co_occurrence"] = plot_co_occurrence(largest, name)
        plots |= {"views": plot_views(frames), "prevalence": plot_prevalence(frames)}
    if known := {name: frame for name, frame in frames.items() if frame["age"].notna().any()}:
        plots["sex_and_age"] = plot_sex_and_age(known)
    if images is not None and (images["width"] > 0).any():
        plots["image_sizes"] = plot_image_sizes(images[images["width"] > 0])
    files = {folder / f"{name}.png": plot for name, plot in plots.items()}
    for file, plot in files.items():
        plot.savefig(file, dpi=DPI)
    return list(files)
