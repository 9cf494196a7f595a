"""Describe a comparison with a recipe."""

from collections.abc import Iterator

from chexpert.evaluation import Reproduction, describe_published, describe_setting
from chexpert.report.text.evaluation_settings import list_given
from chexpert.report.text.values import format_value


def describe_reproduction(name: str, found: Reproduction) -> str:
    """Describe the expected value, the measured one, and the verdict with its reasons.

    Args:
        name: name of the recipe.
        found: result of :func:`chexpert.evaluation.reproduce`.

    Returns:
        Lines of text.
    """
    return "\n".join(_lines(name, found))


def _lines(name: str, found: Reproduction) -> Iterator[str]:
    reference, measured = found.reference, found.measured
    of = reference["of"]
    expected = "none" if reference["expected"] is None else f"{reference['expected']} +- {reference['tolerance']}"
    rows = describe_published(of)
    checkpoints = "" if of["checkpoints"] == 1 else f", {of['checkpoints']} checkpoints averaged"
    yield f"recipe:    {name}, {reference['source']}"
    yield f"expected:  mean AUROC {expected} ({of['split']} split, labels of {of['labels']}, {rows}{checkpoints})"
    if measured:
        low, high, over = measured["ci_low"], measured["ci_high"], ", ".join(measured["over"])
        yield f"measured:  mean AUROC {measured['value']:.4f} [{low:.4f}, {high:.4f}] over {over}"
    yield f"verdict:   {found.word}{_explain(found)}"
    for reason in found.reasons:
        yield f"  - {reason}"
    if found.reasons:  # the reader compares
        for key, own in list_given(found.settings).items():
            yield f"in {describe_setting(key, own)}: {format_value(own['auroc_mean'], 4)}, n = {own['n']:,}"


def _explain(found: Reproduction) -> str:
    if found.reasons:
        return ", because"
    value, expected = found.measured["value"], found.reference["expected"]
    away = f": {value - expected:+.4f} from what is expected"
    holds = found.measured["ci_low"] <= expected <= found.measured["ci_high"]
    return f"{away}, which its interval {'holds' if holds else 'does not hold'}"
