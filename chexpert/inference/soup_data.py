"""The development patients of a soup: those that no member was trained on."""

from collections.abc import Mapping, Sequence
from typing import Any

from chexpert.data import CheXpertDataModule
from chexpert.data.split import join_parts, select_held_out

HELD = ("dev", "folds", "fold")


def get_held_out_setting(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the settings by which a run holds patients out; equal for equal patients."""
    data = config["data"]
    own = tuple(data.get(key) for key in HELD)
    return (*own, config["seed"]) if any(value is not None for value in own) else own


def hold_out_of_all(
    data: CheXpertDataModule, config: Mapping[str, Any], configs: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], bool, list[str]]:
    """Leave only those views in the split ``dev`` that all members held out; patients depend on the seed.

    Args:
        data: opened by the config of the first member; changed in place.
        config: of the first member.
        configs: of all members.

    Returns:
        The config of the soup, whether it has a split ``dev``, and notes on it. Where the members held out different
        patients, its config names none, so that no later command takes those of one member for the soup's.
    """
    if "dev" in data.frames and len({get_held_out_setting(own) for own in configs}) == 1:
        return dict(config), True, []
    alone = dict(config) | {"data": {key: value for key, value in config["data"].items() if key not in HELD}}
    if "dev" not in data.frames:
        return alone, False, []
    whole, own = join_parts(data.frames), len(data.frames["dev"])
    kept = set(data.frames["dev"]["path"])
    for other in configs:
        node = other["data"]
        held = select_held_out(whole, node.get("dev"), node.get("folds"), node.get("fold"), other["seed"])
        kept &= set(held["path"])
    data.keep_views("dev", kept)
    note = f"the members held out different patients: dev has the {len(kept)} views that all held out, of {own}"
    return alone, bool(kept), [note]


def note_start(config: Mapping[str, Any], held: bool) -> list[str]:
    """Return a note where the members began from weights of a run that may have been trained on ``dev``."""
    if not held or not config.get("start_from"):
        return []
    return [
        "the members' start (start_from) may have been trained on patients of dev: the order of members, calibration "
        "and thresholds that are chosen there are optimistic"
    ]
