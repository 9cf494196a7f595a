"""Read a run folder of any age; a missing file is noted with a hint and stops nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chexpert.errors import UserError
from chexpert.evaluation import Calibration, LabeledScores, read_run
from chexpert.report.text.evaluation import describe_evaluation
from chexpert.report.text.explanation_quality import quality_table
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping_or_empty

SPLITS = run_files.EVALUATED_SPLITS[::-1]
"""The furthest from what was trained and chosen on first."""

BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What reading a file raises that is of another form than this version writes."""
CONFIG = {"name": str, "labels": dict, "data": dict, "level": str, "study_score": str}
STATE = {
    "state": str,
    "why": str,
    "command": str,
    "overrides": list,
    "versions": dict,
    "started": str,
    "seconds": float,
}
DATA = {"splits": dict}
METRICS = {"tta": dict, "skipped": list, "best_epoch": int, "seconds": float, "epoch_chosen_on": str}


@dataclass(frozen=True)
class Lack:
    """Something that the report has to do without: what, and a command or setting that brings it."""

    message: str
    hint: str


@dataclass
class RunData:
    """The files of a run, read.

    Attributes:
        run: the folder.
        metrics: metrics.json.
        config: config.yaml in plain containers; empty where it is missing, as the following.
        state: state.json.
        data: data.json.
        evaluations: evaluation/<split>.json by split.
        labeled: scores and labels by split.
        calibration: calibration.json.
        quality: explanations/quality.json.
        lacks: what is missing.
    """

    run: Path
    metrics: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    evaluations: dict[str, dict[str, Any]] = field(default_factory=dict)
    labeled: dict[str, LabeledScores] = field(default_factory=dict)
    calibration: Calibration | None = None
    quality: dict[str, Any] = field(default_factory=dict)
    lacks: list[Lack] = field(default_factory=list)

    @classmethod
    def read(cls, run: Path) -> "RunData":
        """Read a run folder.

        Raises:
            UserError: nothing was evaluated there.
        """
        metrics = keep(read_mapping_or_empty(run / run_files.METRICS), METRICS | dict.fromkeys(SPLITS, dict))
        if not any({"n", "auroc"} <= metrics.get(split, {}).keys() for split in SPLITS):
            hint = "give the folder of a run that was evaluated: outputs/<name>/<time>"
            raise UserError(
                "no metrics of a run", code="missing-run", where=str((run / run_files.METRICS).resolve()), hint=hint
            )
        run_data = cls(run, metrics)
        run_data._read_settings()
        for split in run_data.splits:
            run_data._read_split(split)
        run_data._read_calibration()
        run_data._read_quality()
        run_data._read_failures()
        return run_data

    @property
    def splits(self) -> list[str]:
        """Those that were evaluated, the one to report first."""
        return [split for split in SPLITS if {"n", "auroc"} <= self.metrics.get(split, {}).keys()]

    @property
    def chosen_on(self) -> str | None:
        """The split that chose the epoch."""
        return self.metrics.get("epoch_chosen_on")

    def level(self, split: str) -> tuple[str, str]:
        """Return ``image`` or ``study``, and ``max``, ``mean`` or ``noisy_or`` over views."""
        content = self.evaluations.get(split, {})
        level = content.get("level") or self.metrics[split].get("level") or self.config.get("level", "image")
        return level, content.get("views") or self.config.get("study_score", "max")

    def lack(self, message: str, hint: str) -> None:
        """Note a missing part of the report, with a hint."""
        self.lacks.append(Lack(message, hint))

    def _read_settings(self) -> None:
        self.config = keep(read_mapping_or_empty(self.run / run_files.CONFIG), CONFIG)
        self.state = keep(read_mapping_or_empty(self.run / run_files.STATE), STATE)
        self.data = keep(read_mapping_or_empty(self.run / run_files.DATA), DATA)
        contents = {
            run_files.CONFIG: (self.config, "settings and label policy"),
            run_files.STATE: (self.state, "command, versions and outcome"),
            run_files.DATA: (self.data, "counts and fingerprints of the data"),
        }
        for name, (found, content) in contents.items():
            if not found:
                self.lack(f"{content}: no readable {name} in the run", "runs of this version write it")

    def _read_split(self, split: str) -> None:
        predictions, labels = run_files.predictions(self.run, split), run_files.labels(self.run, split)
        path = run_files.evaluation(self.run, split)
        content = read_mapping_or_empty(path)
        if fits(content, lambda: describe_evaluation(content, "")):
            self.evaluations[split] = content
        else:
            message = f"intervals, AUPRC, calibration and groups of the {split} split: no readable {_short(path)}"
            given = f"--predictions RUN/{_short(predictions)} --labels {f'RUN/{_short(labels)}'}"
            given = given if labels.is_file() else given.replace(f"RUN/{_short(labels)}", "LABELS.csv")
            level, views = self.level(split)
            level = f"--level {level} --study-score {views} --group-by sex age view --out RUN/{_short(path)}"
            self.lack(message, f"chexpert evaluate {given} {level}, then make this report again")
        try:
            self.labeled[split] = read_run(self.run, split, *self.level(split))
        except UserError:
            why = "not there" if not labels.is_file() or not predictions.is_file() else "of no use together"
            message = (
                f"curves and reliability of the {split} split: {_short(predictions)} and {_short(labels)} are {why}"
            )
            self.lack(message, "put the labels there (Path and the observations), then make this report again")

    def _read_quality(self) -> None:
        path = self.run / run_files.EXPLANATIONS / run_files.QUALITY
        content = read_mapping_or_empty(path)
        if fits(content, lambda: quality_table(content)):
            self.quality = content
        elif path.is_file():
            self.lack(f"quality of explanations: {_short(path)} has another form than this version writes", "run again")

    def _read_failures(self) -> None:
        for name, entry in read_mapping_or_empty(self.run / run_files.EXPLANATIONS / run_files.FAILED).items():
            entry = entry if isinstance(entry, Mapping) else {"why": entry}  # an older version's
            listed = entry.get("explainers")
            names = [*map(str, listed)] if listed and isinstance(listed, list) else [name]
            folder = f"RUN/{run_files.EXPLANATIONS}-{names[0]}"
            hint = f"chexpert explain RUN --explainer {' '.join(names)} --out {folder}"
            message = f"explanations by {name}, which" if names == [name] else f"explanations: {name}"
            self.lack(f"{message} failed: {entry.get('why')}", hint)

    def _read_calibration(self) -> None:
        path = self.run / run_files.CALIBRATION
        if not path.is_file():
            message = (
                "calibrated probabilities: nothing was fitted, as no split was left to fit it on, or none was asked for"
            )
            self.lack(message, "a run with data.dev=0.1 calibration=platt")
            return
        try:
            self.calibration = Calibration.read(path)
        except UserError:
            self.lack(f"calibrated probabilities: {run_files.CALIBRATION} cannot be read", "run again")


def keep(content: dict[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return a mapping without the entries that are of another kind than they should be.

    >>> keep({"seconds": 3, "why": [], "more": []}, {"seconds": float, "why": str})
    {'seconds': 3, 'more': []}
    """
    wide = {name: (int, float) if kind is float else kind for name, kind in kinds.items()}
    return {name: value for name, value in content.items() if isinstance(value, wide.get(name, object))}


def fits(content: dict[str, Any], describe: Callable[[], object]) -> bool:
    """Return whether a file has the form that this version writes, so that all of it can be described."""
    try:
        describe()
    except BROKEN:
        return False
    return bool(content)


def _short(path: Path) -> str:
    return "/".join(path.parts[-2:])
