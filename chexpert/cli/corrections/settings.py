"""All that can be set: the groups and their options, the keys of the top level, and those of every class."""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from chexpert.cli.corrections.own_folder import check_own_folder, read_yaml
from chexpert.cli.corrections.sources import Argument, is_open_ended, read_arguments, read_literal

GIVEN = read_literal("chexpert.config.allowed_targets", "GIVEN")
LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w.]+):(?P<value>[^#\n]*)(?:#(?P<line>.*))?$")
LISTED = read_literal("chexpert.config.schema", "LISTED")
UNFILLED = ("defaults", "hydra", "explain")
"""Of train.yaml, what is no key by itself."""


class Settings:
    """What folders of configs and the signatures of the classes that they name let one set.

    Args:
        conf: the folder with train.yaml and a folder for each group.
        own: another one with more options, of ``--config-dir``.

    Raises:
        UserError: the own folder is missing, or has a file of the same name; Hydra would never read that file.
    """

    def __init__(self, conf: Path, own: Path | None = None) -> None:
        self.conf = conf
        self.folders = [conf, own] if own else [conf]
        if own:
            check_own_folder(own, conf)
        self._nodes: dict[str, dict[str, dict[str, Any]]] = {}

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """The options of each group, by name."""
        names = {path.name for folder in self.folders for path in folder.iterdir() if path.is_dir()}
        return {name: sorted(self._list_files(name)) for name in sorted(names - {"hydra"})}

    def _list_files(self, group: str) -> dict[str, Path]:
        """The file of each option of a group, by name."""
        return {file.stem: file for folder in self.folders for file in (folder / group).glob("*.yaml")}

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The option of each group that train.yaml chooses; a list, or None for none."""
        entries = read_yaml((self.conf / "train.yaml").read_text())["defaults"]
        return {key: value for entry in entries if isinstance(entry, dict) for key, value in entry.items()}

    @cached_property
    def top(self) -> dict[str, Argument]:
        """The keys that no group fills, those of ``explain`` with their dot, by name."""
        keys, above = {}, ""
        for match in filter(None, map(LINE.match, (self.conf / "train.yaml").read_text().splitlines())):
            above = above if match["indent"] else match["key"]
            if above not in UNFILLED or (above == "explain" and match["indent"]):
                name = f"explain.{match['key']}" if match["indent"] else match["key"]
                keys[name] = Argument(name, match["value"].strip(), "", (match["line"] or "").strip())
        return keys

    def find_file(self, group: str, option: str) -> Path:
        """Return the file of an option."""
        return self._list_files(group)[option]

    def read_option(self, group: str, option: str) -> dict[str, Any]:
        """Read the file of an option, with the options it builds on; empty where there is none."""
        file = self._list_files(group).get(option)
        node = dict(read_yaml(file.read_text()) or {}) if file else {}
        below: dict[str, Any] = {}
        for entry in node.pop("defaults", ()) or () if group != "experiment" else ():
            above = entry.removeprefix(f"/{group}/") if isinstance(entry, str) else "_self_"
            below |= self.read_option(group, above) if above != "_self_" else {}
        # in a file of the whole config its own group is one key of it
        whole = group not in LISTED and isinstance(node.get(group), dict)
        return below | (node[group] if whole else node)

    def list_nodes(self, group: str) -> dict[str, dict[str, Any]]:
        """Return the nodes that can stand at each place of a group, by place, such as explainer.lime."""
        if group in self._nodes:
            return self._nodes[group]
        nodes: dict[str, dict[str, Any]] = self._nodes.setdefault(group, {})
        for option in self.groups.get(group, ()):
            node = self.read_option(group, option)
            for place, inner in node.items() if group in LISTED else [(option, node)]:
                nodes[place] = inner if isinstance(inner, dict) else {}  # Hydra reports the other ones
        return nodes

    def list_keys(self, group: str, option: str) -> dict[str, Argument]:
        """Return the keys of an option (of explainers and loggers: of the one of that name), with its own defaults."""
        node = self.list_nodes(group).get(option, {})
        given = GIVEN.get(group, ())
        keys = {a.name: a for a in read_arguments(str(node.get("_target_", ""))) if a.name not in given}
        for name, value in node.items():
            value = node["default"] if value == "${.default}" else value
            if name in keys and not isinstance(value, Mapping):
                keys[name] = keys[name]._replace(default=write_value(value))
            elif name in keys and group == "data" and "_target_" in value:
                inner = read_arguments(str(value["_target_"]))
                keys |= {f"{name}.{one.name}": one for one in inner if one.name not in value}
        return keys

    def find_options(self, group: str, key: str) -> list[str]:
        """Return the options of a group whose class takes a key."""
        return [
            option
            for option in self.list_nodes(group)
            if any(key in (name, name.partition(".")[0]) for name in self.list_keys(group, option))
        ]

    def takes_any(self, group: str, option: str) -> bool:
        """Return whether the keys of an option are not known, so that any may be given."""
        return is_open_ended(str(self.list_nodes(group).get(option, {}).get("_target_", "")))

    def choose(self, choices: Mapping[str, str]) -> dict[str, Any]:
        """Return the option of each group that a command chooses, as typed or by its ``experiment``."""
        chosen = self.defaults | self._choose_by("experiment", choices.get("experiment", "")) | dict(choices)
        for group, option in chosen.items():
            chosen = chosen | (self._choose_by(group, option) if group != "experiment" else {}) | dict(choices)
        return chosen

    def _choose_by(self, group: str, option: Any) -> dict[str, Any]:
        """What an option chooses of other groups, and the classes it puts into them: a recipe, or model=patches."""
        chosen: dict[str, Any] = self._list_classes(group, option)
        for entry in self._read_defaults(group, option):
            if isinstance(entry, dict):
                chosen |= {key.removeprefix("override ").lstrip("/"): value for key, value in entry.items()}
            elif entry != "_self_":
                chosen |= self._choose_by(group, entry.removeprefix(f"/{group}/"))
        return chosen

    def _list_classes(self, group: str, option: Any) -> dict[str, Any]:
        """The class that an option of one group puts into each other group, as model=patches into the backbone."""
        nodes = self._read_file(group, option)
        return {
            f"{other}._target_": node["_target_"]
            for other, node in nodes.items()
            if other in self.groups and other != group and isinstance(node, dict) and "_target_" in node
        }

    def _read_file(self, group: str, option: Any) -> dict[str, Any]:
        """What the file of an option says itself; empty where there is none."""
        file = self._list_files(group).get(str(option)) if group in self.groups else None
        node = read_yaml(file.read_text()) if file else None
        return node if isinstance(node, dict) else {}

    def _read_defaults(self, group: str, option: Any) -> list[Any]:
        return self._read_file(group, option).get("defaults") or []

    def list_inherited(self, recipe: str) -> list[str]:
        """Return a recipe and the recipes that it builds on."""
        above = [entry for entry in self._read_defaults("experiment", recipe) if isinstance(entry, str)]
        names = [entry.removeprefix("/experiment/") for entry in above if entry != "_self_"]
        return [recipe, *(one for name in names for one in self.list_inherited(name))]


def write_value(value: Any) -> str:
    """Return a value as it is typed.

    >>> write_value([0.5, None, True]), write_value("a")
    ('[0.5,null,true]', 'a')
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(write_value, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def list_networks() -> set[str]:
    """Return the names of timm's networks, read from its source."""
    spec = importlib.util.find_spec("timm")
    names: set[str] = set()
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in Path(folder, "models").glob("*.py"):
            names.update(re.findall(r"@register_model\s+def (\w+)\(", file.read_text(encoding="utf-8")))
    return names
