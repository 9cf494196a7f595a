"""The provenance of a run's metrics: data, labels, held-out and skipped rows, versions and time."""

import shlex
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import yaml

from chexpert.observations import REPORT_LABELS
from chexpert.report.evaluation_setting import describe_choice, is_synthetic
from chexpert.report.names import HIDDEN, Names, hide_places, hide_value
from chexpert.report.run_data import RunData
from chexpert.report.text.gate import describe_gate
from chexpert.report.text.values import UNITS
from chexpert.runs.data_origin import is_other_hospital
from chexpert.runs.synthetic import WORDS

SHOWN = 200
"""Names of skipped images, and of rows left out, that are listed."""


def list_data(run_data: RunData, names: Names) -> list[dict[str, Any]]:
    """Return counts and fingerprint by split, with the folder that they were read from."""
    rows = []
    for split, own in run_data.data.get("splits", {}).items():
        place = own["folder"] if not names.hashed and "folder" in own else ""
        counts = {key: own.get(key) for key in ("images", "studies", "patients", "layout", "labels", "fingerprint")}
        if is_synthetic(run_data, split):
            counts["layout"] = f"{WORDS}, laid out as {counts['layout']}" if counts["layout"] else WORDS
        rows.append({"split": split, "place": place} | counts)
    return rows


def list_label_rules(run_data: RunData, names: Names) -> list[tuple[str, str]]:
    """Return the training targets of -1 and blank."""
    policy = {key: value for key, value in run_data.config.get("labels", {}).items() if key != "_target_"}
    titles = {"uncertain": "uncertain (-1)", "blank": "blank"}
    return [(titles.get(key, key), _spell(value)) for key, value in names.settings(policy).items()]


def list_learned_targets(run_data: RunData) -> list[tuple[str, list[str]]]:
    """Return of each observation the learned targets of ``REPORT_LABELS``, with interval and number of studies."""
    content = run_data.data.get("learned_targets")
    observations = content.get("observations") if isinstance(content, dict) else None
    rows = observations.items() if isinstance(observations, dict) else ()
    return [(str(name), [_write_target(own, label) for label in REPORT_LABELS]) for name, own in rows]


def _write_target(entries: Any, label: str) -> str:
    own = entries.get(label) if isinstance(entries, dict) else None
    numbers = [own.get(key) for key in ("value", "ci_low", "ci_high", "n")] if isinstance(own, dict) else [None]
    if not all(isinstance(number, int | float) for number in numbers):
        return "not learned"
    return "{:.2f} [{:.2f}, {:.2f}] ({:,})".format(*numbers)


def list_facts(run_data: RunData, names: Names) -> list[tuple[str, str]]:
    """Return outcome, command, time and versions."""
    state = run_data.state
    facts = [("Outcome", str(state.get("state", "not recorded")))]
    if why := state.get("why"):
        facts.append(("Why", names.path(str(why))))
    if run_data.metrics.get("made_of") and state.get("command") and not state.get("overrides"):  # of chexpert soup
        facts.append(("Command", _hide_places(str(state["command"])) if names.hashed else str(state["command"])))
    elif "overrides" in state:
        facts.append(("Command", names.command(["chexpert", "train", *map(str, state["overrides"])])))
    elif "command" in state:
        facts.append(("Command", names.path(str(state["command"]))))
    facts.append(("Started", str(state.get("started", "not recorded"))))
    seconds = state.get("seconds") or run_data.metrics.get("seconds")
    facts.append(("Wall time", describe_seconds(seconds)))
    if contamination := run_data.metrics.get("contamination"):
        facts.append(("Weights", str(contamination)))
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # no gate, as in an older run
        facts.append(("Gate", describe_gate(run_data.run)))
    facts.append(("Seed", str(run_data.config.get("seed", "not recorded"))))
    facts += [(str(name), str(number)) for name, number in state.get("versions", {}).items()]
    return facts


def _hide_places(command: str) -> str:
    try:
        return shlex.join(hide_places(shlex.split(command)))
    except ValueError:  # of another program
        return HIDDEN


