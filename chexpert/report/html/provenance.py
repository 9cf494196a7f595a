"""The provenance of a run's metrics: data, labels, held-out and skipped rows, versions and time."""

from collections.abc import Iterator
from typing import Any

import yaml

from chexpert.report.evaluation_setting import describe_choice, is_synthetic
from chexpert.report.names import Names
from chexpert.report.run_data import RunData
from chexpert.runs.synthetic import WORDS

SHOWN = 200
"""Names of skipped images, and of rows left out, that are listed."""


def list_data(record: RunData, names: Names) -> list[dict[str, Any]]:
    """Counts and fingerprint by split, with where they were read."""
    rows = []
    for split, own in record.data.get("splits", {}).items():
        place = own["folder"] if not names.hashed and "folder" in own else ""
        counts = {key: own.get(key) for key in ("images", "studies", "patients", "layout", "labels", "fingerprint")}
        if is_synthetic(record, split):
            counts["layout"] = f"{WORDS}, laid out as {counts['layout']}" if counts["layout"] else WORDS
        rows.append({"split": split, "place": place} | counts)
    return rows


def list_label_rules(record: RunData, names: Names) -> list[tuple[str, str]]:
    """What -1 and blank became in training."""
    policy = {key: value for key, value in record.config.get("labels", {}).items() if key != "_target_"}
    titles = {"uncertain": "uncertain (-1)", "blank": "blank"}
    return [(titles.get(key, key), _spell(value)) for key, value in names.settings(policy).items()]


def list_facts(record: RunData, names: Names) -> list[tuple[str, str]]:
    """Outcome, command, time and versions."""
    state = record.state
    facts = [("Outcome", str(state.get("state", "not recorded")))]
    if why := state.get("why"):
        facts.append(("Why", names.path(str(why))))
    if "overrides" in state:
        facts.append(("Command", names.command(["python", "train.py", *map(str, state["overrides"])])))
    elif "command" in state:
        facts.append(("Command", names.path(str(state["command"]))))
    facts.append(("Started", str(state.get("started", "not recorded"))))
    seconds = state.get("seconds") or record.metrics.get("seconds")
    facts.append(("Wall time", describe_seconds(seconds)))
    facts.append(("Seed", str(record.config.get("seed", "not recorded"))))
    facts += [(str(name), str(number)) for name, number in state.get("versions", {}).items()]
    return facts


def describe_seconds(seconds: float | None) -> str:
    """A wall time.

    >>> describe_seconds(56.4), describe_seconds(3725), describe_seconds(None)
    ('56 s', '1 h 2 min 5 s', 'not recorded')
    """
    if seconds is None:
        return "not recorded"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def write_settings(record: RunData, names: Names) -> str:
    """The whole config as YAML."""
    return yaml.safe_dump(names.settings(record.config), sort_keys=False, allow_unicode=True) if record.config else ""


def list_done(record: RunData) -> Iterator[str]:
    """List the steps behind the metrics."""
    first = record.splits[0]
    labeled = " and ".join(record.splits)
    yield f"Evaluated: the {labeled} split{'s' * (len(record.splits) > 1)}; the verdict is of {first}."
    yield f"Selection: {describe_choice(record, first)}" + _epoch(record) + "."
    content = record.evaluations.get(first, {})
    if chosen := content.get("operating_points_chosen_on"):
        yield f"Thresholds were chosen on the {chosen} split and evaluated on {first}."
    if record.calibration:
        yield f"Calibration ({record.calibration.method}) was fitted on the {record.calibration.fitted_on} split."
    if bootstrap := content.get("bootstrap"):
        yield (
            f"Intervals: {bootstrap['replicates']:,} resamples of whole studies with replacement, seed "
            f"{bootstrap['seed']}; they show how metrics vary with other studies, not with another training."
        )


def list_undone(record: RunData) -> Iterator[str]:
    """List the steps that were not done, although a reader may expect them."""
    if "test" not in record.splits:
        yield "The test set was not evaluated."
    if record.chosen_on in (record.splits[0], None):
        yield "No split was held out to choose on, apart from the one that is reported."
    if not any(own.get("operating_points") for own in record.evaluations.values()):
        yield "No thresholds were chosen on other rows, so no sensitivity and no specificity is reported."
    if not record.calibration:
        yield "No calibration was fitted: the scores are as the model puts them out."
    if is_synthetic(record):
        yield "No patient was imaged: the images are synthetic, and no result on them says anything about patients."
    else:
        yield "No data of another hospital was evaluated."
    yield "Intervals and gaps are not corrected for how many of them are looked at."
    yield "One training with one seed: the spread over trainings is not measured here."
    if not record.quality:
        yield "Explanations were not scored, so nothing says how good they are."


def list_skipped(record: RunData, names: Names) -> list[str]:
    """Images that could not be read, at most ``SHOWN``."""
    return [names.image(str(name)) for name in record.metrics.get("skipped", [])[:SHOWN]]


def list_left_out(record: RunData, names: Names) -> list[tuple[str, int, list[str]]]:
    """Rows and observations that only one side of an evaluation had: what, how many, and their names."""
    found = []
    for split, content in record.evaluations.items():
        for side, rows in content.get("left_out", {}).items():
            if rows:
                shown = [names.image(str(name)) for name in rows[:SHOWN]]
                found.append((f"rows of the {split} split that only the {side} have", len(rows), shown))
        for side, columns in content.get("not_judged", {}).items():
            if columns:
                shown = list(map(str, columns))
                found.append((f"observations that only the {side} of the {split} split have", len(columns), shown))
    return found


def _epoch(record: RunData) -> str:
    best = record.metrics.get("best_epoch")
    return "" if best is None else f"; its weights are those of epoch {best + 1}"


def _spell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_spell(own)}" for key, own in value.items())
    if isinstance(value, list):
        return f"sampled between {value[0]} and {value[1]}" if len(value) == 2 else ", ".join(map(str, value))
    return str(value)
