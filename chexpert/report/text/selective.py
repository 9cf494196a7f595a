"""Describe the risk that remains after a deferral, by each confidence, as plain text."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.evaluation import describe_level
from chexpert.evaluation.selective.confidence import PLAIN
from chexpert.evaluation.selective.evaluate import LOSSES, MEAN, find_better
from chexpert.report.text.comparison_tables import align, format_p
from chexpert.report.text.values import UNITS, format_number, format_value, is_undefined

LOSS_NAMES = {"error": "0/1 error", "brier": "Brier score"}
SHOWN = (0.5, 0.8, 0.9, 1.0)
"""Coverages of the table."""


def describe_selective(content: Mapping[str, Any], setting: Mapping[str, Any], title: str) -> str:
    """Describe risk-coverage curves: a table for each loss, and whether a confidence is better than another.

    Args:
        content: of :func:`chexpert.evaluation.selective.evaluate.evaluate_selective`.
        setting: level, views and calibration of the probabilities.
        title: the predictions.

    Returns:
        Lines of text.
    """
    bootstrap = content["bootstrap"]
    head = f"{title}, {describe_level(setting)}, n = {content['n']:,}, {describe_probabilities(setting)}"
    lines = [
        f"risk and coverage of {head}",
        f"risk: mean over {', '.join(content['thresholds'])}; {describe_thresholds(content)}",
        f"[95 % interval, {bootstrap['replicates']:,} resamples of {UNITS[bootstrap['unit']]}, the same for all]",
    ]
    if content["unlabeled"]:
        lines.append(f"no label of {', '.join(content['unlabeled'])}: left out of the risk")
    if content.get("without_labels"):
        lines.append(f"{content['without_labels']:,} rows have no labels: left out of the risk")
    for loss in LOSSES:
        lines += ["", LOSS_NAMES[loss], *align(_tabulate(content, loss)), *describe_verdicts(content, loss)]
    return "\n".join(lines)


def describe_probabilities(setting: Mapping[str, Any]) -> str:
    """Describe how the probabilities were calibrated."""
    found = setting["calibration"]
    if not found:
        return "probabilities as they are"
    apart = f", but not {', '.join(setting['uncalibrated'])}" if setting["uncalibrated"] else ""
    return f"probabilities calibrated on {found['fitted_on']} ({found['method']}){apart}"


def describe_thresholds(content: Mapping[str, Any]) -> str:
    """Describe the thresholds of the decisions."""
    if rule := content.get("threshold_rule"):
        values = ", ".join(f"{name} {value:.3f}" for name, value in content["thresholds"].items())
        return f"thresholds by {rule}, chosen on the development split: {values}"
    return f"a probability from {next(iter(content['thresholds'].values())):g} on is a yes"


def _tabulate(content: Mapping[str, Any], loss: str) -> list[list[str]]:
    places = [content["coverages"].index(share) for share in SHOWN]
    header = ["confidence", "AURC", "above the oracle", *(f"risk at {share:.0%}" for share in SHOWN),
              "AURC less random", "p", "AURC less plain", "p (Holm)"]  # fmt: skip
    rows = [header]
    for kind, parts in content["confidences"].items():
        own = parts[MEAN][loss]
        rows.append([kind, format_value(own["aurc"]), format_number(own["excess_aurc"])])
        rows[-1] += [format_value(own["risks"][place]) for place in places]
        for than, p in (("over_random", "p"), ("over_plain", "p_holm")):
            difference = own.get(than)
            rows[-1] += [format_value(difference), format_p(difference[p])] if difference else ["", ""]
    if len(content["confidences"]) == 1:
        rows = [row[:-2] for row in rows]
    return rows


def describe_verdicts(content: Mapping[str, Any], loss: str) -> Iterator[str]:
    """Yield in a sentence each which confidences are shown to be better than random deferral and than the plain one."""
    kinds, name = list(content["confidences"]), LOSS_NAMES[loss]
    better = find_better(content, "random", loss)
    if worse := [kind for kind in kinds if kind not in better]:
        yield f"Not shown to be better than random deferral by {name}: {', '.join(worse)}."
    if better:
        yield f"Better than random deferral by {name}: {', '.join(better)}."
    others = [kind for kind in kinds if kind != PLAIN]
    if others:
        found = find_better(content, PLAIN, loss)
        if found:
            yield f"Better than the plain confidence by {name}: {', '.join(found)}."
        else:
            yield f"No confidence is shown to be better than the plain one by {name}."


def describe_excess(kept: Mapping[str, Any], loss: str, asked: float) -> Iterator[str]:
    """Yield a line where the risk that remains is shown to be above the one that was asked for.

    Args:
        kept: of :func:`chexpert.evaluation.selective.evaluate.evaluate_kept`.
        loss: whose risk was asked for.
        asked: the risk.
    """
    low = kept[loss]["ci_low"]
    if not is_undefined(low) and low > asked:
        name = LOSS_NAMES[loss]
        what = f"the remaining {name} is above the {asked:g} that was asked for, with its whole interval"
        yield f"note: {what}: the cutoff of the development split does not hold here"


def describe_kept(kept: Mapping[str, Any], deferred: int, rows: int, risks: Mapping[str, Any]) -> str:
    """Describe the risk of the rows that the model decides after a deferral.

    Args:
        kept: of :func:`chexpert.evaluation.selective.evaluate.evaluate_kept`.
        deferred: rows that go to a reader.
        rows: all rows.
        risks: by loss the risk of all rows.
    """
    lines = [f"deferred: {deferred:,} of {rows:,}; the model decides {kept['n']:,} with labels"]
    for loss in LOSSES:
        own = format_value(kept[loss]) if not is_undefined(kept[loss]["value"]) else "undefined: no row is left"
        lines.append(f"  remaining {LOSS_NAMES[loss]}: {own}; of all rows {format_value(risks[loss])}")
    return "\n".join(lines)
