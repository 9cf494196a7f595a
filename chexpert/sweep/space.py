"""What is searched: Hydra's sweeps (``choice``, ``range``, ``interval``) as Optuna's distributions."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from chexpert.errors import UserError
from chexpert.runs.config_keys import RENAMED

Space = dict[str, BaseDistribution]


def parse_space(
    params: Mapping[str, Any], arguments: Sequence[str], config_loader: Any = None
) -> tuple[Space, list[str]]:
    """Return the searched settings by key, and the overrides that are the same in every trial.

    Args:
        params: settings and their sweeps, of YAML: ``{"optimizer.lr": "tag(log, interval(1e-5, 1e-3))"}``.
        arguments: overrides of the command line, which replace those of ``params``.
        config_loader: Hydra's, for ``glob``.

    Raises:
        UserError: nothing is searched, a key of ``params`` was renamed, or an interval is empty.
    """
    if old := [key for key in params if key in RENAMED]:
        hint = ", ".join(f"{key} is now {RENAMED[key]}" for key in old)
        raise UserError("keys that were renamed", code="renamed-key", where="hydra.sweeper.params", hint=hint)
    parser = OverridesParser.create(config_loader=config_loader)
    lines = [f"{key}={'null' if value is None else value}" for key, value in params.items()] + [*arguments]
    overrides = {override.get_key_element(): override for override in parser.parse_overrides(lines)}
    searched = {key: override for key, override in overrides.items() if override.is_sweep_override()}
    if not searched:
        hint = "give a setting several values: optimizer.lr='tag(log, interval(1e-5, 1e-3))' or labels=zeros,ones"
        raise UserError(
            "nothing to search", code="search", where="the command line and hydra.sweeper.params", hint=hint
        )
    fixed = [str(override.input_line) for key, override in overrides.items() if key not in searched]
    return {key: _parse_distribution(key, override) for key, override in searched.items()}, fixed


def _parse_distribution(key: str, override: Override) -> BaseDistribution:
    try:
        return to_distribution(override)
    except ValueError as error:
        line = str(override.input_line)
        raise UserError(
            f"cannot be searched: {error}", code="search", where=line, hint=f"{key}='interval(LOW, HIGH)'"
        ) from error


def to_distribution(override: Override) -> BaseDistribution:
    """Convert a sweep to a distribution: whole numbers stay whole, ``tag(log, ...)`` is a logarithmic scale.

    Choices are kept as the texts that they are on the command line: no value is guessed from another's type.
    """
    value = override.value()
    if isinstance(value, IntervalSweep):
        return _make(value.start, value.end, log="log" in value.tags)
    if isinstance(value, RangeSweep) and not value.shuffle:
        count = len(list(override.sweep_iterator()))
        if not count:
            raise ValueError("an empty range")
        low, step = Decimal(str(value.start)), Decimal(str(value.step))
        ends = sorted([low, low + (count - 1) * step])  # the stop itself is left out, as in any range
        whole = isinstance(value.start, int) and isinstance(value.step, int)
        kind = int if whole else float
        return _make(*map(kind, ends), log="log" in value.tags, step=kind(abs(step)))
    return CategoricalDistribution(list(override.sweep_string_iterator()))


def _make(low: Any, high: Any, *, log: bool, step: Any = None) -> BaseDistribution:
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log, step=step or 1)
    return FloatDistribution(float(low), float(high), log=log, step=step)


def list_values(key: str, distribution: BaseDistribution) -> list[Any]:
    """Return all values of a setting, for a grid.

    Raises:
        UserError: there is no end to them.
    """
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    assert isinstance(distribution, FloatDistribution)
    if distribution.step is None:
        hint = f"{key}='range(LOW, HIGH, STEP)', or another hydra.sweeper.sampler"
        raise UserError("a grid has no intervals", code="search", where=key, hint=hint)
    low, step = Decimal(str(distribution.low)), Decimal(str(distribution.step))
    count = int((Decimal(str(distribution.high)) - low) / step) + 1
    return [float(low + place * step) for place in range(count)]
