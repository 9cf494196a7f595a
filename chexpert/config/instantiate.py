"""Instantiate config nodes. No other place calls a class or a function that a config names."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from chexpert.config.allowed_targets import PARTIAL, TARGET, find_target, walk
from chexpert.errors import OWN, UserError


def build(node: Mapping[str, Any], where: str, **given: Any) -> Any:
    """Instantiate a config node with its own arguments and those that the run gives.

    Hydra's ``instantiate`` is not used: it resolves interpolations once more and calls what its own list does not
    block. Here every ``_target_`` of the node is found on the allow-list before the first one is called.

    Args:
        node: config node with a ``_target_``; the nodes among its arguments are instantiated too.
        where: place of the node, a dotted key such as ``model``.
        given: arguments that the run gives; a node with ``_partial_: true`` does not get them.

    Returns:
        The object; for a node with ``_partial_: true`` a :class:`functools.partial` of its class or function.

    Raises:
        UserError: the node has no ``_target_``, one is not on the list, or the constructor refused its arguments.
    """
    targets = {place: find_target(inner, place) for place, inner in walk(node, where)}
    if where not in targets:
        raise UserError(
            "nothing to build: no _target_",
            code="missing-argument",
            where=where,
            hint=f"choose it: {where}=OPTION; chexpert train --help lists them",
        )
    with raising_build_errors(node, where):
        factory = partial(targets[where], **_fill_all(node, where, targets))
        return factory if node.get(PARTIAL) else factory(**given)


def _fill_all(node: Mapping[str, Any], where: str, targets: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a node, with objects for the nodes among them."""
    return {key: _fill(value, f"{where}.{key}", targets) for key, value in node.items() if key not in (TARGET, PARTIAL)}


def _fill(value: Any, where: str, targets: Mapping[str, Any]) -> Any:
    if not isinstance(value, Mapping):
        return copy.deepcopy(value)
    filled = _fill_all(value, where, targets)
    if where not in targets:
        return filled
    return partial(targets[where], **filled) if value.get(PARTIAL) else targets[where](**filled)


@contextmanager
def raising_build_errors(node: Mapping[str, Any], where: str) -> Iterator[None]:
    """Raise the errors of a constructor as a UserError of the config node.

    Args:
        node: config node with a ``_target_``, which the hint names.
        where: place of the node, a dotted key such as ``optimizer``.

    Yields:
        None, once, for the body of the ``with`` statement.

    Raises:
        UserError: the body raised an exception; a UserError keeps its code, and is placed below the node.
    """
    try:
        yield
    except UserError as error:
        raise (error.within(where) if error.where.startswith(OWN) else error) from error.__cause__
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        hint = f"see the arguments of {node[TARGET]}"
        raise UserError(f"cannot be built: {reason}", code="not-built", where=where, hint=hint) from error
