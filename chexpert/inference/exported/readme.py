"""How to use an exported model, in a short text beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chexpert.runs import files as run_files

INSTALL = {"onnx": "pip install onnxruntime numpy pillow", "pt2": "pip install torch numpy pillow"}


def write_readme(path: Path, model: str, metadata: Mapping[str, Any]) -> None:
    """Write README.md.

    Args:
        path: of the file.
        model: name of the model's file.
        metadata: that it holds.
    """
    run_files.write_text(path, make_readme(model, metadata))


def make_readme(model: str, metadata: Mapping[str, Any]) -> str:
    """Return the text."""
    preprocessing, compared = metadata["preprocessing"], metadata["parity"]
    high, wide = preprocessing["image_size"]
    data = metadata["training_data"] or {}
    lines = [
        f"# {model}",
        "",
        metadata["note"],
        "",
        "```",
        INSTALL[model.rpartition(".")[2]],
        "python run.py IMAGE... --csv predictions.csv",
        "```",
        "",
        f"- Observations: {', '.join(metadata['observations'])}",
        *(f"- Input `{name}`: {text}" for name, text in metadata["inputs"].items()),
        *(f"- Output `{name}`: {text}" for name, text in metadata["outputs"].items()),
        f"- The file holds the way to {high} x {wide} pixels ({preprocessing['resize_mode']}), normalization, "
        "network, output head and calibration.",
        f"- Not calibrated: {', '.join(metadata['uncalibrated']) or 'none'}",
        f"- Weights: {metadata['contamination']}",
        f"- License of pretrained weights: {'; '.join(metadata['licenses'])}",
        f"- Outputs that no training label was there for: {', '.join(metadata['not_labeled'] or ()) or 'none'}",
        f"- Training data: {data.get('layout', 'not recorded')}, fingerprint {data.get('fingerprint', 'not recorded')}",
        f"- Precision {metadata['precision']}; largest difference of a probability from the run "
        f"{compared['max_difference']:.1e} on {compared['images']} images ({compared['of']})",
        "",
        "metadata.json repeats what the model file holds. run.py refuses a file whose SHA-256 has changed.",
    ]
    return "\n".join(lines) + "\n"
