"""The pictures that people draw first of a data set: labels, co-occurrence, views, sex and age, sizes, prevalence."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chexpert.observations import OBSERVATIONS

# Okabe and Ito's colours, told apart without colour vision too.
STATES = {"positive": "#D55E00", "uncertain": "#F0C442", "negative": "#0072B2", "blank": "#DDDDDD"}
SPLITS = {"train": "#0072B2", "valid": "#D55E00", "test": "#009E73"}
SEXES = {"Female": "#CC79A7", "Male": "#0072B2", "Unknown": "#999999"}
DPI = 120
CAP = 90  # years: CheXpert's oldest patients all have this age

Frames = Mapping[str, pd.DataFrame]


def draw_exploration(frames: Frames, images: pd.DataFrame | None, folder: Path) -> list[Path]:
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


def draw_label_states(frame: pd.DataFrame, split: str) -> Figure:
    """Share of each label state as stacked bars, the counts beside them."""
    labels = frame[list(OBSERVATIONS)].to_numpy("float32")
    counts = np.stack([(labels == 1).sum(0), (labels == -1).sum(0), (labels == 0).sum(0), np.isnan(labels).sum(0)])
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes, table = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
    rows, left = np.arange(len(OBSERVATIONS)), np.zeros(len(OBSERVATIONS))
    for (name, colour), count in zip(STATES.items(), counts, strict=True):
        share = 100 * count / len(frame)
        axes.barh(rows, share, left=left, color=colour, label=name, height=0.75)
        left += share
    axes.set_yticks(rows, OBSERVATIONS)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of images")
    _strip(axes, "top", "right", "left")
    _write_counts(table, counts)
    figure.suptitle(f"Label states in {split}, n = {len(frame):,} images")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=4, frameon=False)
    return figure


def _write_counts(axes: Axes, counts: np.ndarray) -> None:
    axes.axis("off")
    for x, (name, count) in zip((0.22, 0.48, 0.74, 1.0), zip(STATES, counts, strict=True), strict=True):
        axes.text(x, 1.0, name, transform=axes.transAxes, ha="right", va="bottom", fontsize=9, color="#555555")
        for row, number in enumerate(count):
            axes.text(x, row, f"{number:,}", transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=9)


def draw_co_occurrence(frame: pd.DataFrame, split: str) -> Figure:
    """P(column positive | row positive) in percent; empty where no image is positive for the row."""
    positive = (frame[list(OBSERVATIONS)].to_numpy("float32") == 1).astype("float64")
    both, alone = positive.T @ positive, positive.sum(0)
    share = 100 * np.divide(both, alone[:, None], out=np.full_like(both, np.nan), where=alone[:, None] > 0)
    np.fill_diagonal(share, np.nan)
    figure = Figure(figsize=(10.5, 8.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="cividis", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(share):
        if np.isfinite(value):
            colour = "black" if value > 55 else "white"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(14), OBSERVATIONS, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(14), [f"{name} ({int(n):,})" for name, n in zip(OBSERVATIONS, alone, strict=True)])
    axes.set_ylabel("given that this is positive (images)")
    axes.set_title(f"How often the column is positive too, in %: {split}, n = {len(frame):,} images", loc="left")
    figure.colorbar(image, ax=axes, fraction=0.035, label="% of the row's images")
    return figure


def draw_views(frames: Frames) -> Figure:
    """Images by projection, studies by views, patients by images; one row a split."""
    figure = Figure(figsize=(12, 0.6 + 2.6 * len(frames)), layout="constrained")
    grid = figure.subplots(len(frames), 3, squeeze=False)
    for axes, (split, frame) in zip(grid, frames.items(), strict=True):
        studies = frame["key"].str.rpartition("/")[0]
        per_study, per_patient = studies.value_counts(), frame["patient"].value_counts()
        _draw_bars(axes[0], frame["projection"].value_counts(), f"{split}: {len(frame):,} images by projection")
        _draw_bars(axes[1], per_study.value_counts().sort_index(), f"{len(per_study):,} studies by number of views")
        axes[2].hist(per_patient, bins=np.arange(0.5, per_patient.max() + 1.5), color=SPLITS["train"], log=True)
        axes[2].set_title(f"{len(per_patient):,} patients by number of images (at most {per_patient.max()})", fontsize=10)
        axes[2].xaxis.get_major_locator().set_params(integer=True)
        _strip(axes[2], "top", "right")
    return figure


def _draw_bars(axes: Axes, counts: pd.Series, title: str) -> None:
    names = [str(name) for name in counts.index]
    bars = axes.barh(names, counts.to_numpy(), color=SPLITS["train"], height=0.7)
    labels = [f"{n:,} ({100 * n / counts.sum():.1f} %)" for n in counts]
    axes.bar_label(bars, labels, padding=3, fontsize=9)
    axes.set_xlim(0, 1.5 * counts.max())  # room for the numbers
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.set_title(title, fontsize=10)
    _strip(axes, "top", "right", "bottom")


def draw_sex_and_age(frames: Frames) -> Figure:
    """Images by age in years, stacked by sex; one row a split."""
    figure = Figure(figsize=(10, 0.6 + 2.8 * len(frames)), layout="constrained")
    for axes, (split, frame) in zip(figure.subplots(len(frames), 1, squeeze=False)[:, 0], frames.items(), strict=True):
        sexes = [sex for sex in SEXES if (frame["sex"] == sex).any()]
        counts = [np.bincount(frame.loc[frame["sex"] == sex, "age"].astype(int), minlength=CAP + 1) for sex in sexes]
        bottom = np.zeros(max(map(len, counts)))
        for sex, count in zip(sexes, counts, strict=True):
            count = np.pad(count, (0, len(bottom) - len(count)))
            label = f"{sex} ({count.sum():,})"
            axes.bar(np.arange(len(count)), count, 0.9, bottom=bottom, color=SEXES[sex], label=label)
            bottom += count
        zero, capped = int(bottom[0]), int(bottom[CAP])
        notes = [f"{n:,} at {age}" for n, age in ((zero, "0 (unknown)"), (capped, f"{CAP} (and over)")) if n]
        more = f"; {', '.join(notes)}" if notes else ""
        axes.set_title(f"{split}: age at the study, n = {len(frame):,} images{more}", fontsize=10)
        axes.set_xlim(-2, max(CAP + 2, len(bottom)))
        axes.set_xticks(range(0, CAP + 1, 10))
        axes.set_ylabel("images")
        axes.legend(frameon=False, loc="upper left", fontsize=9)
        _strip(axes, "top", "right")
    axes.set_xlabel("age in years")
    return figure


def draw_image_sizes(images: pd.DataFrame) -> Figure:
    """Width by height; a dot's area grows with the number of images of exactly this size."""
    sizes = images.value_counts(["width", "height"]).reset_index(name="n")
    figure = Figure(figsize=(7.5, 6.2), layout="constrained")
    axes = figure.subplots()
    area = 12 + 400 * sizes["n"] / sizes["n"].max()
    axes.scatter(sizes["width"], sizes["height"], s=area, color=SPLITS["train"], alpha=0.45, linewidths=0)
    low = 0.95 * min(sizes["width"].min(), sizes["height"].min())
    high = 1.05 * max(sizes["width"].max(), sizes["height"].max())
    axes.plot([low, high], [low, high], color="#999999", linewidth=1, linestyle=":", label="square")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="width in pixels", ylabel="height in pixels")
    first = sizes.iloc[0]
    most = f"most often {first['width']} x {first['height']} ({first['n']:,})"
    axes.set_title(f"Image sizes, n = {len(images):,} images, {len(sizes):,} sizes; {most}", fontsize=10)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    _strip(axes, "top", "right")
    return figure


