"""How the configs of runs differ: what makes another run, what may change on resume, which runs are replicates."""

from collections.abc import Mapping, Sequence
from typing import Any

from chexpert.runs.config_keys import flatten
from chexpert.weights import names_a_file, parse_source

Config = Mapping[str, Any]
_MISSING = object()

PLACES = ("name", "data.root", "data.cache", "data.num_workers", "data.skip_limit", "gate", "tta")
"""Keys that change no metric; the predictions of test-time augmentation, and the gate, stand beside the others."""

REPLICATE = ("seed", "data.fold")
"""Keys that make another replicate of the same configuration."""

AFTER = ("calibration", "explain", "explainer", "thresholds", "tta")
"""Keys of what is done once the best weights have been evaluated."""

MAY_CHANGE = (
    *AFTER,
    "gate",
    "logger",
    "recipe",
    "resume",
    "save_every_n_minutes",
    "data.cache",
    "data.num_workers",
    "data.skip_limit",
    "trainer.devices",
    "trainer.enable_model_summary",
    "trainer.enable_progress_bar",
    "trainer.max_epochs",
    "trainer.num_nodes",
    "trainer.strategy",
    "trial",
)
"""Keys that a resumed run may change: the metrics do not depend on them, or they say how long to train."""

PATHS = (
    "data.root", "data.root.parent", "data.test", "data.manifest", "data.corrections", "features", "labels.file",
    "labels.predictions",
    "start_from",
)  # fmt: skip
"""Keys that name files, as every ``pretrained`` does: where these lie may change, what they hold may not."""


def list_differing_keys(settings: Sequence[Config], missing: Any = _MISSING) -> list[str]:
    """Return the dotted keys whose values differ, in the order of the settings.

    Args:
        settings: of each run, flat.
        missing: the value of a key that a run lacks; by default it equals no other.

    >>> list_differing_keys([{"a": 1, "b": None}, {"a": 2}]), list_differing_keys([{"b": None}, {}], missing=None)
    (['a', 'b'], [])
    """
    keys = dict.fromkeys(key for own in settings for key in own)
    return [key for key in keys if any(own.get(key, missing) != settings[0].get(key, missing) for own in settings)]


def describe_changes(old: Config, new: Config, keys: Sequence[str]) -> list[str]:
    """Return one line for each key, with its value before and now.

    >>> describe_changes({"seed": 0}, {"seed": 1}, ["seed", "level"])
    ['seed: 0 before, 1 now', 'level: not set before, not set now']
    """
    return [f"{key}: {old.get(key, 'not set')} before, {new.get(key, 'not set')} now" for key in keys]


def changes_no_metric(key: str) -> bool:
    """Return whether a key changes no metric; the text of a recipe and the trackers change none."""
    return key in PLACES or key.partition(".")[0] in ("logger", "recipe")


def find_differences(settings: Sequence[Config]) -> list[str]:
    """Return the keys in which runs differ and that can change a metric; a missing key counts.

    >>> find_differences([{"a": 1, "b": 2, "name": "x"}, {"a": 1, "b": 3}])
    ['b']
    """
    return [key for key in list_differing_keys(settings) if not changes_no_metric(key)]


def group_replicates(settings: Sequence[Config]) -> list[list[int]]:
    """Return the indices of the runs of each configuration, which differ by seed and fold alone.

    A run without settings is a group of its own.

    >>> group_replicates([{"lr": 1, "seed": 0}, {"lr": 2, "seed": 0}, {"lr": 1, "seed": 1}, {}])
    [[0, 2], [1], [3]]
    """
    groups: dict[Any, list[int]] = {}
    for index, own in enumerate(settings):
        kept = {key: own[key] for key in own if not changes_no_metric(key) and not _is_seed_or_fold(key, own)}
        groups.setdefault(repr(sorted(kept.items())) if own else index, []).append(index)
    return list(groups.values())


def _is_seed_or_fold(key: str, own: Config) -> bool:
    """Return whether a key is the seed or fold, or repeats the run's seed; that of the phantom makes other data."""
    repeats = key.endswith(".seed") and key != "data.root.seed" and own[key] == own.get("seed")
    return key in REPLICATE or repeats


