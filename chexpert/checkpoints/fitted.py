"""What was fitted after the weights, and travels with them: calibration, thresholds and prediction sets.

In a run these are files of its folder. In exported weights they stand in best.json, under the name of the file without
its ending. best.safetensors does not repeat them: it cannot be used without best.json, and two copies could disagree.
"""

from pathlib import Path
from typing import Any

from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping, read_mapping_or_empty

FITTED = (run_files.CALIBRATION, run_files.THRESHOLDS, run_files.PREDICTION_SETS)
"""Files of a run folder; they hold parameters and counts, and no path, study or patient."""

Fitted = dict[str, dict[str, Any]]
"""Content of the files that are there, by name without ending: ``calibration``, ``thresholds``, ``prediction_sets``."""


def read_fitted(run: Path) -> Fitted:
    """Return the content of the fitted files of a run folder; a damaged one is left out, the weights are of use."""
    found = {Path(name).stem: read_mapping_or_empty(run / name) for name in FITTED}
    return {name: content for name, content in found.items() if content}


def embed_fitted(run: Path) -> None:
    """Write what was fitted into the best.json of a run that has exported its weights."""
    path = run_files.checkpoint(run).with_suffix(".json")
    if path.is_file():
        stored = read_mapping(path)
        kept = {key: value for key, value in stored.items() if key not in {Path(name).stem for name in FITTED}}
        run_files.write_json(path, kept | read_fitted(run))


def get_fitted(path: Path, metadata: dict[str, Any]) -> Fitted:
    """Return what was fitted for weights: of a run's best checkpoint from its folder, of exported ones from best.json.

    Other checkpoints, and files that a run has not written, have nothing.

    Args:
        path: run folder, or file of a checkpoint.
        metadata: of the checkpoint.
    """
    if path.is_dir():
        return read_fitted(path)
    if path.name == run_files.checkpoint(path).name and path.absolute().parent.name == run_files.CHECKPOINTS:
        return read_fitted(path.absolute().parent.parent)
    return {name: metadata[name] for name in (Path(file).stem for file in FITTED) if metadata.get(name)}
