"""The arguments of a class or function, read from its source: importing torch for them would take seconds."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

Definition = ast.ClassDef | ast.FunctionDef


class Argument(NamedTuple):
    """An argument as its source has it: default ("" for none) and annotation as written, and its line of the docs."""

    name: str
    default: str
    annotation: str
    line: str


class Found(NamedTuple):
    """A definition, and the module in which it stands."""

    node: Definition
    module: str


@cache
def read_arguments(target: str) -> tuple[Argument, ...]:
    """Return the named arguments of a dotted class or function, in order; none where its source cannot be found.

    >>> [argument.name for argument in read_arguments("chexpert.training.OneCycle")][:2]
    ['optimizer', 'total_steps']
    """
    module, _, name = target.rpartition(".")
    found = find_definition(module, name)
    return tuple(_list_arguments(found)) if found else ()


@cache
def is_open_ended(target: str) -> bool:
    """Return whether any argument may be given, or it is not known which."""
    module, _, name = target.rpartition(".")
    found = find_definition(module, name)
    if found is None:
        return True
    function = _find_function(found)
    return function is not None and function[0].args.kwarg is not None


@cache
def find_definition(module: str, name: str) -> Found | None:
    """Return the definition of a name of a module, also through imports."""
    text = _read(module)
    if statement := _cut(text, rf"(?:@.*\n)*(?:class|def) {name}\b"):
        return Found(_parse(statement, text, name), module)
    for source, names in re.findall(r"^from ([\w.]+) import (\([^)]*\)|.*)", text, re.MULTILINE):
        if match := re.search(rf"(?:(\w+) as )?\b{name}\b(?! as)", names):
            return find_definition(source, match[1] or name)
    return None


def read_literal(module: str, name: str) -> Any:
    """Return the value of a constant of a module, which must be a literal."""
    assigned = ast.parse(_cut(_read(module), rf"{name} =")).body[0]
    assert isinstance(assigned, ast.Assign)
    return ast.literal_eval(assigned.value)


def read_constants(module: str) -> dict[str, str]:
    """Return the text below each constant of a module that has one, by name."""
    body = ast.parse(_read(module)).body
    pairs = pairwise(body)
    assigned = (ast.Assign, ast.AnnAssign)
    return {
        _get_name(one): _find_text(below.value)
        for one, below in pairs
        if isinstance(one, assigned) and isinstance(below, ast.Expr) and _find_text(below.value)
    }


def _get_name(node: ast.Assign | ast.AnnAssign) -> str:
    return ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)


def _cut(text: str, start: str) -> str:
    """The statement of the top level that begins so; empty where there is none."""
    match = re.search(rf"^{start}.*\n(?:(?:[ \t)}}\]#].*)?\n)*", text, re.MULTILINE)
    return match[0] if match else ""


def _parse(statement: str, text: str, name: str) -> Definition:
    """A definition, of a class up to the end of its ``__init__``: the whole of a long module takes 20 times as long."""
    head = re.match(r".*?^    def __init__\b.*?(?=^    (?:@|def|async)\b|\Z)", statement, re.DOTALL | re.MULTILINE)
    try:
        tree = ast.parse(head[0] if head else statement)
    except SyntaxError:  # a text of several lines that begins where a statement does
        tree = ast.parse(text)
    return next(node for node in tree.body if isinstance(node, Definition) and node.name == name)


@cache
def _read(module: str) -> str:
    """The source of a module, empty where it cannot be found."""
    package, *inner = module.split(".")
    spec = importlib.util.find_spec(package) if package else None  # of a package on top: imports nothing
    for folder in (spec and spec.submodule_search_locations) or ():
        for path in (Path(folder, *inner).with_suffix(".py"), Path(folder, *inner, "__init__.py")):
            if path.is_file() and (inner or path.name == "__init__.py"):
                return path.read_text(encoding="utf-8")
    return ""


def is_installed(module: str) -> bool:
    """Return whether a module can be imported, as far as its place shows."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # nor what is above it
        return False


def _find_function(found: Found) -> tuple[ast.FunctionDef, Found] | None:
    """The function that takes the arguments, of the class itself or of the first base that has one."""
    if isinstance(found.node, ast.FunctionDef):
        return found.node, found
    for node in found.node.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return node, found
    for base in found.node.bases:
        inherited = find_definition(found.module, base.id) if isinstance(base, ast.Name) else None
        if inherited and (function := _find_function(inherited)):
            return function
    return None


def _list_arguments(found: Found) -> Iterator[Argument]:
    function = _find_function(found)
    if function is None:
        yield from _list_fields(found)
        return
    node, owner = function
    lines = {} if owner == found else _read_docs(owner)
    lines |= _read_docs(found)
    given = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(given) - len(node.args.defaults)) + list(node.args.defaults)
    pairs = [*zip(given, defaults, strict=True), *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
    for argument, default in pairs:
        if argument.arg != "self":
            written = _write(_resolve(default, owner.module))
            yield Argument(argument.arg, written, _write(argument.annotation), lines.get(argument.arg, ""))


def _resolve(default: ast.expr | None, module: str) -> ast.expr | None:
    """Replace a field of a data class, such as ``Options.seed``, by the default of the field."""
    if not (isinstance(default, ast.Attribute) and isinstance(default.value, ast.Name)):
        return default
    found = find_definition(module, default.value.id)
    for node in found.node.body if found else ():
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == default.attr:
            return node.value
    return default


def _list_fields(found: Found) -> Iterator[Argument]:
    """The fields of a data class, its own before those of its bases."""
    if isinstance(found.node, ast.FunctionDef) or not found.node.decorator_list:
        return
    lines = _read_docs(found)
    for node in found.node.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            yield Argument(name, _write(node.value), _write(node.annotation), lines.get(name, ""))
    for base in found.node.bases:
        inherited = find_definition(found.module, base.id) if isinstance(base, ast.Name) else None
        yield from _list_fields(inherited) if inherited else ()


def _write(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


def _read_docs(found: Found) -> dict[str, str]:
    """The first sentence on each argument."""
    texts = [ast.get_docstring(found.node) or ""]
    texts += [ast.get_docstring(node) or "" for node in found.node.body if isinstance(node, ast.FunctionDef)][:1]
    # As torch writes the docs of its optimizers.
    assigned = _cut(_read(found.module), rf"{found.node.name}\.__doc__ =")
    texts.append("".join(map(_find_text, ast.walk(ast.parse(assigned)))))
    return {name: line for text in reversed(texts) for name, line in _split_docs(text)}


def _find_text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _split_docs(text: str) -> Iterator[tuple[str, str]]:
    _, _, listed = re.sub(r"\b(Attributes|Args):", "Args:", text).partition("Args:")
    for entry in re.split(r"\n(?= {2,8}[\w*]+ ?(?:\([^\n]*\))?: ?)", listed):
        if match := re.match(r"\s*([\w*]+) ?(?:\([^\n]*?\))?:\s*(.*)", entry, re.DOTALL):
            words = " ".join(match[2].split("\n\n")[0].split())
            yield match[1].strip("*"), re.split(r"(?<=[^.]{3})\. |; see|;", words.replace("``", ""))[0].rstrip(".")
