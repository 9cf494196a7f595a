"""What was measured of a model, for its card: each table with its evaluation setting, its intervals and counts."""

from collections.abc import Mapping, Sequence
from typing import Any

from chexpert.report.evaluation_setting import describe_rows
from chexpert.report.html.groups import list_groups
from chexpert.report.html.performance import Performance, collect_performance
from chexpert.report.html.prediction_sets import KINDS, SHOWN, collect_sets
from chexpert.report.model_card.markdown import Markdown, escape, make_table
from chexpert.report.names import HIDDEN, names_file
from chexpert.report.run_data import RunData
from chexpert.report.text.gate import describe_gate
from chexpert.report.text.shortcuts import summarize_shortcuts
from chexpert.report.text.values import is_undefined
from chexpert.runs import files as run_files
from chexpert.runs.identifiers import names_patient
from chexpert.runs.read import read_mapping_or_empty

NO_BREAK = "\u00a0"
"""Between a value and its interval: a narrow column would divide them."""


def describe_performance(run_data: RunData, split: str) -> Markdown:
    """Return the metrics of a split in its own evaluation setting, and in the other ones."""
    found = collect_performance(run_data, split, hide_file)
    rows = [
        [line.observation, show(line.auroc), _count(line.auroc, "positives"), _count(line.auroc, "negatives"),
         show(line.auprc), _show_number((line.auprc or {}).get("prevalence"))]
        for line in found.lines
    ]  # fmt: skip
    if found.mean:
        rows.append([f"mean over {len(found.mean['over'])}", show(found.mean), "", "", "", ""])
    table = make_table(["Observation", "AUROC", "Positive", "Negative", "AUPRC", "AUPRC at chance"], rows)
    setting = f"{found.rows}, {hide_file(found.labels)}; {found.choice}; {found.interval}."
    missing = [f"{line[:1].upper()}{line[1:]}." for line in found.missing_settings]
    return join([escape(setting), table, *_describe_settings(found), *map(escape, missing)])


def _describe_settings(found: Performance) -> list[Markdown]:
    if found.settings is None:
        return []
    table = found.settings
    columns = [f"{name}, n = {n:,}" for name, n in zip(table.columns, table.n, strict=True)]
    rows = [[name, *map(show, aurocs)] for name, aurocs in table.rows]
    rows.append(["mean", *(f"{show(mean)} over {len(mean['over'])}" for mean in table.means)])
    about = "The same predictions in other evaluation settings (AUROC). Compare a published value with its own setting."
    return [escape(about), make_table(["Observation", *columns], rows)]


def describe_thresholds(run_data: RunData, split: str) -> Markdown | None:
    """Return sensitivity and specificity at the thresholds that were chosen on other rows."""
    found = collect_performance(run_data, split, hide_file)
    if not found.points:
        return None
    rows = [
        [name, point.rule, _show_number(point.threshold), show(point.sensitivity, 2), show(point.specificity, 2)]
        for name, points in found.points.items()
        for point in points
    ]
    about = f"{found.rows}; thresholds of raw scores, chosen on {found.points_chosen_on}; {found.interval}."
    warning = [f"{found.points_warning[:1].upper()}{found.points_warning[1:]}."] if found.points_warning else []
    table = make_table(["Observation", "Rule", "Threshold", "Sensitivity", "Specificity"], rows)
    return join([escape(about), *map(escape, warning), table])


def describe_calibration(run_data: RunData, split: str) -> Markdown | None:
    """Return how far the scores are probabilities, raw and calibrated."""
    content = run_data.evaluations.get(split, {})
    if reason := content.get("not_probabilities"):
        return escape(f"No Brier score and no calibration error: {reason}.")
    raw = content.get("calibration") or {}
    if not raw:
        return None
    calibrated = content.get("calibrated") or {}
    after = calibrated.get("figures") or {}
    rows = [
        [name, *(show(one.get(key)) for key in ("ece", "brier") for one in (own, after.get(name) or {}))]
        for name, own in raw.items()
    ]
    fitted = (
        f"Calibrated: by {calibrated['method']}, fitted on the {calibrated['fitted_on']} split."
        if after
        else f"No calibrated scores were evaluated on the {split} split."
    )
    about = f"{describe_rows(run_data, split)}. ECE: expected calibration error over 15 bins. {fitted}"
    header = ["Observation", "ECE, raw", "ECE, calibrated", "Brier, raw", "Brier, calibrated"]
    return join([escape(about), make_table(header, rows)])


