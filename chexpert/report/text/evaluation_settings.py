"""The AUROC of one file of predictions in each evaluation setting, side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chexpert.evaluation import describe_setting
from chexpert.report.text.comparison_tables import Table, align
from chexpert.report.text.values import format_value

Settings = Mapping[str, Mapping[str, Any]]
"""``evaluation_settings`` of an evaluation."""


def describe_settings(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table of an evaluation, and why it cannot give some evaluation settings.

    There is no table of the one setting that the table of AUROCs shows already.

    Args:
        content: content of evaluation/<split>.json; none is needed of an older version, which has no settings.
    """
    if table := collect_settings(content):
        yield from align(settings_table(table))
    yield from list_missing(content.get("evaluation_settings") or {})


@dataclass(frozen=True)
class SettingsTable:
    """The AUROCs in each evaluation setting.

    Attributes:
        columns: words of each setting.
        n: rows of each.
        replicates: of each; empty where all have those of the evaluation itself.
        rows: name of an observation and its AUROC in each setting.
        means: mean AUROC in each setting.
    """

    columns: list[str]
    n: list[int]
    replicates: list[int]
    rows: list[tuple[str, list[Mapping[str, Any]]]]
    means: list[Mapping[str, Any]]


def collect_settings(content: Mapping[str, Any]) -> SettingsTable | None:
    """Return the cells of the table; None where it would show the setting of the evaluation itself alone."""
    given = list_given(content.get("evaluation_settings") or {})
    if len(given) < 2 and not any(is_other(own, content) for own in given.values()):
        return None
    settings = list(given.values())
    replicates = [own["replicates"] for own in settings]
    return SettingsTable(
        [describe_setting(name, own) for name, own in given.items()],
        [own["n"] for own in settings],
        replicates if set(replicates) != {content["bootstrap"]["replicates"]} else [],
        [(name, [own["auroc"][name] for own in settings]) for name in settings[0]["auroc"]],
        [own["auroc_mean"] for own in settings],
    )


def list_given(settings: Settings) -> dict[str, Mapping[str, Any]]:
    """Return the evaluation settings that the predictions can give."""
    return {name: own for name, own in settings.items() if own["why"] is None}


def list_missing(settings: Settings) -> list[str]:
    """Return a line for each reason why the predictions cannot give some evaluation settings."""
    reasons: dict[str, list[str]] = {}
    for name, own in settings.items():
        if own["why"] is not None:
            reasons.setdefault(own["why"], []).append(describe_setting(name, own))
    return [f"{' and '.join(names)}: {why}" for why, names in reasons.items()]


def is_other(setting: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    """Return whether a setting is another one than that of the evaluation itself."""
    return [setting[key] for key in ("level", "n")] != [content[key] for key in ("level", "n")] or (
        setting["views"] or content["views"]
    ) != content["views"]


def settings_table(table: SettingsTable) -> Table:
    """Return header and rows of texts: a column for each evaluation setting that the predictions can give."""
    rows = [["n", *(f"{n:,}" for n in table.n)]]
    rows += [["resamples", *(f"{count:,}" for count in table.replicates)]] if table.replicates else []
    rows += [[name, *map(format_value, aurocs)] for name, aurocs in table.rows]
    means = [f"{format_value(mean)} over {len(mean['over'])}" for mean in table.means]
    return [["AUROC by evaluation setting", *table.columns], *rows, ["mean", *means]]