def draw_prevalence(frames: Frames) -> Figure:
    """Share of positive images by split, with 95 % intervals that take images for independent."""
    figure = Figure(figsize=(9, 6.2), layout="constrained")
    axes = figure.subplots()
    for i, (split, frame) in enumerate(frames.items()):
        positive = (frame[list(OBSERVATIONS)].to_numpy("float32") == 1).sum(0)
        low, high = _bound_share(positive, len(frame))
        rows = np.arange(14) + 0.22 * (i - (len(frames) - 1) / 2)
        share, label = 100 * positive / len(frame), f"{split} (n = {len(frame):,})"
        spread = np.stack([share - 100 * low, 100 * high - share]).clip(0)
        axes.errorbar(share, rows, xerr=spread, fmt="o", color=SPLITS.get(split), markersize=5, capsize=2, label=label)
    axes.set_yticks(range(14), OBSERVATIONS)
    axes.set_ylim(13.6, -0.6)
    axes.set_xlim(left=-1)
    axes.grid(axis="x", color="#E5E5E5")
    axes.set_xlabel("% of images with a positive label (blank and uncertain count as not positive)")
    axes.set_title("Prevalence by split, 95 % intervals by Wilson")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    _strip(axes, "top", "right", "left")
    return figure


def _bound_share(count: np.ndarray, n: int, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval for a share of n.

    >>> [round(float(bound), 3) for bound in _bound_share(np.array(5), 10)]
    [0.237, 0.763]
    """
    share = count / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half


def _strip(axes: Axes, *sides: str) -> None:
    axes.spines[list(sides)].set_visible(False)
    axes.tick_params(length=0)
