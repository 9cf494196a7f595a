"""What an exported file says of itself: all that is needed to use it, and where it is from."""

import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from chexpert.checkpoints import Loaded
from chexpert.checkpoints.read import read_metadata
from chexpert.checkpoints.training_data import describe_training_data
from chexpert.inference.output_folder import find_home
from chexpert.models.licenses import complete_license
from chexpert.runs.synthetic import TRAINED
from chexpert.weights.license import list_licenses

NOTE = "Research software: not a medical device."
LIBRARIES = ("chexpert", "torch", "timm", "opencv-python-headless", "Pillow", "numpy", "onnx", "onnxruntime")
IMAGE = "image"
"""The level of an exported model: it sees one image at a time."""


def make_metadata(run: Path, loaded: Loaded) -> dict[str, Any]:
    """Return what is known before the export; no path, no image and no patient is among it."""
    stored = read_metadata(run)
    fitted = loaded.fitted
    size = loaded.preprocessing.size
    preprocessing = {"image_size": [*size], "resize_mode": loaded.preprocessing.fit, "gray": "0 to 255, 8 bits"}
    return {
        "format": 1,
        "note": NOTE + f" The model was {TRAINED}." * loaded.synthetic,
        "observations": list(loaded.observations),
        "level": IMAGE,
        "preprocessing": preprocessing,
        "model": describe_model(loaded),
        "calibration": fitted.get("calibration"),
        "uncalibrated": list_uncalibrated(loaded),
        "thresholds": fitted.get("thresholds"),
        "prediction_sets": fitted.get("prediction_sets"),
        "contamination": stored.get("contamination") or "not recorded",
        "licenses": describe_licenses(stored),
        "made_of": stored.get("made_of"),
        **read_training_data(run, stored),
        "synthetic": loaded.synthetic,
        "versions": {name: found for name in LIBRARIES if (found := get_version(name))},
    }


def describe_model(loaded: Loaded) -> dict[str, Any]:
    """Return the networks and the kind of the outputs."""
    head = loaded.model.output_head
    names = loaded.observations
    return {
        "kind": type(loaded.model).__name__,
        "networks": {name: member.title for name, member in loaded.model.members.items()},
        "three_class": [names[c] for c in head.uncertain],
        "conditional": {names[c]: names[p] for c, p in enumerate(head.parents or ()) if p >= 0},
    }


def get_calibration(loaded: Loaded) -> list[Mapping[str, Any] | None]:
    """Return the parameters of each observation at image level; None where there are none."""
    levels = (loaded.fitted.get("calibration") or {}).get("levels", {})
    return [levels.get(IMAGE, {}).get(name) for name in loaded.observations]


def list_uncalibrated(loaded: Loaded) -> list[str]:
    """Return the observations whose probabilities are the plain scores."""
    return [name for name, own in zip(loaded.observations, get_calibration(loaded), strict=True) if not own]


def describe_calibration(loaded: Loaded) -> str:
    """Return which probabilities of an exported model are calibrated."""
    without = list_uncalibrated(loaded)
    if not without:
        return "probabilities are calibrated, at image level"
    if len(without) < len(loaded.observations):
        return f"these probabilities are not calibrated, since the run has no calibration of them: {', '.join(without)}"
    return "probabilities are not calibrated: the run has no calibration at image level"


def describe_licenses(stored: Mapping[str, Any]) -> list[str]:
    """Return the license of each set of weights that a model, its members and its teachers started from."""
    config, sentence = stored["config"], stored.get("contamination")
    found = list_licenses(config["model"], config.get("start_from"), sentence, stored.get("made_of"))
    named = [f"{one.weights}: {one.license}" for one in dict.fromkeys(map(complete_license, found))]
    return named or ["no pretrained weights are recorded"]


def read_training_data(run: Path, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return counts and fingerprint of the training data, and the outputs without a label there.

    They are those of the run folder; where there is none, those that best.json has.
    """
    found = describe_training_data(find_home(run), stored["observations"])
    return {key: found.get(key) or stored.get(key) for key in ("training_data", "not_labeled")}


def get_version(name: str) -> str | None:
    """Return the version of an installed library."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def write_canonical(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return each entry as JSON with sorted keys, as the file holds it."""
    return {key: json.dumps(value, sort_keys=True, allow_nan=False) for key, value in sorted(metadata.items())}
