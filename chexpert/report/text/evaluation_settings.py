"""The AUROC of one file of predictions in each evaluation setting, side by side."""

from collections.abc import Iterator, Mapping
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
    settings: Settings = content.get("evaluation_settings") or {}
    given = list_given(settings)
    if len(given) > 1 or any(is_other(own, content) for own in given.values()):
        yield from align(settings_table(settings))
    yield from list_missing(settings)


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


def settings_table(settings: Settings) -> Table:
    """Return header and rows: a column for each evaluation setting that the predictions can give."""
    given = list_given(settings)
    names = list(next(iter(given.values()))["auroc"]) if given else []
    header = ["AUROC by evaluation setting", *(describe_setting(name, own) for name, own in given.items())]
    rows = [["n", *(f"{own['n']:,}" for own in given.values())]]
    rows += [[name, *(format_value(own["auroc"][name]) for own in given.values())] for name in names]
    means = [own["auroc_mean"] for own in given.values()]
    return [header, *rows, ["mean", *(f"{format_value(mean)} over {len(mean['over'])}" for mean in means)]]
