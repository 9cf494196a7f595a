"""The generated pages of docs/reference: ``python -m chexpert.cli.reference_pages`` writes them anew."""

import ast
import importlib
import inspect
import re
from argparse import SUPPRESS, Action
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from chexpert.cli.corrections.reference import list_keys, write_default
from chexpert.cli.corrections.settings import Settings, write_value
from chexpert.cli.corrections.sources import Argument, find_definition, read_arguments, read_constants
from chexpert.cli.main import COMMANDS, import_command, make_parser
from chexpert.conf_folder import find_conf

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = "chexpert.config.schema"
KEY_COLUMNS = ("key", "default", "type", "meaning")
GENERATED = "This page is generated: `make docs` writes it anew."
SETTINGS_HEAD = f"""# Settings

The groups, options and keys of `chexpert train`. {GENERATED}

Choose an option of a group as `GROUP=OPTION`, and set one value as `KEY=VALUE`. `chexpert train --help` prints the same
list, and `chexpert train --cfg job` prints what would run. [Choose settings](../how-to/choose-settings.md) explains the
choices that matter most. The main file is `conf/train.yaml`, and each group is a folder beside it.
"""
COMMANDS_HEAD = f"""# Commands

Every command and its arguments. {GENERATED}

`chexpert COMMAND --help` prints the same. `chexpert --version` prints the version. Every command takes `allow=MODULE`:
see [own parts](../how-to/own-parts.md).

| command | |
|---|---|
"""
EXIT_CODES = """
## Exit codes

| exit code | of every command |
|---|---|
| 0 | done |
| 1 | what was checked or run is bad: a loss that is NaN, an unreadable image, a full disk, a failed job of a sweep |
| 2 | wrong usage |
| 3 | nothing to compare or to test: `chexpert reproduce`, `chexpert shortcuts` |
| 128 + the number of the signal | a run was stopped by a signal: 130 (Ctrl-C), 143 (SIGTERM) |

Progress, notes and warnings go to standard error by `logging.getLogger("chexpert")`, results to standard output.
"""

API = {
    "index": ("chexpert", "Python API", "The names of `import chexpert`."),
    "metrics": ("chexpert.metrics", "Metrics", "Functions of arrays, without torch."),
    "data": ("chexpert.data", "Data", "The data module, label policies and the phantom."),
    "models": ("chexpert.models", "Models", "Networks that map an image to logits."),
    "explain": ("chexpert.explain", "Explain", "Explainers and their quality."),
    "report": ("chexpert.report", "Report", "Reports from files of runs; no model is needed."),
    "errors": ("chexpert.errors", "Errors", "The error that a user can fix, and its codes."),
    "observations": ("chexpert.observations", "Observations", "The names and the hierarchy of the observations."),
}
"""The module, title and first sentence of each page of the Python API."""


def write_pages(settings: Settings) -> dict[str, str]:
    """Return the text of each generated page, by its path below docs/."""
    pages = {"reference/config.md": write_settings(settings), "reference/commands.md": write_commands()}
    return pages | {f"reference/api/{name}.md": write_module(*API[name]) for name in API}


def write_settings(settings: Settings) -> str:
    """Return the page of all groups, options and keys."""
    rows = [_list_choice(group, settings) for group in settings.groups]
    parts = [SETTINGS_HEAD, "## Groups\n", *_write_table(("group", "default", "options"), rows)]
    types = {key.name: key.annotation for key in read_arguments(f"{SCHEMA}.Config")}
    types |= {f"explain.{key.name}": key.annotation for key in read_arguments(f"{SCHEMA}.ExplainConfig")}
    top = [_list_key(name, key._replace(annotation=types[name])) for name, key in settings.top.items()]
    parts += ["\n## Top level\n", *_write_table(KEY_COLUMNS, top)]
    for group in settings.groups:
        parts += [f"\n## {group}\n", *_write_group(group, settings)]
    return "\n".join(parts) + "\n"


def _list_choice(group: str, settings: Settings) -> tuple[str, str, str]:
    default = settings.defaults.get(group)
    options = ", ".join(f"`{option}`" for option in settings.groups[group])
    written = write_value(default).replace(",", ", ")  # may break there
    return f"[`{group}`](#{group})", f"`{written}`", options


def _write_group(group: str, settings: Settings) -> Iterator[str]:
    options = [(f"`{group}={option}`", _describe(group, option, settings)) for option in settings.groups[group]]
    yield from _write_table(("option", "meaning"), options)
    if group == "experiment":
        return
    rows = [_list_key(name, key, option) for name, key, option in list_keys(group, settings)]
    yield ""
    yield from _write_table(KEY_COLUMNS, rows)


