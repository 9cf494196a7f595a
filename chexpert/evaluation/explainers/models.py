"""The models whose explainers are compared: folders of the same weights are one model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from chexpert.evaluation.explainers.quality_files import Quality, Rows

ViewRows = Mapping[str, Mapping[str, float]]
"""The metrics of the maps of one observation, by view."""


@dataclass(frozen=True)
class Entry:
    """An explainer of a model.

    Attributes:
        name: distinct among those of its model.
        explainer: the name in its folder.
        scored: its part of quality.json.
        rows: its part of quality.csv; empty for a run of an older version.
        quality: of its folder.
    """

    name: str
    explainer: str
    scored: Mapping[str, Any]
    rows: Rows
    quality: Quality

    @property
    def control(self) -> bool:
        """Whether the explainer does not ask the model."""
        return bool(self.scored["control"])

    @cached_property
    def by_observation(self) -> Mapping[str, ViewRows]:
        """The rows of each observation, by view."""
        found: dict[str, dict[str, Mapping[str, float]]] = {}
        for (view, observation), row in self.rows.items():
            found.setdefault(observation, {})[view] = row
        return found


@dataclass(frozen=True)
class ScoredModel:
    """A model and its explainers.

    Attributes:
        folders: that hold its scores.
        entries: its explainers.
    """

    folders: Sequence[Quality]
    entries: Sequence[Entry]

    @property
    def observations(self) -> list[str]:
        """All observations of which an explainer was scored, in their order."""
        names = [name for entry in self.entries for name in entry.scored["observations"]]
        return list(dict.fromkeys(names))

    @property
    def views(self) -> set[str]:
        """The views of which rows are stored."""
        return {view for entry in self.entries for view, _ in entry.rows}

    @property
    def config(self) -> Mapping[str, Any]:
        """The config of the run; empty where no folder has one."""
        return next((one.config for one in self.folders if one.config), {})


def group_models(folders: Sequence[Quality]) -> list[ScoredModel]:
    """Group folders by the digest of their weights; one of an older version, without a digest, is its own model."""
    groups: dict[object, list[Quality]] = {}
    for quality in folders:
        groups.setdefault(quality.content.get("weights") or quality.explanations, []).append(quality)
    return [ScoredModel(own, _list_entries(own)) for own in groups.values()]


def _list_entries(folders: Sequence[Quality]) -> list[Entry]:
    names = [name for quality in folders for name in quality.content["explainers"]]
    tails = shorten_folders([quality.folder for quality in folders])
    return [
        Entry(
            name if names.count(name) == 1 else f"{name} ({tail})",
            name,
            scored,
            quality.rows.get(name, {}),
            quality,
        )
        for quality, tail in zip(folders, tails, strict=True)
        for name, scored in quality.content["explainers"].items()
    ]


def shorten_folders(folders: Sequence[Path]) -> list[str]:
    """Return the last parts of each folder, as many as no other folder ends with.

    >>> shorten_folders([Path("/a/explained"), Path("/b/explained"), Path("/b/more")])
    ['a/explained', 'b/explained', 'more']
    """
    parts = [folder.resolve().parts for folder in folders]
    return [_shorten(own, parts) for own in parts]


def _shorten(own: tuple[str, ...], parts: Sequence[tuple[str, ...]]) -> str:
    tails = (own[-length:] for length in range(1, len(own)))
    distinct = (tail for tail in tails if sum(other[-len(tail) :] == tail for other in parts) == 1)
    return str(Path(*next(distinct, own)))


def describe_network(config: Mapping[str, Any]) -> str | None:
    """Describe the model of a run in two or three words, such as ``single resnet18``; None where it is not known.

    >>> describe_network({"model": {"_target_": "chexpert.models.Single"}, "backbone": {"name": "resnet18"}})
    'single resnet18'
    """
    model, backbone = config.get("model"), config.get("backbone")
    if not isinstance(model, Mapping):
        return None
    members = model.get("members")
    nodes = list(members.values()) if isinstance(members, Mapping) and members else [backbone]
    names = [str(node["name"]) for node in nodes if isinstance(node, Mapping) and node.get("name")]
    kind = str(model.get("_target_", "")).rpartition(".")[2].lower()
    return f"{kind} {' + '.join(Path(name).name for name in names)}".strip() or None
