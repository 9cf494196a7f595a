"""Which code a ``_target_`` may name, and whether its arguments bind: checked before anything is called."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from chexpert.config.unknown_key import unknown_key_error
from chexpert.config.value_checks import find_kind_error, list_missing_methods
from chexpert.errors import OWN, UserError
from chexpert.own_modules import list_own_modules

TARGET, PARTIAL = "_target_", "_partial_"
GIVEN = {
    "data": ("observations", "labels", "seed"),
    "model": ("outputs", "uncertain", "parents"),
    "loss": ("observations", "counts"),
    "optimizer": ("params",),
    "scheduler": ("optimizer", "total_steps"),
    "trainer": ("callbacks", "logger", "plugins", "use_distributed_sampler"),
}
"""Arguments that the run gives itself; every other one comes from the config."""


@dataclass(frozen=True)
class Allowed:
    """What may stand at a place of the config.

    Attributes:
        modules: a ``_target_`` is one of these, a dot and a public name that this module has.
        kinds: the object of that name is a subclass of one of these classes, or this very function.
        extensible: it may also be of a module of the user's own, see ``chexpert.own_modules``.
    """

    modules: tuple[str, ...]
    kinds: tuple[str, ...]
    extensible: bool = False

    def list_names(self) -> list[str]:
        """Return the names of the explainers or trackers that may stand there, as settings have them."""
        places = (vars(_import(module)) for module in self.list_modules())
        found = [value for place in places for value in place.values() if _is_one(value, self)]
        return sorted({name for value in found if isinstance(name := getattr(value, "name", None), str)})

    def list_modules(self) -> list[str]:
        """Return the modules of the project and of libraries, then those of the user."""
        return [*self.modules, *(list_own_modules() if self.extensible else ())]

    def __str__(self) -> str:
        kinds = " or ".join(kind.rpartition(".")[2] for kind in self.kinds)
        own = "; of your own module with allow=MODULE on the command line" if self.extensible else ""
        return f"only {kinds} of {' or '.join(self.list_modules())}{own}"


BACKBONE = Allowed(("chexpert.models",), ("chexpert.models.Backbone",), extensible=True)
ALLOWED: Mapping[str, Allowed] = {
    "data": Allowed(("chexpert.data",), ("chexpert.data.CheXpertDataModule",)),
    "data.root": Allowed(("chexpert.data",), ("chexpert.data.find_phantom",)),
    "data.augmentation": Allowed(("chexpert.data",), ("chexpert.data.Augmentation",), extensible=True),
    "labels": Allowed(("chexpert.data",), ("chexpert.data.LabelPolicy",), extensible=True),
    "backbone": BACKBONE,
    "model": Allowed(("chexpert.models",), ("chexpert.models.Model",), extensible=True),
    "model.backbone": BACKBONE,
    "model.members.*": BACKBONE,
    "loss": Allowed(("chexpert.training",), ("torch.nn.Module",), extensible=True),
    "optimizer": Allowed(("torch.optim", "chexpert.training"), ("torch.optim.Optimizer",), extensible=True),
    "scheduler": Allowed(
        ("torch.optim.lr_scheduler", "chexpert.training"), ("torch.optim.lr_scheduler.LRScheduler",), extensible=True
    ),
    "averaging": Allowed(
        ("pytorch_lightning.callbacks", "chexpert.training"),
        ("pytorch_lightning.callbacks.WeightAveraging", "pytorch_lightning.callbacks.StochasticWeightAveraging"),
    ),
    "distill": Allowed(("chexpert.training",), ("chexpert.training.Distillation",)),
    "trainer": Allowed(("pytorch_lightning",), ("pytorch_lightning.Trainer",)),
    "explainer.*": Allowed(("chexpert.explain",), ("chexpert.explain.Explainer",), extensible=True),
    "logger.*": Allowed(("chexpert.engine.trackers",), ("chexpert.engine.trackers.Tracker",)),
}
"""The allow-list, by place. A config, typed or carried by a checkpoint, must not be able to run any other code."""


def walk(node: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every node that has a ``_target_``, with its place, the outermost first.

    Args:
        node: config node of mappings, lists and plain values.
        where: place of the node, a dotted key such as ``model``.

    Yields:
        The place, such as ``model.members.a`` or ``trainer.callbacks[0]``, and the node.
    """
    if isinstance(node, Mapping):
        if TARGET in node:
            yield where, node
        for key, value in node.items():
            yield from walk(value, f"{where}.{key}")
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for index, item in enumerate(node):
            yield from walk(item, f"{where}[{index}]")


