"""What a split holds, wherever it lies: a run goes on with the same views, labels and images, from any folder."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chexpert.data.dataset import ViewDataset

SAMPLE = 16
"""Images of a split whose bytes are compared: all images of another size or format differ, a repaired one alone."""

OTHERS = 3
"""So many of them with other bytes are other data. Where one image in a hundred of a split was repaired, three or more
of 16 are among them once in 2,000 times; where a third of all is other, in 95 % of the times."""


def identify(frame: pd.DataFrame, dataset: ViewDataset) -> dict[str, Any]:
    """Digests of what counts and fingerprint leave out: the order of the rows, the targets, and some images."""
    places = np.unique(np.linspace(0, len(frame) - 1, SAMPLE).astype(int))[: len(frame)]
    return {
        "order": _digest("\n".join(frame["key"]).encode()),
        "targets": _digest(np.ascontiguousarray(dataset.targets).tobytes(), np.packbits(dataset.mask).tobytes()),
        "images": {str(frame["key"].iloc[place]): _digest_file(Path(frame["file"].iloc[place])) for place in places},
    }


def list_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In what the splits of two ``data.json`` differ, where both have them; their folders do not matter."""
    shared = [split for split in before if split in now]
    return [line for split in shared for line in _compare(split, before[split], now[split])]


def _compare(split: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[str]:
    if before.get("fingerprint") != now["fingerprint"]:
        yield f"{split}: {_describe(before)} before, {_describe(now)} now"
        return
    old, new = before.get("content", {}), now["content"]  # a run of an older version kept none
    if old.get("order", new["order"]) != new["order"]:
        yield f"{split}: the same rows in another order"
    if old.get("targets", new["targets"]) != new["targets"]:
        yield f"{split}: other targets for the same labels"
    count, changed = _compare_images(before, now)
    if len(changed) >= OTHERS or 2 * len(changed) > count:
        yield _tell_changed(split, count, changed)


def list_repaired(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The splits of which some compared images have other bytes than they had."""
    pairs = {split: _compare_images(before[split], now[split]) for split in before if split in now}
    return [_tell_changed(split, count, changed) for split, (count, changed) in pairs.items() if changed]


def _compare_images(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[int, list[str]]:
    """How many images of a split have a digest on both sides, and which of these another one."""
    old, new = (split.get("content", {}).get("images", {}) for split in (before, now))
    shared = [key for key in old if key in new]
    return len(shared), [key for key in shared if old[key] != new[key]]


def _tell_changed(split: str, count: int, changed: list[str]) -> str:
    return f"{split}: of {count} compared images {len(changed)} have other bytes, such as {changed[0]}"


def _describe(split: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{split.get(name)} {name}" for name in ("images", "studies", "patients"))
    return f"{counts}, fingerprint {str(split.get('fingerprint'))[:12]}"


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _digest_file(path: Path) -> str:
    """Of a file's bytes; of one that cannot be read, which only a run that skips it goes on without, of nothing."""
    try:
        return _digest(path.read_bytes())
    except OSError:
        return _digest()
