"""What a search found: a line a trial, and best.yaml."""

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from chexpert.errors import UserError
from chexpert.runs.config_keys import RENAMED

BEST = "best.yaml"
ERROR = "error"
WORDS = {TrialState.COMPLETE: "finished", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def overrides_of(trial: FrozenTrial) -> list[str]:
    """Return the searched settings as overrides of the command line, by their names of today."""
    return [f"{RENAMED.get(key, key)}={value}" for key, value in trial.params.items()]


def describe_trial(trial: FrozenTrial) -> str:
    """Describe a trial in one line: number, result, and settings."""
    tried = " ".join(overrides_of(trial))
    value = "" if trial.value is None else f" {trial.value:.4f}"
    why = f": {trial.user_attrs[ERROR]}" if ERROR in trial.user_attrs else ""
    return f"trial {trial.number}  {WORDS[trial.state]}{value}{why}  {tried}"


def summarize_best(study: optuna.Study, fixed: Sequence[str]) -> dict[str, Any] | None:
    """Return the content of best.yaml; None where no trial is finished yet."""
    counts = Counter(trial.state for trial in study.get_trials(deepcopy=False))
    if not counts[TrialState.COMPLETE]:
        return None
    best = study.best_trial
    searched = overrides_of(best)
    return {
        "value": best.value,
        "job": best.number,
        "overrides": [*fixed, *searched],
        "searched": searched,
        "trials": {word: counts[state] for state, word in WORDS.items()},
    }


def write_best(folder: Path, study: optuna.Study, fixed: Sequence[str]) -> None:
    """Write best.yaml, whole: it is written again after each batch."""
    if content := summarize_best(study, fixed):
        part = folder / f"{BEST}.part"
        part.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        part.replace(folder / BEST)


def describe_best(folder: Path, study: optuna.Study, fixed: Sequence[str]) -> str:
    """Describe the best trial, and the command that repeats it.

    Raises:
        UserError: there is none.
    """
    best = summarize_best(study, fixed)
    if not best:
        trials = study.get_trials(deepcopy=False)
        why = dict.fromkeys(str(trial.user_attrs.get(ERROR, "pruned")) for trial in trials)
        message = f"none of {len(trials)} trials gave a value: {'; '.join(why)}"
        raise UserError(message, code="no-result", where=str(folder), hint="table.md there has the error of each job")
    counts = ", ".join(f"{count} {word}" for word, count in best["trials"].items() if count)
    return "\n".join([
        f"best of {counts}: {best['value']:.4f} (the best of many is optimistic: report another split)",
        f"  job folder:  {folder / str(best['job'])}",
        f"  again:       chexpert train {shlex.join(best['overrides'])}",
    ])  # fmt: skip
