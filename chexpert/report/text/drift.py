"""How two sets of images differ, as plain text, from its JSON alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.report.text.comparison_tables import align, format_p
from chexpert.report.text.values import format_number
from chexpert.runs.synthetic import WORDS

UNITS = {"standard_deviations": "SD", "total_variation": "TV", "discrepancy": "MMD2"}
LEVEL = 0.05
READING = (
    "SD: difference of means, given less reference, in standard deviations. TV: total variation distance, 0 to 1.",
    "MMD2: squared maximum mean discrepancy. p: of permutations of whole patients, corrected for all tests (Holm).",
)


def describe_drift(content: Mapping[str, Any]) -> str:
    """Describe which quantities differ, and by how much.

    Args:
        content: content of the JSON file that ``chexpert drift --out`` writes.

    Returns:
        Lines of text.
    """
    reference, given = content["reference"], content["given"]
    synthetic = f", {WORDS}" if content.get("synthetic") else ""
    lines = [
        f"reference: {_count(reference)} of the split {reference['split']}{synthetic}",
        f"given:     {_count(given)}",
    ]
    if left_out := reference["shared_patients_left_out"]:
        lines.append(f"note: {left_out} patients of the reference are in the given set too, and are left out of it")
    lines += [f"note: {text}" for side in (reference, given) for text in side["notes"]]
    if not (reference["metadata"] and given["metadata"]):
        lines.append("note: a side has no table with sex, age and view: they are not compared")
    if content["least_p"] >= LEVEL:
        why = f"of so few patients, or permutations, p is {content['least_p']:.2f} or more"
        lines.append(f"note: no difference can be found: {why}")
    table = [["", "group", "quantity", "reference", "given", "effect", "", "p"], *_rows(content["tests"])]
    lines += ["", *align(table), "", *READING]
    lines += ["", f"A classifier distinguishes the two sets by their features with an AUROC of "
              f"{format_number(content['features_auroc'])} (0.5: not at all; below it by chance)."]  # fmt: skip
    return "\n".join([*lines, _summarize(content)])


def _count(side: Mapping[str, Any]) -> str:
    unreadable = f", {side['unreadable']} more could not be read" if side["unreadable"] else ""
    return f"{side['images']:,} images of {side['patients']:,} patients, of {side['of_images']:,} images{unreadable}"


def _rows(tests: list[Mapping[str, Any]]) -> Iterator[list[str]]:
    last = None
    for test in tests:
        group, last = "" if test["group"] == last else test["group"], test["group"]
        values = [_format(test["reference"]), _format(test["given"])]
        effect = [format_number(test["effect"]), UNITS[test["unit"]]]
        yield ["*" if test["differs"] else "", group, test["name"], *values, *effect, format_p(test["p_holm"])]


def _format(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name or 'not known'} {share:.2f}" for name, share in value.items())
    return format_number(value) if isinstance(value, float) else "-"


def _summarize(content: Mapping[str, Any]) -> str:
    found = [test["name"] for test in content["tests"] if test["differs"]]
    total = len(content["tests"])
    if not found:
        return f"none of {total} quantities differs"
    return f"{len(found)} of {total} quantities differ (*): " + ", ".join(found)
