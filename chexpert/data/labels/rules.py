"""The small language in which a config says what an uncertain or a blank label becomes."""

import difflib
from collections.abc import Iterator, Mapping, Sequence

from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS

Bounds = tuple[float, float]
"""Of a uniform sample in [0, 1]; equal for a fixed target."""

Rule = str | float | Sequence[float]
"""A word, one soft target in [0, 1], or the bounds [low, high] of a uniform sample."""

Rules = Rule | Mapping[str, Rule]
"""One rule for all observations, or a rule by observation with ``default`` for the rest."""

FIXED: dict[str, Bounds] = {"zeros": (0.0, 0.0), "ones": (1.0, 1.0)}
IGNORE, THREE_CLASS, SELF_TRAINED, LEARNED = "ignore", "three_class", "self_trained", "learned"
WORDS = (*FIXED, IGNORE, THREE_CLASS, SELF_TRAINED, LEARNED)


def read_rule(rule: Rule, where: str) -> Bounds | str:
    """Return the bounds of a rule, or its word where it is not a matter of bounds.

    >>> read_rule("ones", "labels.blank"), read_rule([0.55, 0.85], "labels.uncertain"), read_rule("ignore", "")
    ((1.0, 1.0), (0.55, 0.85), 'ignore')

    Raises:
        UserError: not a rule.
    """
    if isinstance(rule, str) and rule in WORDS:
        return FIXED.get(rule, rule)
    bounds = rule if isinstance(rule, Sequence) and not isinstance(rule, str) else [rule, rule]
    if len(bounds) == 2 and all(isinstance(x, int | float) and not isinstance(x, bool) for x in bounds):
        low, high = (float(x) for x in bounds)
        if 0 <= low <= high <= 1:
            return low, high
    hint = f"one of {', '.join(WORDS)}, a target in [0, 1], or the bounds [low, high] of a sample in [0, 1]"
    raise UserError(f"not a label rule: {rule!r}", code="label-rule", where=where, hint=hint)


def read_rules(rules: Rules, where: str) -> dict[str, Bounds | str]:
    """Return the rule of each observation; without a default, only of those that are named.

    >>> read_rules({"default": "zeros", "Edema": 0.7}, "labels.uncertain")["Edema"]
    (0.7, 0.7)

    Raises:
        UserError: the first thing that is wrong.
    """
    for error in check_rules(rules, where):
        raise error
    if not isinstance(rules, Mapping):
        return dict.fromkeys(OBSERVATIONS, read_rule(rules, where))
    read = {name: read_rule(rule, where) for name, rule in rules.items()}
    rest = dict.fromkeys(OBSERVATIONS, read.pop("default")) if "default" in read else {}
    return rest | read


def check_rules(rules: Rules, where: str, observations: Sequence[str] = ()) -> Iterator[UserError]:
    """Yield all errors in rules, and in them for these observations."""
    named = rules if isinstance(rules, Mapping) else {"": rules}
    for name, rule in named.items():
        if name and name not in ("default", *OBSERVATIONS):
            near = difflib.get_close_matches(name, OBSERVATIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"default, or one of {', '.join(OBSERVATIONS)}"
            yield UserError(f"no observation of CheXpert: {name!r}", code="unknown-observation", where=where, hint=hint)
        try:
            read_rule(rule, f"{where}.{name}" if name else where)
        except UserError as error:
            yield error
    lacking = [name for name in observations if not {"", "default", name} & named.keys()]
    if lacking:
        hint = f"name them, or give the rest a rule: {where}.default=zeros"
        yield UserError(f"no rule for {', '.join(lacking)}", code="label-rule", where=where, hint=hint)


def find_words(rules: Rules) -> set[str]:
    """Return the words that stand in rules.

    >>> sorted(find_words({"default": "zeros", "Edema": 0.7, "Fracture": "ignore"}))
    ['ignore', 'zeros']
    """
    named = rules.values() if isinstance(rules, Mapping) else [rules]
    return {rule for rule in named if isinstance(rule, str)}


def get_rule(rules: Rules, name: str) -> Rule | None:
    """Return the rule of an observation as it was given; None where it has none."""
    return rules.get(name, rules.get("default")) if isinstance(rules, Mapping) else rules