def find_target(node: Mapping[str, Any], where: str) -> Any:
    """Return the class or function that a node names, if it is on the allow-list.

    Import nothing but the modules of the allow-list and those that the user has allowed, and call nothing.

    Args:
        node: config node with a ``_target_``.
        where: place of the node, a dotted key such as ``model.backbone``.

    Returns:
        The class or function itself.

    Raises:
        UserError: the name or the object behind it is not on the list for this place, or nothing has this name; in a
            module of the user, the class has another base.
    """
    target = node.get(TARGET)
    allowed = next((allowed for place, allowed in ALLOWED.items() if fnmatchcase(where, place)), None)
    if allowed is None:
        hint = "leave it out; nodes stand at " + ", ".join(ALLOWED)
        raise UserError(
            f"_target_ {target} is not trusted: no node may stand here", code="untrusted-target", where=where, hint=hint
        )
    distrust = UserError(f"_target_ {target} is not trusted", code="untrusted-target", where=where, hint=str(allowed))
    module, _, name = target.rpartition(".") if isinstance(target, str) else ("", "", "")
    if module not in allowed.list_modules() or not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise distrust
    known = vars(_import(module))
    if name not in known:
        error = unknown_key_error(name, where, [key for key, value in known.items() if _is_one(value, allowed)])
        raise UserError(f"_target_ {target}: there is none", code="unknown-target", where=where, hint=error.hint)
    if not _is_one(known[name], allowed):  # the object counts, not its spelling: a module may have imported anything
        raise distrust if module in allowed.modules else _wrong_base(str(target), where, allowed)
    return known[name]


def _wrong_base(target: str, where: str, allowed: Allowed) -> UserError:
    """Return the error of a name in a module that the user has allowed."""
    message = f"{target} does not inherit from {' or '.join(allowed.kinds)}"
    hint = "let the class inherit from it, or name another: docs/how-to/own-parts.md"
    return UserError(message, code="wrong-base", where=f"{where}.{TARGET}", hint=hint)


def _import(module: str) -> Any:
    """Import a module of the allow-list; one of the user's own may fail in any way."""
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        if module not in list_own_modules():
            raise
        reason = f"{type(error).__name__}: {error}"
        hint = f"python -c 'import {module}' shows where"
        raise UserError(
            f"cannot be imported: {reason}", code="own-module", where=f"allow={module}", hint=hint
        ) from error


def _is_one(built: Any, allowed: Allowed) -> bool:
    """Whether an object is of the kinds that are allowed.

    A class must inherit from one of them: an explainer's protocol would take anything of the same shape. What a class
    says of itself does not count (``__class__``, ``__eq__``, ``__subclasscheck__``): ``type`` is asked.
    """
    parents = type.__dict__["__mro__"].__get__(built) if issubclass(type(built), type) else (built,)
    kinds = [pkgutil.resolve_name(kind) for kind in allowed.kinds]
    return any(kind is parent for kind in kinds for parent in parents)


