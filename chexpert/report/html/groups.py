"""How a model does in parts of its rows: sex, age, view, devices."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from chexpert.evaluation.group_values import AGES
from chexpert.evaluation.groups import FEW, has_few_patients, list_few
from chexpert.report.figures.forest import Row, plot_forest
from chexpert.report.text.evaluation import describe_gap

TITLES = {
    "sex": "Sex",
    "age": "Age in years",
    "view": "View",
    "ap_pa": "Projection",
    "devices": "Support devices",
    "prior": "Prior study of the patient",
    "race": "Race",
    "ethnicity": "Ethnicity",
    "insurance": "Insurance",
}


@dataclass(frozen=True)
class Group:
    """A group and its parts.

    Attributes:
        title: of the group.
        parts: metrics by part, as in the evaluation; without those of few patients.
        few: a sentence that names the parts of few patients; empty where there are none.
        over: how many observations the mean is over where all are defined.
        unknown: rows of which it is not known.
        gap: the largest difference, in words.
    """

    title: str
    parts: Mapping[str, Mapping[str, Any]]
    few: str
    over: int
    unknown: int
    gap: str


def list_groups(content: Mapping[str, Any]) -> list[Group]:
    """Return the groups of an evaluation."""
    over = len(content["auroc_mean"]["over"])
    return [
        _make_group(TITLES.get(name, name), own, over) for name, own in content.get("groups", {}).items() if own["rows"]
    ]


def _make_group(title: str, group: Mapping[str, Any], over: int) -> Group:
    rows = sort(group["rows"])
    few = list_few({"rows": rows})
    shown = {part: own for part, own in rows.items() if not has_few_patients(own)}
    left_out = f"Not reported, fewer than {FEW} patients: {', '.join(few)}." if few else ""
    return Group(title, shown, left_out, over, group.get("unknown", 0), describe_parts(group))


def sort(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Sort bands of age from young to old; other parts stay as they are."""
    return dict(sorted(parts.items(), key=lambda item: AGES.index(item[0]) if item[0] in AGES else -1))


def describe_parts(group: Mapping[str, Any]) -> str:
    """Describe the largest gap between the parts of a group."""
    if len(group["rows"]) == 1:
        return f"nothing to compare: all rows of which it is known are of one part, {next(iter(group['rows']))}"
    return describe_gap(group)


def list_rows(content: Mapping[str, Any], groups: list[Group]) -> list[Row]:
    """Return the mean AUROC of all rows and of each part; means over fewer observations are left blank."""
    rows = [Row("All rows", content["auroc_mean"])]
    for group in groups:
        if len(group.parts) < 2:
            continue
        rows.append(Row(group.title, None))
        for part, own in group.parts.items():
            complete = len(own["auroc_mean"]["over"]) == group.over
            metric = own["auroc_mean"] if complete else {"value": None}
            rows.append(Row(f"{part}  (n = {own['n']:,})", metric, muted=own["small"]))
    return rows


def plot_groups(content: Mapping[str, Any], groups: list[Group], where: str, key: str) -> Markup:
    """Plot the groups beneath each other."""
    across = f"mean AUROC over {len(content['auroc_mean']['over'])}, 95 % interval"
    return plot_forest(list_rows(content, groups), across, f"Mean AUROC by group, {where}", key)
