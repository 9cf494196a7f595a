"""``--help``: every key with its default and a line, from train.yaml and the signatures and docs of the classes."""

import re
import textwrap
from collections.abc import Iterator

from chexpert.cli.corrections.settings import LISTED, Settings, write_value
from chexpert.cli.corrections.sources import Argument

HEAD = """chexpert train [KEY=VALUE | GROUP=OPTION]...       one run
chexpert train -m KEY=VALUE,VALUE GROUP=OPTION,...  a sweep over every combination
chexpert train resume=RUN                           resume what stopped

No value is null, a list is [a,b], and what has spaces or brackets stands in quotes: 'mean_over=[Pleural Effusion]'.
--cfg job prints what would run; --hydra-help lists Hydra's own options."""
WIDTH = 120
INDENT = " " * 49
"""Of what does not fit into the line: below its beginning."""


def write_reference(settings: Settings) -> str:
    """Return the text of ``--help``: all that can be chosen and set."""
    parts = [HEAD, "Groups (GROUP=OPTION), the default first:", *_list_groups(settings), "Settings:"]
    parts += ["\n".join(_write(name, key) for name, key in settings.top.items())]
    for group in settings.defaults:
        if group in settings.groups and group != "experiment":
            parts.append("\n".join(_list_group(group, settings)))
    return "\n\n".join(parts).replace(":\n\n  ", ":\n  ")


def _list_groups(settings: Settings) -> Iterator[str]:
    lines = []
    for group, options in settings.groups.items():
        default = settings.defaults.get(group)
        first = [write_value(default).replace(",", ", ")] if isinstance(default, list) else [str(default or "null")]
        listed = ", ".join([*first, *(option for option in options if option not in first)])
        lines.append(textwrap.fill(listed, WIDTH, initial_indent=f"  {group:<11} ", subsequent_indent=" " * 14))
    yield "\n".join(lines)


def _list_group(group: str, settings: Settings) -> Iterator[str]:
    yield f"{group}:"
    yield from (_write(name, key, option) for name, key, option in list_keys(group, settings))


def list_keys(group: str, settings: Settings) -> Iterator[tuple[str, Argument, str]]:
    """Yield each key of a group once: its whole name, the argument, and the option that has it ("" where most do)."""
    nodes = list(settings.list_nodes(group))
    first = settings.defaults.get(group)
    nodes.sort(key=lambda option: option != first)
    seen = set()
    for option in nodes:
        for name, key in settings.list_keys(group, option).items():
            place = f"{group}.{option}.{name}" if group in LISTED else f"{group}.{name}"
            if place in seen or (group == "model" and name in ("backbone", "members")):
                continue
            seen.add(place)
            shared = option == first or len(nodes) == 1 or group in ("data", *LISTED)
            yield place, key, "" if shared else option


def write_default(key: Argument) -> str:
    """Return the default of a key as it is typed, "-" for none."""
    default = {"None": "null", "True": "true", "False": "false", "": "-"}.get(key.default, key.default).strip("'")
    return re.sub(r"^\((.*)\)$", r"[\1]", default).replace("oc.env:", "")


def _write(name: str, key: Argument, option: str = "") -> str:
    line = re.sub(r":\w+:`[~.]?(.*?)`", r"\1", key.line).replace("`", "")
    line = f"({option}) {line}" if option else line
    head = f"  {name:<31} {write_default(key):<14} "
    return textwrap.fill(line, WIDTH, initial_indent=head, subsequent_indent=INDENT) or head.rstrip()
