"""Values on the command line that Hydra's grammar does not read, such as outputs/x/seed=1 or röntgen, in quotes."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from chexpert.errors import UserError


def quote_values(arguments: Sequence[str]) -> list[str]:
    """Return the command line with quotes around values that Hydra would refuse or take for a list of values.

    >>> quote_values(["-m", "seed=0,1", "name=röntgen", "start_from=outputs/k/checkpoints/step=0000002.ckpt"])
    ['-m', 'seed=0,1', "name='röntgen'", "start_from='outputs/k/checkpoints/step=0000002.ckpt'"]

    Raises:
        UserError: a value that Hydra does not read in quotes either, or that was meant as a list or mapping.
    """
    sweep = bool({"-m", "--multirun"} & set(arguments))
    return [one if one.startswith("-") else _quote(one, sweep=sweep) for one in arguments]


def _quote(argument: str, *, sweep: bool) -> str:
    key, _, value = argument.partition("=")
    there = "/" in value and _exists(value)
    readable, several = _parse(argument)
    if readable and not (several and there):
        return argument
    parts = value.split(",")
    if len(parts) > 1 and not there and (sweep or all(map(_exists, parts))):
        parts = [part if _parse(f"{key}={part}")[0] else _spell(part) for part in parts]
        quoted = f"{key}={','.join(parts)}"
    else:
        quoted = f"{key}={_spell(value)}"
    if not (key and value and _parse(quoted)[0]) or (value[:1] in ("[", "{", "'", '"') and not there):
        hint = "a list is [a,b], rules are {a: b}, and a text with other letters stands in quotes of its own"
        raise UserError(
            "Hydra cannot read this setting", code="hydra-syntax", where=argument, hint=f"{hint}: '{key}=\"...\"'"
        )
    return quoted


def _spell(value: str) -> str:
    return QuotedString(value, Quote.single).with_quotes()


def _exists(path: str) -> bool:
    return bool(path) and Path(path).expanduser().exists()


def _parse(argument: str) -> tuple[bool, bool]:
    """Whether Hydra can read an argument, and whether it has several values then."""
    try:
        return True, OverridesParser.create().parse_override(argument).is_sweep_override()
    except HydraException:
        return False, False
