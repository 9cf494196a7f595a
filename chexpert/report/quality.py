"""How good a run's explanations are, as plain text, from explanations/quality.json alone."""

from collections.abc import Mapping
from typing import Any

HOW_TO_READ = (
    "hit: peak in the finding, 0 at chance and 1 at the grid's ceiling. mass/area: evidence in the finding over its",
    "area, 1 at chance. gap: insertion - deletion above a random map's, 0 at chance. sanity: rank correlation with the",
    "maps of shuffled weights, to pass within +-.3. reason: true positives whose map peaks in the finding.",
    "[95 % interval over views], n views; a dash is undefined: no masks, too few views, or no evidence.",
)


def quality_table(content: Mapping[str, Any]) -> str:
    """A block for each explainer, a row an observation, and how to read it; at most 120 columns.

    Args:
        content: what :func:`chexpert.explain.quality.score_explainers` returned, or its file holds.
    """
    blocks = [_block(name, scored) for name, scored in content["explainers"].items()]
    flags = [
        flag
        for name, scored in content["explainers"].items()
        for observation, figures in scored["observations"].items()
        for flag in find_flags(f"{name}, {observation}", figures)
    ]
    return "\n".join([*blocks, *HOW_TO_READ, *flags])


def find_flags(where: str, figures: Mapping[str, Any]) -> list[str]:
    """What a reader must not overlook of one explainer's maps of one observation."""
    hit, gap, sanity = figures["hit_normalised"], figures["gap_over_random"], figures["sanity"]
    flags = []
    if hit["value"] is not None and hit["value"] < 0:
        flags.append("peaks in the finding less often than chance")
    if gap["value"] is not None and gap["value"] < 0:
        flags.append("the model follows a random map more than this one")
    if sanity["passed"] is False:
        flags.append("maps stay alike when the weights are shuffled: they do not show what was learned")
    if figures["without_evidence"]:
        flags.append(f"{figures['without_evidence']} of {figures['n']} maps have no positive evidence")
    return [f"warning: {where}: {flag}" for flag in flags]


def _block(name: str, scored: Mapping[str, Any]) -> str:
    header = (
        f"{'explained by ' + name:<27} {'AUROC':>5}  {'hit':<23} {'mass/area':<17} {'gap':<21} {'sanity':<11} reason"
    )
    return "\n".join([header, *(_row(*item) for item in scored["observations"].items())])


def _row(observation: str, figures: Mapping[str, Any]) -> str:
    top = figures["sanity"]["top_block"]["value"]
    verdict = {True: "passed", False: "FAILED", None: ""}[figures["sanity"]["passed"]]
    cells = (
        f"{observation:<27} {_number(figures['auroc'], 3):>5} ",
        f"{_interval(figures['hit_normalised']):<23}",
        f"{_interval(figures['relevance_over_area'], 1):<17}",
        f"{_interval(figures['gap_over_random']):<21}",
        f"{_number(top)} {verdict}".ljust(11),
        _share(figures["right_for_the_right_reason"]),
    )
    return " ".join(cells).rstrip()


def _number(value: float | None, digits: int = 2) -> str:
    """A figure without the zero before its point.

    >>> _number(0.25), _number(-0.25), _number(12.5, 1), _number(None)
    ('.25', '-.25', '12.5', '-')
    """
    return "-" if value is None else f"{value:.{digits}f}".replace("0.", ".", 1 if abs(value) < 1 else 0)


def _interval(figure: Mapping[str, Any], digits: int = 2) -> str:
    """Value, interval and n.

    >>> _interval({"value": 0.5, "ci_low": 0.25, "ci_high": 0.75, "n": 32})
    '.50 [.25, .75] 32'
    """
    if figure["value"] is None:
        return "-"
    ends = f"[{_number(figure['ci_low'], digits)}, {_number(figure['ci_high'], digits)}]"
    return f"{_number(figure['value'], digits)} {ends} {figure['n']}"


def _share(figure: Mapping[str, Any]) -> str:
    """How many of how many."""
    return "-" if figure["value"] is None else f"{round(figure['value'] * figure['n'])} of {figure['n']}"
