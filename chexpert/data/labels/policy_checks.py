"""What can be wrong with the arguments of a label policy, before anything is built."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chexpert.data.labels.hierarchy import find_parents
from chexpert.data.labels.learned_targets import KEY, read_targets_file
from chexpert.data.labels.rules import (
    LEARNED,
    SELF_TRAINED,
    THREE_CLASS,
    Rules,
    check_rules,
    find_words,
    get_rule,
)
from chexpert.data.labels.self_training import find_predictions
from chexpert.errors import UserError

CONDITIONAL_ROWS = ("positive_parents", "all")
CERTAIN = ("hard", "learned")
"""What 1 and 0 become: themselves, or their learned targets."""
SWITCHES = ("conditional", "redraw", "propagate")


def find_policy_errors(given: Mapping[str, Any], observations: Sequence[str]) -> Iterator[UserError]:
    """Yield the errors in the arguments of a policy, and in them for these observations."""
    uncertain, blank = given["uncertain"], given.get("blank", "zeros")
    yield from check_rules(uncertain, "labels.uncertain", observations)
    yield from check_rules(blank, "labels.blank", observations)
    if THREE_CLASS in find_words(blank):
        hint = "zeros, ones, ignore, or a soft target: a blank is no class of its own"
        yield UserError("three_class is for uncertain labels", code="conflict", where="labels.blank", hint=hint)
    yield from _find_wrong_choices(given)
    checks: list[Callable[[], object]] = []
    if given.get("conditional", False):
        checks.append(lambda: find_parents(observations))
    words, predictions = find_words(uncertain) | find_words(blank), given.get("predictions")
    if SELF_TRAINED in words:
        checks.append(lambda: find_predictions(predictions))
    elif predictions is not None:
        hint = "labels.uncertain=self_trained, or leave them out"
        message = "predictions, but nothing is self-trained"
        yield UserError(message, code="conflict", where="labels.predictions", hint=hint)
    if LEARNED in words:
        learned = list_learned(uncertain, blank, observations)
        checks.append(lambda: read_targets_file(given.get("file"), learned))
    yield from _find_learned_conflicts(given, learned=LEARNED in words)
    for check in checks:
        try:
            check()
        except UserError as error:
            yield error


def list_learned(uncertain: Rules, blank: Rules, observations: Sequence[str]) -> list[str]:
    """Return the observations of which a rule is ``learned``."""
    return [name for name in observations if LEARNED in (get_rule(uncertain, name), get_rule(blank, name))]


def _find_wrong_choices(given: Mapping[str, Any]) -> Iterator[UserError]:
    rows, conditional = given.get("conditional_rows", CONDITIONAL_ROWS[0]), given.get("conditional", False)
    for key, value, known in (("conditional_rows", rows, CONDITIONAL_ROWS), ("certain", given.get("certain"), CERTAIN)):
        if value is not None and value not in known:
            hint = f"one of {', '.join(known)}"
            yield UserError(f"unknown: {value!r}", code="choice", where=f"labels.{key}", hint=hint)
    for key in SWITCHES:
        if not isinstance(value := given.get(key, False), bool):
            yield UserError(f"{value!r} is not possible", code="value", where=f"labels.{key}", hint="true or false")
    if rows != CONDITIONAL_ROWS[0] and conditional is False:
        message, hint = "rows of conditional learning, but nothing is conditional", "labels.conditional=true"
        yield UserError(message, code="conflict", where="labels.conditional_rows", hint=hint)


def _find_learned_conflicts(given: Mapping[str, Any], *, learned: bool) -> Iterator[UserError]:
    """Yield what learned targets cannot be combined with: they are of labels as the report has them."""
    if not learned:
        if given.get("file") is not None:
            message, hint = "a file of targets, but no target is learned", "labels=learned, or leave it out"
            yield UserError(message, code="conflict", where=KEY, hint=hint)
        if given.get("certain") == CERTAIN[1]:
            message, hint = "no other target is learned", "labels=learned, or labels.certain=hard"
            yield UserError(message, code="conflict", where="labels.certain", hint=hint)
        return
    for key, why in (
        ("conditional", "targets given the parent finding would be needed, and these are of all studies"),
        ("propagate", "the targets are of labels as the report has them, not of propagated ones"),
    ):
        if given.get(key) is True:
            hint = f"labels.{key}=false, or another policy"
            yield UserError(why, code="conflict", where=f"labels.{key}", hint=hint)
