"""Plots of labels: their states, which are positive together, and how often in each split."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from chexpert.observations import OBSERVATIONS, STATES
from chexpert.report.figures.style import COLORS, SPLITS, strip


def plot_label_states(frame: pd.DataFrame, split: str) -> Figure:
    """Plot the share of each label state as stacked bars, the counts beside them."""
    labels = frame[list(OBSERVATIONS)].to_numpy("float32")
    counts = np.stack([(labels == 1).sum(0), (labels == -1).sum(0), (labels == 0).sum(0), np.isnan(labels).sum(0)])
    canvas = Figure(figsize=(11, 5.6), layout="constrained")
    axes, table = canvas.subplots(1, 2, width_ratios=(3, 2), sharey=True)
    rows, left = np.arange(len(OBSERVATIONS)), np.zeros(len(OBSERVATIONS))
    for (name, color), count in zip(COLORS.items(), counts, strict=True):
        share = 100 * count / len(frame)
        axes.barh(rows, share, left=left, color=color, label=name, height=0.75)
        left += share
    axes.set_yticks(rows, OBSERVATIONS)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of images")
    strip(axes, "top", "right", "left")
    _write_counts(table, counts)
    canvas.suptitle(f"Label states in {split}, n = {len(frame):,} images")
    canvas.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=4, frameon=False)
    return canvas


def _write_counts(axes: Axes, counts: np.ndarray) -> None:
    axes.axis("off")
    for x, (name, count) in zip((0.22, 0.48, 0.74, 1.0), zip(STATES, counts, strict=True), strict=True):
        axes.text(x, 1.0, name, transform=axes.transAxes, ha="right", va="bottom", fontsize=9, color="#555555")
        for row, number in enumerate(count):
            axes.text(x, row, f"{number:,}", transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=9)


def plot_co_occurrence(frame: pd.DataFrame, split: str) -> Figure:
    """Plot P(column positive | row positive) in percent; empty where no image is positive for the row."""
    positive = (frame[list(OBSERVATIONS)].to_numpy("float32") == 1).astype("float64")
    both, alone = positive.T @ positive, positive.sum(0)
    share = 100 * np.divide(both, alone[:, None], out=np.full_like(both, np.nan), where=alone[:, None] > 0)
    np.fill_diagonal(share, np.nan)
    canvas = Figure(figsize=(11.5, 8.6), layout="constrained")
    axes = canvas.subplots()
    image = axes.imshow(share, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    axes.set_facecolor("#F2F2F2")
    for (row, column), value in np.ndenumerate(share):
        if np.isfinite(value):
            color = "black" if value > 50 else "white"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9, color=color)
    axes.set_xticks(range(14), OBSERVATIONS, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(14), [f"{name} ({int(n):,})" for name, n in zip(OBSERVATIONS, alone, strict=True)])
    axes.set_ylabel("given that this is positive (images)")
    axes.set_title(f"How often the column is positive too, in %: {split}, n = {len(frame):,} images", loc="left")
    canvas.colorbar(image, ax=axes, fraction=0.035, label="% of the row's images")
    return canvas


def plot_prevalence(frames: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot the share of positive images by split, with 95 % intervals that take images for independent."""
    canvas = Figure(figsize=(9, 6.2), layout="constrained")
    axes = canvas.subplots()
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
    canvas.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=3, frameon=False)
    strip(axes, "top", "right", "left")
    return canvas


def _bound_share(count: np.ndarray, n: int, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval for a share of n.

    >>> [round(float(bound), 3) for bound in _bound_share(np.array(5), 10)]
    [0.237, 0.763]
    """
    share = count / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half
