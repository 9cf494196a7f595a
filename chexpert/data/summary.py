"""Which data a run has seen, as its data.json and labels/<split>.csv say it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chexpert.data.dataset import ViewDataset
from chexpert.data.sources.frame import HEADER
from chexpert.data.sources.layout import Layout
from chexpert.observations import OBSERVATIONS
from chexpert.runs import files as run_files
from chexpert.runs.synthetic import is_phantom

GROUPS = {"race": "Race", "ethnicity": "Ethnicity", "insurance": "Insurance", "order": "Study Order"}
"""Columns of labels/<split>.csv behind CheXpert's, by those of a frame of CheXpert Plus."""
LABEL = {1.0: "1.0", 0.0: "0.0"}  # otherwise there is none


def describe_source(layout: Layout, split: str, labeler: str | None) -> dict[str, Any]:
    """Return where a split was read, whose labels it has, and whether its images are synthetic."""
    labels = layout.find_labels(split, labeler).name
    synthetic = is_phantom(layout.folder)
    absent = {"not_labeled": list(layout.absent)} if layout.absent else {}
    expert = {} if layout.expert is None else {"labels_by": "radiologists" if layout.expert else "report"}
    return (
        {"layout": layout.name, "folder": str(layout.folder), "labels": labels, "synthetic": synthetic}
        | absent
        | expert
    )


def summarize_split(frame: pd.DataFrame) -> dict[str, Any]:
    """Return counts and fingerprint of the rows that were used, views and labels.

    Two runs have seen the same split if, and only if, the fingerprint is the same. It does not depend on the copy
    (small, full, AIMI) or on the order of its rows.
    """
    return {
        "images": len(frame),
        "studies": len(frame[["patient", "study"]].drop_duplicates()),
        "patients": int(frame["patient"].nunique()),
        "fingerprint": fingerprint(frame),
    }


def write_labels(
    path: Path, frame: pd.DataFrame, dataset: ViewDataset, observations: Sequence[str], views: Sequence[str]
) -> None:
    """Write the labels by which views are evaluated, with their metadata, in CheXpert's columns.

    Args:
        path: of the file.
        frame: the rows of the split.
        dataset: of the same rows, with the labels as they are evaluated.
        observations: names of the dataset's C columns; of the others, uncertain labels are left blank.
        views: CSV paths of those that were evaluated, in the order of the file.
    """
    columns = {name: np.where(frame[name] == -1, np.nan, frame[name]) for name in OBSERVATIONS}
    labeled = np.where(dataset.mask, dataset.targets, np.nan)
    columns |= dict(zip(observations, labeled.T, strict=True))
    kinds = frame["projection"].str.partition("_")
    text = {name: [LABEL.get(value, "") for value in values.tolist()] for name, values in columns.items()}
    ages = ["" if np.isnan(age) else f"{age:.0f}" for age in frame["age"]]
    table = pd.DataFrame(
        {"Path": frame["path"], "Sex": frame["sex"], "Age": ages, "Frontal/Lateral": kinds[0].str.title()}
        | {"AP/PA": kinds[2].str.upper()} | text
    )  # fmt: skip
    groups = {title: frame[name] for name, title in GROUPS.items() if name in frame and frame[name].any()}
    rows = table[list(HEADER)].assign(**groups).set_index("Path", drop=False).loc[list(views)]
    run_files.write_table(path, [*HEADER, *groups], rows.itertuples(index=False))


SAMPLE = 16
"""Images of a split whose bytes are compared: all images of another size or format differ, a repaired one alone."""

OTHERS = 3
"""So many of them with other bytes are other data. Where one image in a hundred of a split was repaired, three or more
of 16 are among them once in 2,000 times; where a third of all is other, in 95 % of the times."""


def identify(frame: pd.DataFrame, dataset: ViewDataset) -> dict[str, Any]:
    """Return digests of the order of the rows, the targets, and some images.

    Counts and fingerprint leave these out.
    """
    places = np.unique(np.linspace(0, len(frame) - 1, SAMPLE).astype(int))[: len(frame)]
    return {
        "order": _digest("\n".join(frame["key"]).encode()),
        "targets": _digest(np.ascontiguousarray(dataset.targets).tobytes(), np.packbits(dataset.mask).tobytes()),
        "images": {str(frame["key"].iloc[place]): _digest_file(Path(frame["file"].iloc[place])) for place in places},
    }


def list_differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List in what the splits of two ``data.json`` differ, where both have them; their folders do not matter.

    Args:
        before: ``splits`` of the earlier file.
        now: ``splits`` of the later file.

    Returns:
        One line for each difference: other rows or labels, another order of the rows, other targets, or other bytes in
        ``OTHERS`` or more, or in over half, of the compared images. Empty where nothing differs.
    """
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
        yield _describe_changed(split, count, changed)


def list_repaired(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List the splits in which some of the compared images have other bytes than before.

    Args:
        before: ``splits`` of the earlier ``data.json``.
        now: ``splits`` of the later one.

    Returns:
        One line for each such split, with the count of these images and the name of the first.
    """
    pairs = {split: _compare_images(before[split], now[split]) for split in before if split in now}
    return [_describe_changed(split, count, changed) for split, (count, changed) in pairs.items() if changed]


def _compare_images(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[int, list[str]]:
    """How many images of a split have a digest on both sides, and which of these another one."""
    old, new = (split.get("content", {}).get("images", {}) for split in (before, now))
    shared = [key for key in old if key in new]
    return len(shared), [key for key in shared if old[key] != new[key]]


def _describe_changed(split: str, count: int, changed: list[str]) -> str:
    return f"{split}: of {count} compared images {len(changed)} have other bytes, such as {changed[0]}"


def _describe(split: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{split.get(name)} {name}" for name in ("images", "studies", "patients"))
    return f"{counts}, fingerprint {str(split.get('fingerprint'))[:12]}"


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _digest_file(path: Path) -> str:
    """Hash a file's bytes; hash nothing where it cannot be read, which only a run that skips it allows."""
    try:
        return _digest(path.read_bytes())
    except OSError:
        return _digest()


# One character a label: positive, uncertain, negative, blank.
_STATES = {1.0: "1", -1.0: "-", 0.0: "0"}


def fingerprint(frame: pd.DataFrame) -> str:
    """Compute the SHA-256, in hex, of the sorted lines ``key|states`` of a split.

    The states are one character an observation, in CheXpert's order: 1, - (uncertain), 0 and . (blank). So it depends
    on every view and every label, but not on the order of the rows or columns, nor on the copy (small, full, AIMI) in
    which the split is read.
    """
    labels = frame[list(OBSERVATIONS)].to_numpy("float32")
    states = np.full(labels.shape, ".", dtype="U1")
    for label, letter in _STATES.items():
        states[labels == label] = letter
    spelled = np.ascontiguousarray(states).view(f"U{len(OBSERVATIONS)}").ravel().tolist() if len(frame) else []
    lines = sorted(f"{key}|{row}\n" for key, row in zip(frame["key"], spelled, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
