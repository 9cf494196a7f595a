"""Plots of patients and images: views, sex and age, image sizes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from chexpert.report.figures.style import OTHER, PLAIN, SEXES, strip

MANY = 1000  # patients in a bar, beside which a bar of one could not be seen
CAP = 90  # years: CheXpert's oldest patients all have this age


def plot_views(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot images by projection, studies by views, patients by images; one row a split."""
    canvas = Figure(figsize=(12, 0.6 + 2.6 * len(frames)), layout="constrained")
    grid = canvas.subplots(len(frames), 3, squeeze=False)
    for axes, (split, frame) in zip(grid, frames.items(), strict=True):
        studies = frame["key"].str.rpartition("/")[0]
        per_study, per_patient = studies.value_counts(), frame["patient"].value_counts()
        _plot_bars(axes[0], frame["projection"].value_counts(), f"{split}: {len(frame):,} images by projection")
        axes[0].set(xlabel="images", ylabel="projection")
        _plot_bars(axes[1], per_study.value_counts().sort_index(), f"{len(per_study):,} studies by number of views")
        axes[1].set(xlabel="studies", ylabel="views of a study")
        _plot_images_per_patient(axes[2], per_patient.to_numpy())
    return canvas


def _plot_images_per_patient(axes: Axes, counts: np.ndarray) -> None:
    heights = np.bincount(counts)[1:]
    axes.bar(np.arange(1, len(heights) + 1), heights, 0.9, color=PLAIN)
    axes.set_title(f"{len(counts):,} patients by images (most: {counts.max()})", fontsize=10)
    axes.set_xlim(0.3, max(counts.max(), 4) + 0.7)
    axes.set(xlabel="images of a patient", ylabel="patients")
    if heights.max() >= MANY:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.6)
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    strip(axes, "top", "right")


def _plot_bars(axes: Axes, counts: pd.Series, title: str) -> None:
    names = [str(name) for name in counts.index]
    bars = axes.barh(names, counts.to_numpy(), color=PLAIN, height=0.7)
    shares = [100 * n / counts.sum() for n in counts]
    labels = [f"{n:,} ({share:.1f} %)" if share >= 0.1 else f"{n:,}" for n, share in zip(counts, shares, strict=True)]
    axes.bar_label(bars, labels, padding=3, fontsize=9)
    axes.set_xlim(0, 1.5 * counts.max())  # space for the numbers
    axes.set_ylim(max(len(names), 4) - 0.5, -0.5)  # a lone bar need not fill the panel
    axes.set_xticks([])
    axes.set_title(title, fontsize=10)
    strip(axes, "top", "right", "bottom")


def plot_sex_and_age(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot images by age in years, stacked by sex; one row a split."""
    canvas = Figure(figsize=(10, 0.6 + 2.8 * len(frames)), layout="constrained")
    for axes, (split, frame) in zip(canvas.subplots(len(frames), 1, squeeze=False)[:, 0], frames.items(), strict=True):
        frame = frame[frame["age"].notna()]
        bottom = np.zeros(int(max(frame["age"].max(), CAP)) + 1)
        for sex in sorted(frame["sex"].unique()):
            ages = frame.loc[frame["sex"] == sex, "age"].astype(int)
            count = np.bincount(ages, minlength=len(bottom))
            label, color = f"{sex or 'not given'} ({len(ages):,})", SEXES.get(sex, OTHER)
            axes.bar(np.arange(len(count)), count, 0.9, bottom=bottom, color=color, label=label)
            bottom += count
        zero, capped = int(bottom[0]), int(bottom[CAP])
        notes = [f"{n:,} at {age}" for n, age in ((zero, "0 (unknown)"), (capped, f"{CAP} (and over)")) if n]
        more = f"; {', '.join(notes)}" if notes else ""
        axes.set_title(f"{split}: age at the study, n = {len(frame):,} images{more}", fontsize=10)
        axes.set_xlim(-2, max(CAP + 2, len(bottom)))
        axes.set_xticks(range(0, CAP + 1, 10))
        axes.set_ylim(0, 1.25 * bottom.max())  # space for the legend
        axes.set_ylabel("images")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        axes.legend(frameon=False, loc="upper left", fontsize=9)
        strip(axes, "top", "right")
    axes.set_xlabel("age in years")
    return canvas


def plot_image_sizes(images: pd.DataFrame) -> Figure:
    """Plot width by height; a dot's area grows with the number of images of exactly this size."""
    sizes = images.value_counts(["width", "height"]).reset_index(name="n")
    canvas = Figure(figsize=(6.6, 6.6), layout="constrained")
    axes = canvas.subplots()
    area = 12 + 400 * sizes["n"] / sizes["n"].max()
    axes.scatter(sizes["width"], sizes["height"], s=area, color=PLAIN, alpha=0.45, linewidths=0)
    low = 0.95 * min(sizes["width"].min(), sizes["height"].min())
    high = 1.05 * max(sizes["width"].max(), sizes["height"].max())
    axes.plot([low, high], [low, high], color="#999999", linewidth=1, linestyle=":", label="square")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="width in pixels", ylabel="height in pixels")
    first = sizes.iloc[0]
    most = f"{first['n']:,} of {first['width']} x {first['height']}"
    axes.set_title(f"Image sizes, n = {len(images):,} images; most often: {most}", fontsize=10)
    axes.legend(frameon=False, loc="upper left", fontsize=9)
    strip(axes, "top", "right")
    return canvas