def check_targets(node: Any, where: str, known: Mapping[str, Any] = {}) -> Iterator[UserError]:
    """Check every ``_target_`` below a node: it is on the allow-list, its arguments bind, and its class accepts them.

    If a target is not on the allow-list, no class is called to check its arguments.

    Args:
        node: config node of mappings, lists and plain values.
        where: place of the node, a dotted key such as ``loss``.
        known: values of the run, such as its observations: further arguments of the node's own ``validate_args``.

    Yields:
        One error each; none if the node is valid.
    """
    targets: dict[str, Any] = {}
    refused: dict[str, UserError] = {}
    for place, inner in walk(node, where):
        try:
            targets[place] = find_target(inner, place)
        except UserError as error:
            refused |= {} if place.startswith(tuple(refused)) else {place: error}
    if refused:
        yield from refused.values()
        return  # nothing is asked of classes that have such parts
    for place, inner in walk(node, where):
        yield from _check_node(targets[place], inner, place, known if place == where else {})


def _check_node(built: Any, node: Mapping[str, Any], where: str, known: Mapping[str, Any]) -> Iterator[UserError]:
    if lacking := list_missing_methods(built):
        message, hint = f"{node[TARGET]} has no {', '.join(lacking)}", "write the method: docs/how-to/own-parts.md"
        yield UserError(message, code="missing-method", where=f"{where}.{TARGET}", hint=hint)
        return
    arguments = {key: value for key, value in node.items() if key not in (TARGET, PARTIAL)}
    errors = [*_check_values(node, where), *_check_arguments(built, arguments, where)]
    yield from errors
    if not errors and hasattr(built, "validate_args"):
        yield from _check_by_class(built, arguments | dict(known), where)


def _check_by_class(built: Any, arguments: Mapping[str, Any], where: str) -> Iterator[UserError]:
    """Errors that the class finds itself; it may not expect the types of a stranger's checkpoint."""
    try:
        for error in built.validate_args(**arguments):
            yield error.within(where) if error.where.startswith(OWN) else error
    except (TypeError, ValueError, AttributeError, KeyError, OSError) as error:
        message = f"its arguments cannot be read: {error}"
        yield UserError(message, code="value", where=where, hint=f"see the arguments of {built.__name__}")


def _check_values(node: Mapping[str, Any], where: str) -> Iterator[UserError]:
    if not isinstance(node.get(PARTIAL, True), bool):
        yield UserError(
            f"{node[PARTIAL]!r} is not possible", code="value", where=f"{where}.{PARTIAL}", hint="true or false"
        )
    for key, value in node.items():
        for text in filter(lambda text: "${" in text, _texts(value)):  # escaped: a reader of config.yaml may resolve it
            hint = "write the value itself, or an interpolation without a backslash"
            yield UserError(f"{text!r} was not resolved", code="unresolved", where=f"{where}.{key}", hint=hint)


def _texts(value: Any) -> Iterator[str]:
    """The strings in an argument, less those of nodes, which are checked where they stand."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and TARGET not in value:
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _takes_nothing(built: Any) -> bool:
    """Whether a module has torch's own constructor, whose signature takes anything and which refuses it all."""
    return inspect.isclass(built) and built.__init__.__module__ == "torch.nn.modules.module"


def _check_arguments(built: Any, arguments: dict[str, Any], where: str) -> Iterator[UserError]:
    parameters = inspect.signature(built).parameters
    given = GIVEN.get(where, ())
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values()) and not _takes_nothing(built)
    for key, value in arguments.items():
        if key in given:
            yield UserError(
                f"{key} is set by the run itself", code="reserved-argument", where=f"{where}.{key}", hint="leave it out"
            )
        elif key not in parameters and not open_ended:
            known = [p for p, one in parameters.items() if p not in given and one.kind is not one.VAR_KEYWORD]
            yield unknown_key_error(key, f"{where} ({built.__name__})", [p for p in known if p != "args"])
        elif key in parameters and (error := find_kind_error(parameters[key], value, f"{where}.{key}")):
            yield error
    for key, parameter in parameters.items():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if named and parameter.default is parameter.empty and key not in arguments and key not in given:
            yield UserError(
                f"{key} is missing", code="missing-argument", where=where, hint=f"give it: {where}.{key}=..."
            )
