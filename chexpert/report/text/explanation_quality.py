"""How good a run's explanations are, as plain text, from explanations/quality.json alone."""

from collections.abc import Mapping
from typing import Any

from chexpert.report.text.values import format_interval, format_short
from chexpert.runs.synthetic import NOTE

WIDTHS = (22, 21, 22, 22, 7, 11, 7)
LEAST_MAPS = 5  # below it a mean is no ground for a warning
UNSTABLE = 0.5
"""Mean rank correlation of two maps of one view below which a single map says little: they share a quarter of the
variance of their ranks."""
AT_BORDER = 2
"""Of the evidence at border and corners over their area, a quarter of the view: then half of it or more lies there."""
ALIKE = "maps stay alike when the weights are shuffled"
AGAIN = {"seed": "another seed gives another map", "noise": "a little noise in the image gives another map"}
VERDICTS = {True: "ok", False: "FAIL", None: ""}
UNDEFINED: Mapping[str, Any] = {"value": None, "ci_low": None, "ci_high": None, "n": 0}
"""A metric that the file of an older version does not have."""

MEANINGS = {
    "Hit": "peak of the map in the finding: 0 at chance, 1 at the ceiling of the explainer's grid",
    "Mass / area": "evidence in the finding over its area: 1 at chance",
    "Gap": "insertion less deletion, above that of a random map: 0 at chance",
    "ROAD": "logit without the map's lowest pixels less that without its highest ones: above 0 if the model follows it",
    "Sanity": "mean size of the rank correlation with the maps of shuffled weights: at most .3 to pass",
    "Right reason": "true positives whose map peaks in the finding, of those with an outline",
    "Stability": "rank correlation with the map of another seed, or of the image with a little noise: 1 is the same",
    "Border": "evidence at the border and in the corners of the view over their area: 1 for an even map",
}
HOW_TO_READ = (
    "hit: peak in the finding, 0 at chance and 1 at the grid's ceiling. mass/area: evidence in the finding over its",
    "area, 1 at chance. gap: insertion - deletion above a random map's, 0 at chance. ROAD: logit without the lowest",
    "pixels of the map less that without its highest ones, above 0 if the model follows the map. sanity: mean size of",
    "the rank correlation with the maps of shuffled weights, to pass at most .3; above the rows, of all observations.",
    "reason: true positives whose map peaks in the finding.",
    "[95 % interval over views], n views; a dash is undefined: no masks, too few views, or no evidence.",
    "All of single views of the valid split. The file has more: stability, evidence at the border, ROAD's interval.",
)


def quality_table(content: Mapping[str, Any]) -> str:
    """Return the quality of explanations as a table: a block for each explainer, a row for each observation.

    Args:
        content: result of :func:`chexpert.explain.quality.table.score_explainers`, or content of quality.json.

    Returns:
        Lines of at most 120 characters; notes on how to read the table, and warnings, are the last.
    """
    blocks = [_block(name, scored) for name, scored in content["explainers"].items()]
    flags = [flag for item in content["explainers"].items() for flag in _flags(*item)]
    notes = [*HOW_TO_READ, *list_left_out(content), *([NOTE] if content.get("synthetic") else [])]
    return "\n".join([*blocks, *notes, *flags])


def list_left_out(content: Mapping[str, Any]) -> list[str]:
    """Return a line for each step that the time budget cut; none of an older version's file."""
    budget = content.get("time_budget") or {}
    return [describe_left_out(one, budget.get("minutes")) for one in budget.get("left_out") or ()]


def describe_left_out(step: Mapping[str, Any], minutes: float | None) -> str:
    """Describe on how many views an explainer did a step within a time budget.

    >>> describe_left_out({"explainer": "lime", "step": "scored", "done": 5, "of": 32}, 3.0)
    'lime: scored 5 of 32 views (time budget 3 min)'
    """
    limit = "" if minutes is None else f" {minutes:.3g} min"
    return f"{step['explainer']}: {step['step']} {step['done']} of {step['of']} views (time budget{limit})"


