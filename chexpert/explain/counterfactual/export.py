"""The files of one counterfactual, and its entry in the manifest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from chexpert.explain.counterfactual.latent_shift import Counterfactual
from chexpert.explain.counterfactual.pictures import plot_difference, plot_strip, write_animation
from chexpert.explain.view import View
from chexpert.metrics.localization.map_scores import relevance_mass
from chexpert.runs import files as run_files


def export_counterfactual(
    folder: Path, view: View, observation: str, observations: Sequence[str], found: Counterfactual
) -> dict[str, Any]:
    """Write the strip, the animation and the difference of a view below a folder, and return its entry.

    Args:
        folder: of all counterfactuals.
        view: whose image it is.
        observation: whose logit was moved.
        observations: names of the C outputs.
        found: the images.
    """
    own = folder / run_files.view_name(view.path)
    own.mkdir(parents=True, exist_ok=True)
    probabilities = (1 / (1 + np.exp(-found.logits[:, observations.index(observation)]))).tolist()
    plot_strip(view, observation, found, probabilities).savefig(own / "strip.png")
    plot_difference(view, observation, found, probabilities).savefig(own / "difference.png")
    write_animation(own / "animation.gif", view, found, probabilities)
    frames = [
        {"step": step, "logits": dict(zip(observations, logits, strict=True))}
        for step, logits in zip(found.steps, found.logits.tolist(), strict=True)
    ]
    return {
        "view": view.path,
        "truth": view.truth.get(observation),
        "logits": dict(zip(observations, found.original_logits.tolist(), strict=True)),
        "reached": {"lowered": found.reached[0], "raised": found.reached[1]},
        "others_over_own": measure_others(found.logits, observations.index(observation)),
        "inside_mask": measure_inside(view, observation, found.difference),
        "frames": frames,
        "files": [f"{own.name}/{name}" for name in ("strip.png", "animation.gif", "difference.png")],
    }


def measure_others(logits: np.ndarray, output: int) -> float:
    """Return the mean movement of the other logits over that of the own one, from the start to the lowered image.

    Args:
        logits: (F, C), the lowered image first, the start in the middle.
        output: the own one.

    Returns:
        The ratio; NaN where the own logit did not move, or is the only one.

    >>> measure_others(np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [3.0, 0.0, 0.0]]), 0)
    0.25
    """
    moved = np.abs(logits[len(logits) // 2] - logits[0])
    others = np.delete(moved, output)
    return float(others.mean() / moved[output]) if moved[output] > 0 and len(others) else float("nan")


def measure_inside(view: View, observation: str, difference: np.ndarray) -> dict[str, float] | None:
    """Return the share of the change that lies in the outline of the finding, and the outline's area.

    Both are of the model's coordinates. None where the finding is not outlined, or the outline is not seen.
    """
    mask = view.masks.get(observation)
    if mask is None:
        return None
    height, width = difference.shape
    affine = view.matrix_of(mask.shape)[:2]
    seen = cv2.warpAffine(mask.astype(np.float32), affine, (width, height), flags=cv2.INTER_LINEAR) >= 0.5
    return {"share": relevance_mass(np.abs(difference), seen), "area": float(seen.mean())} if seen.any() else None
