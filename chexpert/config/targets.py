"""Which code a ``_target_`` may name, and whether its arguments bind: checked before anything is called."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import hydra.utils

from chexpert.config.unknown import tell_unknown
from chexpert.problem import ProblemError

TRUSTED = ("chexpert.", "torch.nn.", "torch.optim.", "pytorch_lightning.")
"""Where a class that a ``_target_`` names may be defined: a config must not be able to run just any code."""

FUNCTIONS = ("chexpert.data.find_phantom",)
"""The functions that a ``_target_`` may name."""

GIVEN = {
    "data": ("observations", "labels", "seed"),
    "model": ("outputs", "uncertain", "parents"),
    "optimizer": ("params",),
    "scheduler": ("optimizer", "total_steps"),
    "trainer": ("callbacks", "logger", "plugins"),
}
"""Arguments that run.py gives itself; every other one comes from the config."""


def check_targets(
    node: Any, where: str, trusted: tuple[str, ...] = TRUSTED, known: Mapping[str, Any] = {}
) -> Iterator[ProblemError | str]:
    """Checks every ``_target_`` below a node: trusted, importable, its arguments bind, and what it says itself.

    What is ``known`` of the run is told to the node's own ``find_problems`` beside its arguments.
    """
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from check_targets(item, f"{where}[{index}]", trusted)
    elif isinstance(node, dict):
        if "_target_" in node:
            yield from _check_target(node, where, trusted, known)
        for key, value in node.items():
            yield from check_targets(value, f"{where}.{key}", trusted)


def _check_target(
    node: dict[str, Any], where: str, trusted: tuple[str, ...], known: Mapping[str, Any]
) -> Iterator[ProblemError | str]:
    target = str(node["_target_"])
    distrust = ProblemError(f"_target_ {target} is not trusted", where=where, mend=f"a class of {', '.join(trusted)}*")
    if not target.startswith(trusted):
        yield distrust
        return
    try:
        built = hydra.utils.get_object(target)
    except Exception as error:
        yield ProblemError(f"_target_ {target} cannot be imported: {error}", where=where, mend="correct the name")
        return
    # The object counts, not its spelling: a trusted module may have imported anything.
    if target not in FUNCTIONS and not (inspect.isclass(built) and built.__module__.startswith(trusted)):
        yield distrust
        return
    arguments = {key: value for key, value in node.items() if key not in ("_target_", "_partial_")}
    problems = list(_check_arguments(built, arguments, where))
    yield from problems
    if not problems and hasattr(built, "find_problems"):
        yield from built.find_problems(**arguments, **known)


def _check_arguments(built: Any, arguments: dict[str, Any], where: str) -> Iterator[ProblemError]:
    parameters = inspect.signature(built).parameters
    given = GIVEN.get(where, ())
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key in arguments:
        if key in given:
            yield ProblemError(f"{key} is set by the run itself", where=f"{where}.{key}", mend="leave it out")
        elif key not in parameters and not open_ended:
            yield tell_unknown(key, f"{where} ({built.__name__})", [p for p in parameters if p not in given])
    for key, parameter in parameters.items():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if named and parameter.default is parameter.empty and key not in arguments and key not in given:
            yield ProblemError(f"{key} is missing", where=where, mend=f"give it: {where}.{key}=...")
