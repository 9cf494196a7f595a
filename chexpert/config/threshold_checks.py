"""Errors in the rules by which a run chooses its thresholds."""

from collections.abc import Iterator
from typing import Any

from chexpert.errors import UserError


def find_rule_errors(rules: Any) -> Iterator[UserError]:
    """Yield the errors in ``thresholds``: no list of rules, one that stands twice, or an unknown one."""
    from chexpert.metrics.operating_point import RULE_NAMES, get_rule  # with scipy, which takes a second

    if not isinstance(rules, list) or not rules or len({*map(str, rules)}) < len(rules):
        hint = "thresholds=[youden,f1,specificity_0.9]: one rule or more, each once"
        yield UserError(f"no list of rules: {rules!r}", code="value", where="thresholds", hint=hint)
        return
    for rule in rules:
        try:
            get_rule(str(rule))
        except ValueError:
            yield UserError(f"unknown rule: {rule!r}", code="choice", where="thresholds", hint=RULE_NAMES)
