"""How good a model's explanations are, for its card: each score with its interval, or why it is not there."""

from collections.abc import Mapping
from typing import Any

from chexpert.report.model_card.markdown import Markdown, escape, make_facts, make_table
from chexpert.report.model_card.results import join, show
from chexpert.report.run_data import RunData
from chexpert.report.text.explanation_quality import MEANINGS, list_left_out, list_quality
from chexpert.report.text.values import is_undefined

SCORES = ("Hit", "Mass / area", "Gap", "Sanity", "Right reason")
"""Of ``MEANINGS``: the columns of the table; the file has more."""
OUTLINED = ("Hit", "Mass / area", "Right reason")
"""Those that compare a map with the outline of the finding."""
REASONS = {
    "Hit": "no outline of it in these views", "Mass / area": "no outline of it in these views",
    "Right reason": "no true positive with an outline", "Gap": "no map with positive evidence",
    "Sanity": "weights were not shuffled",
}  # fmt: skip


def describe_explanations(run_data: RunData) -> Markdown | None:
    """Return the scores of each explainer, and the meaning of each score."""
    if not run_data.quality:
        return None
    quality = run_data.quality
    split = quality.get("split", "valid")
    parts = [escape(f"Means over single views of the {split} split, with 95 % intervals over views.")]
    for own in list_quality(quality):
        control = ", a control that knows nothing of the model" * own["control"]
        sanity = {"ok": "passed", "FAIL": "failed"}.get(own["sanity"], "not made")
        scored = quality["explainers"][own["explainer"]]["observations"]
        rows = []
        for name, values in own["rows"].items():
            metrics = dict(zip(MEANINGS, values, strict=True))
            rows.append([name, *(_show(score, metrics[score], scored[name], quality) for score in SCORES)])
        title = escape(own["explainer"])
        parts.append(Markdown(f"**{title}**{control}; test with shuffled weights: {sanity}."))
        parts.append(make_table(["Observation", *SCORES], rows))
    left_out = [escape(f"{line}.") for line in list_left_out(quality)]
    return join([*parts, *left_out, make_facts((name, MEANINGS[name]) for name in SCORES)])


def _show(score: str, metric: Mapping[str, Any], scored: Mapping[str, Any], quality: Mapping[str, Any]) -> str:
    """Return a score with its interval, or why there is none."""
    if not is_undefined(metric["value"]):
        return show(metric, 2)
    return f"not scored: {_get_reason(score, scored, quality)}"


def _get_reason(score: str, scored: Mapping[str, Any], quality: Mapping[str, Any]) -> str:
    if score in OUTLINED and not quality.get("masks"):
        return "no outlines were given"
    if not scored.get("n"):
        return "no view was explained"
    if score != "Sanity" and scored.get("without_evidence") == scored["n"]:
        return "no map has positive evidence"
    return REASONS[score]