def list_quality(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the quality for a page: of each explainer its name, if it is a control, the sanity verdict, and rows."""
    return [
        {
            "explainer": name,
            "control": scored["control"],
            "sanity": VERDICTS[scored["sanity"]["passed"]],
            "rows": {observation: _values(own) for observation, own in scored["observations"].items()},
        }
        for name, scored in content["explainers"].items()
    ]


def _values(metrics: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """In the order of ``MEANINGS``."""
    alike = metrics["sanity"]["top_block_size"]
    own = get_hit(metrics), metrics["relevance_over_area"], metrics["gap_over_random"], _get(metrics, "road")
    newer = _get(metrics, "stability"), _get(metrics, "border_mass")
    return [*own, alike, metrics["right_for_the_right_reason"], *newer]


def _get(metrics: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    own: Mapping[str, Any] = metrics.get(key, UNDEFINED)
    return own


def get_hit(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the hit rate between chance and ceiling; older versions wrote its key in British spelling."""
    return metrics["hit_normalized"] if "hit_normalized" in metrics else metrics["hit_normalised"]


def _flags(name: str, scored: Mapping[str, Any]) -> list[str]:
    """Those of the explainer, then of its observations; none of a control, which is there to do badly."""
    if scored["control"]:
        return []
    own = [ALIKE] if scored["sanity"]["passed"] is False else []
    own += [unstable] if (unstable := describe_instability(scored)) else []
    each = [flag for o, metrics in scored["observations"].items() for flag in find_flags(f"{name}, {o}", metrics)]
    return [*(f"warning: {name}: {flag}" for flag in own), *each]


def describe_instability(scored: Mapping[str, Any]) -> str:
    """Return the warning of an explainer whose second maps differ from the first; empty where they do not.

    It is of all observations together: few maps are made again, and each differs by itself, not by the sample of views.
    """
    stability = _get(scored, "stability")
    if stability["value"] is None or stability["value"] >= UNSTABLE:
        return ""
    value, maps = format_short(stability["value"]), stability["n"]
    return f"{AGAIN[scored['stability_of']]}: rank correlation {value}, {maps} maps"


def find_flags(where: str, metrics: Mapping[str, Any]) -> list[str]:
    """Return the warnings of one explainer's maps of one observation."""
    hit, gap, sanity = get_hit(metrics), metrics["gap_over_random"], metrics["sanity"]
    road, border = _get(metrics, "road"), _get(metrics, "border_mass")
    flags = []
    if hit["n"] >= LEAST_MAPS and hit["value"] is not None and hit["value"] < 0:
        flags.append("peaks in the finding less often than chance")
    if gap["n"] >= LEAST_MAPS and gap["value"] < 0:
        flags.append("the model follows a random map more than this one")
    if road["n"] >= LEAST_MAPS and road["value"] < 0:
        flags.append("the map's lowest pixels count more than its highest (ROAD)")
    if sanity["passed"] is False:
        flags.append(ALIKE)
    if border["n"] >= LEAST_MAPS and border["value"] > AT_BORDER and border["ci_low"] > 1:
        flags.append("evidence lies at the border: look for markers, tags, padding")
    if metrics["without_evidence"]:
        flags.append(f"{metrics['without_evidence']} of {metrics['n']} maps have no positive evidence")
    return [f"warning: {where}: {flag}" for flag in flags]


def _block(name: str, scored: Mapping[str, Any]) -> str:
    rows = [_cells(*item) for item in scored["observations"].items()]
    sanity = f"sanity {VERDICTS[scored['sanity']['passed']]}".rstrip()
    titles = (name, "hit", "mass/area", "gap", "ROAD", sanity, "reason")
    return "\n".join(" ".join(map(str.ljust, cells, WIDTHS)).rstrip() for cells in (titles, *rows))


def _cells(observation: str, metrics: Mapping[str, Any]) -> tuple[str, ...]:
    alike = metrics["sanity"]["top_block_size"]["value"]
    return (
        shorten(observation),
        format_interval(get_hit(metrics)),
        format_interval(metrics["relevance_over_area"], 1),
        format_interval(metrics["gap_over_random"]),
        _count(_get(metrics, "road")),
        f"{format_short(alike)} {VERDICTS[metrics['sanity']['passed']]}".rstrip(),
        _share(metrics["right_for_the_right_reason"]),
    )


def shorten(observation: str) -> str:
    """Return a name that fits into the first column.

    >>> shorten("Enlarged Cardiomediastinum"), shorten("Pleural Effusion")
    ('Enlarged Cardiomedias.', 'Pleural Effusion')
    """
    return observation if len(observation) <= WIDTHS[0] else f"{observation[: WIDTHS[0] - 1]}."


def _count(metric: Mapping[str, Any]) -> str:
    """Value and n."""
    return "-" if metric["value"] is None else f"{format_short(metric['value'])} {metric['n']}"


def _share(metric: Mapping[str, Any]) -> str:
    """How many of how many."""
    return "-" if metric["value"] is None else f"{round(metric['value'] * metric['n'])}/{metric['n']}"
