"""Read the scores of explanations that a run, or ``chexpert explain --out``, has left."""

import csv
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chexpert.errors import UserError
from chexpert.evaluation.explainers.metrics import METRICS
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping, read_mapping_or_empty

Key = tuple[str, str]
"""View and observation."""
Rows = Mapping[Key, Mapping[str, float]]
"""The metrics of single maps."""

RUN_FILES = (run_files.STATE, run_files.CONFIG)
FOLDERS = "give the folder of a run, or one that chexpert explain RUN --out FOLDER has written"


@dataclass(frozen=True)
class Quality:
    """The scores of one folder.

    Attributes:
        folder: as it was given.
        explanations: the folder with quality.json.
        content: of quality.json.
        rows: of quality.csv, by explainer; empty for a run of an older version.
        config: of the run; empty where the folder has none.
    """

    folder: Path
    explanations: Path
    content: dict[str, Any]
    rows: Mapping[str, Rows]
    config: dict[str, Any]


def read_quality(folder: Path) -> Quality:
    """Read the scores of a run folder, or of a folder of explanations.

    Raises:
        UserError: it is neither, its explainers were not scored, or a file is damaged.
    """
    if not folder.is_dir():
        code, message = ("not-a-file", "a file") if folder.exists() else ("missing-folder", "no such folder")
        raise UserError(message, code=code, where=str(folder), hint=FOLDERS)  # type: ignore[arg-type]
    explanations = folder / run_files.EXPLANATIONS
    explanations = explanations if explanations.is_dir() else folder
    path = explanations / run_files.QUALITY
    if not path.is_file():
        raise _explain_missing(folder, explanations)
    content = read_mapping(path, advise(folder))
    _check_form(content, path, advise(folder))
    home = next((one for one in (explanations.parent, explanations) if (one / run_files.CONFIG).is_file()), None)
    config = read_mapping_or_empty(home / run_files.CONFIG) if home else {}
    return Quality(folder, explanations, content, read_rows(explanations / run_files.QUALITY_VIEWS), config)


def advise(folder: Path) -> str:
    """Return the command that scores explainers of the run in a folder, or of the run that a folder is of."""
    run = shlex.quote(str(folder)) if any((folder / name).is_file() for name in RUN_FILES) else "RUN"
    explain = f"chexpert explain {run} --explainer hirescam gradcam lime --out NEW explain.score=32"
    return f"{explain}; then: chexpert explain-leaderboard NEW"


def _explain_missing(folder: Path, explanations: Path) -> UserError:
    """Return the error of a folder without quality.json: of a run, of explanations without scores, or of neither."""
    if any((folder / name).is_file() for name in RUN_FILES):
        message, hint = "explainers of this run were not scored", advise(folder)
        return UserError(message, code="missing-file", where=str(explanations / run_files.QUALITY), hint=hint)
    if any(folder.glob(f"*/{run_files.MANIFEST}")):
        message, hint = "explanations without scores", f"score validation views, which have labels: {advise(folder)}"
        return UserError(message, code="missing-file", where=str(explanations / run_files.QUALITY), hint=hint)
    return UserError("no run and no explanations", code="missing-run", where=str(folder), hint=FOLDERS)


def _check_form(content: Mapping[str, Any], path: Path, hint: str) -> None:
    """Check that there is an explainer that asks the model, and that all have the form of some version."""
    try:
        controls = [_read_scored(own) for own in content["explainers"].values()]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = "has another form than the quality of explanations"
        raise UserError(message, code="damaged-file", where=str(path), hint=hint) from error
    if all(controls):
        message = "no explainer but controls, which do not ask the model" if controls else "no explainer was scored"
        raise UserError(message, code="not-comparable", where=str(path), hint=hint)


def _read_scored(scored: Mapping[str, Any]) -> bool:
    """Read all that is compared of an explainer; return whether it is a control."""
    for observation in scored["observations"].values():
        observation["n"] + 0
        for metric in METRICS.values():
            if found := metric.get(observation):
                found["value"] + found["n"] + (found["ci_low"] or 0) + (found["ci_high"] or 0)
    return bool(scored["control"])


def read_rows(path: Path) -> Mapping[str, Rows]:
    """Return the rows of quality.csv by explainer; empty where the file is not there.

    Raises:
        UserError: it is damaged.
    """
    if not path.is_file():
        return {}
    found: dict[str, dict[Key, dict[str, float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8", errors=run_files.ESCAPE) as file:
            reader = csv.DictReader(file, strict=True)
            if missing := set(run_files.QUALITY_KEYS) - set(reader.fieldnames or ()):
                raise ValueError(f"no column {', '.join(sorted(missing))}")
            for row in reader:
                explainer, view, observation = (row.pop(key) for key in run_files.QUALITY_KEYS)
                numbers = {key: float(value) if value else math.nan for key, value in row.items()}
                found.setdefault(explainer, {})[view, observation] = numbers
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        hint = "remove the file to compare without intervals of means and without differences"
        raise UserError("damaged", code="damaged-file", where=str(path), hint=hint) from error
    return found
