"""Paths on the command line that Hydra's grammar reads as something else, such as outputs/x/seed=1."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException


def quote_paths(arguments: Sequence[str]) -> list[str]:
    """The command line with quotes around the paths that Hydra would refuse or take for a list of values.

    >>> quote_paths(["seed=0,1", "start_from=outputs/k/checkpoints/step=0000002.ckpt", "-m"])
    ['seed=0,1', "start_from='outputs/k/checkpoints/step=0000002.ckpt'", '-m']
    """
    return [_quote(argument) for argument in arguments]


def _quote(argument: str) -> str:
    key, _, value = argument.partition("=")
    if argument.startswith("-") or "/" not in value or value[0] in "'\"[{$":
        return argument
    whole, parts = f"{key}={_spell(value)}", value.split(",")
    if len(parts) > 1 and not _exists(value) and all(map(_exists, parts)):
        return f"{key}={','.join(map(_spell, parts))}"  # a sweep over folders
    readable, sweep = _parse(argument)
    if readable:
        return whole if sweep and _exists(value) else argument
    return whole if _exists(value) or (_parse(whole)[0] and not set(value) & set("[{")) else argument


def _spell(value: str) -> str:
    return QuotedString(value, Quote.single).with_quotes()


def _exists(path: str) -> bool:
    return Path(path).expanduser().exists()


def _parse(argument: str) -> tuple[bool, bool]:
    """Whether Hydra can read an argument, and whether it has several values then."""
    try:
        return True, OverridesParser.create().parse_override(argument).is_sweep_override()
    except HydraException:
        return False, False
