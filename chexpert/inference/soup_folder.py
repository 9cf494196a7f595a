"""The run folder of averaged weights: what a training leaves, so that every command can use it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from chexpert.checkpoints import embed_fitted, export, write_whole
from chexpert.data import CheXpertDataModule
from chexpert.evaluation import Named, read_run
from chexpert.evaluation.run import evaluate_run
from chexpert.metrics import auroc_mean, multilabel_auroc
from chexpert.report import write_report
from chexpert.runs import files as run_files
from chexpert.runs.state import list_versions

DEFAULTS = {"calibration": "platt", "gate": None, "thresholds": ["youden", "f1", "specificity_0.9"]}
"""Keys that the config of an older run lacks."""


def write_soup(
    folder: Path,
    data: CheXpertDataModule,
    config: Mapping[str, Any],
    metadata: Mapping[str, Any],
    weights: Mapping[str, torch.Tensor],
    made_of: Mapping[str, Any],
    scores: Mapping[str, Named],
    *,
    chosen_on: str | None,
    command: str,
) -> Callable[[], None]:
    """Write checkpoint, predictions, metrics, calibration, thresholds and evaluations of averaged weights.

    Args:
        folder: an empty folder.
        data: of the members.
        config: of the soup.
        metadata: of the members' checkpoints.
        weights: the averaged ones.
        made_of: what they are the average of.
        scores: probabilities by split.
        chosen_on: the split on which the members' epochs, or the greedy order, were chosen.
        command: that made it.

    Returns:
        What finishes the folder, when the differences to the members are written: the report shows them.
    """
    begun = datetime.now().astimezone().isoformat(timespec="seconds")
    state: dict[str, Any] = {"why": None, "command": command, "overrides": [], "versions": list_versions()}
    state |= {"started": begun, "resumed": [], "seconds": None}
    run_files.write_json(folder / run_files.STATE, {"state": "running"} | state)
    plain = DEFAULTS | dict(config) | {"tta": None, "logger": {}, "resume": None}
    # the key makes it another configuration than that of its first member, of which compare would take it for a seed
    origin = {"made_of": {"kind": made_of["kind"], "method": made_of["method"],
                       "members": [member["weights"][:12] for member in made_of["members"]]}}  # fmt: skip
    run_files.write_text(folder / run_files.CONFIG, yaml.safe_dump(plain | origin, sort_keys=False))
    run_files.write_json(folder / run_files.DATA, data.summarize())
    stored = {**metadata, "config": {key: value for key, value in plain.items() if key != "logger"}}
    stored |= {"versions": list_versions(), "made_of": dict(made_of)}
    state_dict = {f"model.{name}": weight.cpu().contiguous() for name, weight in weights.items()}
    write_whole(run_files.checkpoint(folder), {"state_dict": state_dict, "chexpert": stored})
    metrics: dict[str, Any] = {"epoch_chosen_on": chosen_on, "best_epoch": None, "seconds": None,
                               "contamination": metadata.get("contamination"), "made_of": dict(made_of)}  # fmt: skip
    for split, own in scores.items():
        rows = zip(own.names, zip(*own.columns.values(), strict=True), strict=True)
        run_files.write_predictions(run_files.predictions(folder, split), list(own.columns), rows)
        data.write_labels(run_files.labels(folder, split), split, own.names)
        metrics[split] = summarize(folder, split, plain) | {
            key: data.sources[split][key] for key in ("labels", "synthetic")
        }
    run_files.write_json(folder / run_files.METRICS, metrics | {"skipped": sorted(data.skipped)})
    export(folder)
    evaluate_run(folder, plain)
    embed_fitted(folder)

    def finish() -> None:
        run_files.write_json(folder / run_files.STATE, {"state": "finished"} | state)
        write_report(folder)

    return finish


def summarize(folder: Path, split: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the AUROC with its support, as metrics.json holds it."""
    labeled = read_run(folder, split, config["level"], config["study_score"])
    known = labeled.labels == labeled.labels
    found = multilabel_auroc(labeled.scores, labeled.labels, known)
    aurocs = dict(zip(labeled.observations, found, strict=True))
    mean, over = auroc_mean(aurocs, config["mean_over"])
    return {
        "level": labeled.level, "n": len(labeled.names),
        "auroc": {name: own._asdict() for name, own in aurocs.items()}, "auroc_mean": mean, "auroc_mean_over": over,
    }  # fmt: skip