def get_seed_and_fold(own: Config) -> tuple[Any, ...]:
    """Return the seed and fold of a run."""
    return tuple(own.get(key) for key in REPLICATE)


def find_changes(before: Config, now: Config) -> list[str]:
    """Return one line for each setting that makes ``now`` another run than ``before``.

    >>> find_changes({"seed": 0, "data": {"num_workers": 2}}, {"seed": 1, "data": {"num_workers": 0}})
    ['seed: 0 before, 1 now']
    """
    old, new = flatten(before), flatten(now)
    keys = [
        key for key in sorted(list_differing_keys([old, new], missing=None))
        if not any(f"{key}.".startswith(f"{may}.") for may in MAY_CHANGE)
        and not (key == "trainer.precision" and key not in new)  # the device chooses it later
        and not _is_path(key, old.get(key), new.get(key))
    ]  # fmt: skip
    return describe_changes(old, new, keys)


def find_later_changes(before: Config, now: Config) -> list[str]:
    """Return one line for each changed setting of what follows training and evaluation."""
    old, new = (flatten({key: config.get(key) for key in AFTER}) for config in (before, now))
    return describe_changes(old, new, sorted(list_differing_keys([old, new])))


def names_weights(key: str) -> bool:
    """Return whether a key names the weights that training begins from."""
    return key == "start_from" or key.rpartition(".")[2] == "pretrained"


def _is_path(key: str, before: Any, now: Any) -> bool:
    """Return whether a key names a file or folder, before and now; ``data.test`` may be true: beside the others."""
    if names_weights(key) and key != "start_from":
        return names_a_file(before) and names_a_file(now) and _name_card(before) == _name_card(now)
    return key in PATHS and all(
        isinstance(path, str) or (path is True and key == "data.test") for path in (before, now)
    )


def _name_card(value: str) -> str:
    """The name of the card that a file is a copy of, empty for others."""
    source = parse_source(value)
    return source.card.name if source.card else ""


def list_moved(before: Config, now: Config) -> dict[str, tuple[str, str]]:
    """Return the old and the new path of each file that moved, by key.

    >>> list_moved({"data": {"root": "a"}, "seed": 0}, {"data": {"root": "b"}, "seed": 0})
    {'data.root': ('a', 'b')}
    """
    old, new = flatten(before), flatten(now)
    moved = [key for key in old if old[key] != new.get(key) and _is_path(key, old[key], new.get(key))]
    return {key: (str(old[key]), str(new[key])) for key in moved}


def describe_moved(before: Config, now: Config, *, begun: bool) -> list[str]:
    """Return one line for each file that moved.

    Args:
        before: the config of the run.
        now: the config that resumes it.
        begun: whether the weights come from a checkpoint.

    >>> config = {"start_from": "a", "features": "x"}
    >>> describe_moved(config, {"start_from": "b", "features": "x"}, begun=True)
    ['start_from stays a: the weights come from the checkpoint, and b is not read']
    """
    keys: dict[tuple[str, str], str] = {}
    for key, paths in sorted(list_moved(before, now).items(), key=lambda one: len(one[0])):
        keys.setdefault(paths, key)  # a backbone stands in the model, too
    return [
        f"{key} stays {old}: the weights come from the checkpoint, and {new} is not read"
        if begun and names_weights(key)
        else f"{key}: {old} before, {new} now"
        for (old, new), key in keys.items()
    ]


def keep_original_paths(before: Config, now: Config) -> dict[str, Any]:
    """Return ``now``, with the files of weights of ``before``: a run that resumes from a checkpoint reads no others.

    >>> before = {"start_from": "a", "x": {"pretrained": True}}
    >>> keep_original_paths(before, {"start_from": "b", "x": {"pretrained": "c"}})
    {'start_from': 'a', 'x': {'pretrained': 'c'}}
    """
    kept = dict(now)
    for key, value in now.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            kept[key] = keep_original_paths(old, value)
        elif names_weights(key) and _is_path(key, old, value):
            kept[key] = old
    return kept