def describe_seconds(seconds: float | None) -> str:
    """Format a wall time.

    >>> describe_seconds(56.4), describe_seconds(3725), describe_seconds(None)
    ('56 s', '1 h 2 min 5 s', 'not recorded')
    """
    if seconds is None:
        return "not recorded"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def write_settings(run_data: RunData, names: Names) -> str:
    """Return the whole config as YAML."""
    return (
        yaml.safe_dump(names.settings(run_data.config), sort_keys=False, allow_unicode=True) if run_data.config else ""
    )


def list_done(run_data: RunData) -> Iterator[str]:
    """List the steps behind the metrics."""
    first = run_data.splits[0]
    splits = " and ".join(run_data.splits)
    yield f"Evaluated: the {splits} split{'s' * (len(run_data.splits) > 1)}; the verdict is of {first}."
    yield f"Selection: {describe_choice(run_data, first)}" + _epoch(run_data) + "."
    content = run_data.evaluations.get(first, {})
    if chosen := content.get("operating_points_chosen_on"):
        yield f"Thresholds were chosen on the {hide_value('', chosen)} split and evaluated on {first}."
    if run_data.calibration:
        yield f"Calibration ({run_data.calibration.method}) was fitted on the {run_data.calibration.fitted_on} split."
    if bootstrap := content.get("bootstrap"):
        units = UNITS[bootstrap["unit"]]
        yield (
            f"Intervals: {bootstrap['replicates']:,} resamples of whole {units} with replacement, seed "
            f"{bootstrap['seed']}; they show how metrics vary with other {units}, not with another training."
        )


def list_undone(run_data: RunData) -> Iterator[str]:
    """List the steps that were not done, although a reader may expect them."""
    if "test" not in run_data.splits:
        yield "The test set was not evaluated."
    if run_data.chosen_on in (run_data.splits[0], None):
        yield "No split was held out to choose on, apart from the one that is reported."
    if not any(own.get("operating_points") for own in run_data.evaluations.values()):
        yield "No thresholds were chosen on other rows, so no sensitivity and no specificity is reported."
    if not run_data.calibration:
        yield "No calibration was fitted: the scores are as the model puts them out."
    if is_synthetic(run_data):
        yield "No patient was imaged: the images are synthetic, and no result on them says anything about patients."
    elif not any(is_other_hospital(run_data.data, run_data.config, split) for split in run_data.splits):
        yield "No data of another hospital was evaluated."
    yield "Intervals and gaps are not corrected for how many of them are looked at."
    if run_data.metrics.get("made_of"):  # of averaged weights
        yield "One average of weights: the spread over averages of other trainings is not measured here."
    else:
        yield "One training with one seed: the spread over trainings is not measured here."
    if not run_data.quality:
        yield "Explanations were not scored, so nothing says how good they are."


def list_skipped(run_data: RunData, names: Names) -> list[str]:
    """Return the images that could not be read, at most ``SHOWN``."""
    return [names.image(str(name)) for name in run_data.metrics.get("skipped", [])[:SHOWN]]


def list_left_out(run_data: RunData, names: Names) -> list[tuple[str, int, list[str]]]:
    """Return the rows and observations that only one side of an evaluation had: kind, number, and names."""
    found = []
    for split, content in run_data.evaluations.items():
        for side, rows in content.get("left_out", {}).items():
            if rows:
                shown = [names.image(str(name)) for name in rows[:SHOWN]]
                found.append((f"rows of the {split} split that only the {side} have", len(rows), shown))
        for side, columns in content.get("not_judged", {}).items():
            if columns:
                shown = list(map(str, columns))
                found.append((f"observations that only the {side} of the {split} split have", len(columns), shown))
    return found


def _epoch(run_data: RunData) -> str:
    best = run_data.metrics.get("best_epoch")
    return "" if best is None else f"; its weights are those of epoch {best + 1}"


def _spell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_spell(own)}" for key, own in value.items())
    if isinstance(value, list):
        return f"sampled between {value[0]} and {value[1]}" if len(value) == 2 else ", ".join(map(str, value))
    return str(value)
