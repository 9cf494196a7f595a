"""The content of a shortcut.json with one shortcut."""

from typing import Any


def interval(value: float, half: float = 0.1, n: int = 40) -> dict[str, Any]:
    return {"value": value, "ci_low": value - half, "ci_high": value + half, "n": n, "undefined_replicates": 0}


def make_shortcuts() -> dict[str, Any]:
    pair = {
        "observation": "Cardiomegaly", "suspect": "Support Devices", "by": "counterfactual", "effect": interval(0.6),
        "lacking": [], "alarm": True, "tied": False, "finding": False, "ties": {"matched": 0.7, "train": 0.5},
        "auroc_fall": interval(0.15), "mass_over_area": interval(3.2),
    }  # fmt: skip
    aurocs = {"matched": interval(0.95) | {"positives": 30}, "independent": interval(0.88), "reversed": interval(0.8)}
    own = {"model": interval(0.95), "metadata": interval(0.6), "gray": interval(0.7), "both": interval(0.7)}
    return {
        "run": "outputs/mine", "root": "data", "views": 200, "explainer": "gradcam", "geometry": "made up",
        "suspects": {"Support Devices": {"views": 80}},
        "aurocs": {"Cardiomegaly": aurocs},
        "pairs": [pair],
        "places": {"Cardiomegaly": {"outside the body": interval(0.5), "corners": None, "border": interval(1.0)}},
        "baselines": {"Cardiomegaly": {**own, "above": {}, "reached": []}},
    }  # fmt: skip
