"""What a comparison with a recipe says."""

from collections.abc import Iterator

from chexpert.evaluation import Reproduction, describe_level


def describe_reproduction(name: str, found: Reproduction) -> str:
    """The expected figure, the measured one, and the verdict with its reasons."""
    return "\n".join(_lines(name, found))


def _lines(name: str, found: Reproduction) -> Iterator[str]:
    told, figure = found.told, found.figure
    of = told["of"]
    expected = "none" if told["expected"] is None else f"{told['expected']} +- {told['tolerance']}"
    rows = describe_level({"level": of["level"], "views": "max"})
    checkpoints = "" if of["checkpoints"] == 1 else f", {of['checkpoints']} checkpoints averaged"
    yield f"recipe:    {name}, {told['source']}"
    yield f"expected:  mean AUROC {expected} ({of['split']} split, labels of {of['labels']}, {rows}{checkpoints})"
    if figure:
        low, high = figure["ci_low"], figure["ci_high"]
        yield f"measured:  mean AUROC {figure['value']:.4f} [{low:.4f}, {high:.4f}] over {', '.join(figure['over'])}"
    yield f"verdict:   {found.word}{_explain(found)}"
    for reason in found.reasons:
        yield f"  - {reason}"


def _explain(found: Reproduction) -> str:
    if found.reasons:
        return ", because"
    value, expected = found.figure["value"], found.told["expected"]
    away = f": {value - expected:+.4f} from what is expected"
    holds = found.figure["ci_low"] <= expected <= found.figure["ci_high"]
    return f"{away}, which its interval {'holds' if holds else 'does not hold'}"
