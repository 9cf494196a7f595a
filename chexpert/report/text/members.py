"""One network beside the models that it was made from, as text."""

from collections.abc import Mapping
from typing import Any

from chexpert.report.text.values import format_number, format_value


def describe_members(content: Mapping[str, Any], split: str, own: str = "this network") -> str:
    """Describe the paired differences to the ensemble of the members and to the best member.

    Args:
        content: from :func:`chexpert.evaluation.members.compare_with_members`.
        split: that it is of.
        own: what the network is called.

    Returns:
        Three lines: AUROC of the network, and of both others with the difference and its 95 % interval.
    """
    rows = "studies" if content["level"] == "study" else "single views"
    best, ensemble = content["best_member"], content["ensemble"]
    count = len(content["members"])
    chosen = f"chosen on {best['chosen_on']}" if best["chosen_on"] else "chosen on these rows, which favors it"
    lines = [
        f"{split}, {content['n']:,} {rows}: mean AUROC of {own} {format_number(content['auroc_mean'])}",
        f"  less the ensemble of {count} members ({format_number(ensemble['auroc_mean'])}): "
        f"{_describe(ensemble['difference'])}",
        f"  less the best member ({format_number(best['auroc_mean'])}, {best['name']}, {chosen}): "
        f"{_describe(best['difference'])}",
    ]
    return "\n".join(lines)


def _describe(difference: Mapping[str, Any]) -> str:
    p = "" if difference["p"] is None else f", p {difference['p']:.2g}"
    return f"{format_value(difference)}{p}"