def _describe(group: str, option: str, settings: Settings) -> str:
    """The first sentence of an option's file, else of its class."""
    node = settings.read_option(group, option)
    if group == "backbone" and "name" in node:
        return f"timm's `{node['name']}`"
    comment = re.match(r"(?:# ?@.*\n)?((?:#.*\n)+)", settings.find_file(group, option).read_text(encoding="utf-8"))
    text = re.sub(r"\n?^# ?", " ", comment[1], flags=re.MULTILINE) if comment else _read_docs(_find_target(node))
    return _take_sentence(text)


def _find_target(node: dict[str, object]) -> str:
    inner = next((one for one in node.values() if isinstance(one, dict)), {})
    return str(node.get("_target_") or inner.get("_target_", ""))


def _read_docs(target: str) -> str:
    module, _, name = target.rpartition(".")
    found = find_definition(module, name) if module else None
    return (ast.get_docstring(found.node) if found else "") or ""


def _take_sentence(text: str) -> str:
    first = " ".join(text.strip().split("\n\n")[0].split())
    return _plain(re.split(r"(?<=[^.])(?<! al)\. ", first)[0].rstrip("."))


def _plain(text: str) -> str:
    """Turn the roles of a docstring into code."""
    return re.sub(r":\w+:`[~.]?(.*?)`", r"`\1`", text).replace("``", "`")


def _list_key(name: str, key: Argument, option: str = "") -> tuple[str, str, str, str]:
    kind = key.annotation.replace("collections.abc.", "")
    meaning = _plain(key.line)
    only = f"of `{option}`: " if option else ""
    return f"`{name}`", f"`{write_default(key)}`", f"`{kind}`" if kind else "", f"{only}{meaning}".strip().rstrip(":")


def _write_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    columns = tuple(columns)
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield f"| {' | '.join(_escape(cell) for cell in row)} |"


def _escape(cell: str) -> str:
    """Keep a cell in its column, and its angle brackets from being read as HTML."""
    parts = cell.replace("|", r"\|").split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))


def write_commands() -> str:
    """Return the page of all commands, from their parsers."""
    listed = "\n".join(f"| [`chexpert {name}`](#chexpert-{name}) | {line} |" for name, line in COMMANDS.items())
    return COMMANDS_HEAD + listed + "\n" + EXIT_CODES + "".join(map(_write_command, COMMANDS))


def _write_command(name: str) -> str:
    head = f"\n## chexpert {name}\n\n"
    module = import_command(name)
    if not hasattr(module, "add_arguments"):
        return f"{head}{COMMANDS[name].capitalize()}. Its arguments are [settings](config.md).\n"
    parser = make_parser(name)
    actions = [action for action in parser._actions if action.help != SUPPRESS and action.dest != "help"]
    rows = [(f"`{_write_argument(action)}`", str(action.help or "")) for action in actions]
    first, _, rest = inspect.cleandoc(parser.description or "").partition("\n\n")
    first = _plain(first)
    text = f"{first}\n\n```text\n{rest}\n```\n" if rest else f"{first}\n"
    return "\n".join([head + text, *_write_table(("argument", "meaning"), rows)]) + "\n"


def _write_argument(action: Action) -> str:
    values = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""
    metavar = action.metavar[0] if isinstance(action.metavar, tuple) else action.metavar
    value = "" if action.nargs == 0 else metavar or values or action.dest.upper()
    many = " ..." if action.nargs in ("+", "*") else ""
    return f"{', '.join(action.option_strings)} {value}{many}".strip()


def write_module(module: str, title: str, line: str) -> str:
    """Return the page of a module: a table that reads anywhere, and the directive that mkdocstrings fills."""
    found = importlib.import_module(module)
    names = [name for name in getattr(found, "__all__", _list_own(found)) if name != "__version__"]
    rows = [(f"`{name}`", _describe_object(found, name)) for name in names]
    table = "\n".join(_write_table(("name", "meaning"), rows))
    pages = [f"[{API[name][1]}]({name}.md)" for name in API if name != "index"]
    others = f"\nOne page for each package: {', '.join(pages)}. [Use Python](../../how-to/python.md) has examples.\n"
    head = f"# {title}\n\n{line} {GENERATED}\n{others if module == 'chexpert' else ''}"
    listed = "".join(f"        - {name}\n" for name in names)
    return f"{head}\n{table}\n\n::: {module}\n    options:\n      members:\n{listed}"


def _list_own(module: ModuleType) -> Iterator[str]:
    """The public names that a module without ``__all__`` defines, with a description each."""
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__ or name in read_constants(module.__name__)
        if own and not name.startswith("_"):
            yield name


def _describe_object(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    constants = read_constants("chexpert.observations") | read_constants(module.__name__)
    return _take_sentence(constants.get(name) or inspect.getdoc(value) or "")


def main() -> None:
    """Write the pages."""
    for name, text in write_pages(Settings(find_conf())).items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
