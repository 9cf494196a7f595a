"""A run folder with tiny random weights, as far as sharing needs it."""

from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from chexpert.checkpoints import FORMAT
from chexpert.config import build
from chexpert.runs import files as run_files

OBSERVATIONS = ["Edema", "Cardiomegaly"]
MODEL: dict[str, Any] = {
    "_target_": "chexpert.models.Single",
    "backbone": {"_target_": "chexpert.models.Backbone", "name": "mobilenetv3_small_050", "pretrained": False},
}
METADATA: dict[str, Any] = {
    "format": FORMAT, "config": {"model": MODEL}, "observations": OBSERVATIONS,
    "readout": {"uncertain": [], "parents": None}, "preprocessing": {"size": 32, "fit": "stretch"}, "versions": {},
    "synthetic": False, "contamination": None, "note": "Research software: not a medical device.",
    "calibration": {"method": "platt", "fitted_on": "dev", "views": "max", "levels": {
        level: {name: {"slope": 2.0, "intercept": -0.5} for name in OBSERVATIONS} for level in ("image", "study")}},
}  # fmt: skip
CARD = "---\nlicense: other\nlibrary_name: chexpert\n---\n\n# Model card: tiny\n\nNot a medical device.\n"


def make_shared_run(folder: Path, seed: int = 0, pretrained: object = False) -> Path:
    """A run with exported weights, a card and a config; it was never trained."""
    torch.manual_seed(seed)
    model = build(MODEL, "model", outputs=len(OBSERVATIONS), uncertain=[], parents=None)
    weights = run_files.checkpoint(folder).with_suffix(run_files.SAFETENSORS)
    weights.parent.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, weights)
    run_files.write_json(weights.with_suffix(".json"), METADATA)
    backbone = MODEL["backbone"] | {"pretrained": pretrained}
    (folder / run_files.CONFIG).write_text(yaml.safe_dump({"name": "tiny", "model": MODEL | {"backbone": backbone}}))
    (folder / run_files.MODEL_CARD).write_text(CARD)
    return folder