def describe_sets(run_data: RunData, split: str) -> Markdown | None:
    """Return coverage and size of the prediction sets at the main error rate."""
    found = collect_sets(run_data.evaluations.get(split, {}))
    if not found:
        return None
    rows, without = [], []
    for row in found.rates[found.main]:
        if row.why:
            without.append(f"No set of {row.observation}: {row.why}.")
            continue
        shares = " / ".join(_show_number(share, 2) for share in row.shares)
        rows.append([row.observation, *(show(row.coverage[kind], 2) for kind in KINDS), show(row.size, 2), shares])
    header = ["Observation", *(f"Coverage of {kind}" for kind in KINDS), "Mean size", " / ".join(SHOWN)]
    about = f"{describe_rows(run_data, split)}; fitted on the {found.fitted_on} split; error rate {found.main}."
    return join([escape(about), *([make_table(header, rows)] if rows else []), *map(escape, without)])


def describe_groups(run_data: RunData, split: str) -> Markdown | None:
    """Return the mean AUROC of the parts of each group, and the largest gap."""
    content = run_data.evaluations.get(split, {})
    groups = list_groups(content) if content else []
    if not groups:
        return None
    parts: list[Markdown] = []
    for group in groups:
        rows = [
            [f"{part} (small)" if own["small"] else part, f"{own['n']:,}", show(own["auroc_mean"]),
             len(own["auroc_mean"]["over"])]
            for part, own in group.parts.items()
        ]  # fmt: skip
        unknown = f" Not known of {group.unknown:,} rows." * bool(group.unknown)
        few = f" {group.few}" * bool(group.few)
        header = [group.title, "n", "Mean AUROC", "Observations in the mean"]
        parts += [make_table(header, rows)] * bool(rows)
        parts.append(escape(f"{group.title}: {group.gap}.{unknown}{few}"))
    return join([escape(f"{describe_rows(run_data, split)}. Small: fewer than 10 of a class."), *parts])


def describe_run_gate(run_data: RunData) -> Markdown | None:
    """Return what the gate was fitted on."""
    if not (run_data.run / run_files.GATE).is_file():
        return None
    try:
        return escape(f"Images are flagged by {describe_gate(run_data.run)}.")
    except (OSError, ValueError) as error:
        raise TypeError("the gate is damaged") from error


def describe_shortcuts(run_data: RunData) -> Markdown | None:
    """Return the sentences of the search for shortcuts, where it was made for this run."""
    content = read_mapping_or_empty(run_data.run / run_files.SHORTCUTS / "shortcut.json")
    return join([escape(line) for line in summarize_shortcuts(content)]) if content else None


def hide_file(text: str) -> str:
    """Return a text, or a word where it names a file with its folder, or a patient, study or image."""
    placed = names_file(text) and ("/" in text or "\\" in text)
    return HIDDEN if placed or names_patient(text) else text


def show(metric: Mapping[str, Any] | None, digits: int = 3) -> str:
    r"""Format a metric, with its interval where it has one; undefined is a dash.

    >>> show({"value": 0.5, "ci_low": 0.4, "ci_high": 0.6}, 2), show({"value": 0.5}), show(None)
    ('0.50\xa0[0.40,\xa00.60]', '0.500', '–')
    """
    if not metric or is_undefined(metric["value"]):
        return "–"
    value = _show_number(metric["value"], digits)
    if is_undefined(metric.get("ci_low")):
        return value
    ends = (_show_number(metric[end], digits) for end in ("ci_low", "ci_high"))
    return f"{value} [{', '.join(ends)}]".replace(" ", NO_BREAK)


def join(parts: Sequence[Markdown]) -> Markdown:
    """Join paragraphs and tables."""
    return Markdown("\n\n".join(parts))


def _show_number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or is_undefined(value) else f"{value:.{digits}f}"


def _count(metric: Mapping[str, Any], key: str) -> str:
    return f"{metric[key]:,}"
