"""What a backbone has seen before this training: whether images of CheXpert were among it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from chexpert.weights import WeightCard

PHOTOGRAPHS = re.compile(r"in(?:1|12|21|22)k")
"""In the tags of timm: subsets of ImageNet."""


class History(NamedTuple):
    """What the weights of a backbone learned from: ``saw_chexpert`` is yes, no or unknown."""

    weights: str
    saw_chexpert: str


def describe_history(pretrained: object, card: WeightCard | None, statistics: Mapping[str, Any]) -> History:
    """Return what the weights of a backbone learned from, before the run.

    Args:
        pretrained: as the config has it.
        card: of the public weights.
        statistics: timm's ``pretrained_cfg``, whose ``tag`` names the training of its own weights.
    """
    if card:
        return History(card.name, card.saw_chexpert)
    if pretrained is True:
        tag = str(statistics.get("tag") or "")
        return History(f"timm's {tag}".strip(), "no" if PHOTOGRAPHS.search(tag) else "unknown")
    return History("a file", "unknown") if pretrained else History("random weights", "no")


SENTENCES = {
    "yes": "the backbone saw CheXpert's training images",
    "no": "the backbone did not see CheXpert's training images",
    "unknown": "it is unknown whether the backbone saw CheXpert's training images",
}


def describe_contamination(histories: Iterable[History], stored: Mapping[str, Any] | None = None) -> str:
    """Say whether the backbones of a model saw CheXpert's training images before the run.

    ``data.dev`` and folds are taken from these images. It says nothing of the official valid and test images, of which
    no public weights state whether they saw them.

    Args:
        histories: of all members.
        stored: metadata of the checkpoint whose weights the whole model starts from, which hold its own sentence.

    >>> describe_contamination([History("rad-dino", "yes"), History("timm's a1_in1k", "no")])
    "the backbone saw CheXpert's training images before this run (rad-dino: yes, timm's a1_in1k: no)"
    """
    if stored is not None:
        return str(stored.get("contamination", SENTENCES["unknown"]))
    own = list(dict.fromkeys(histories))
    worst = next(seen for seen in ("yes", "unknown", "no") if any(one.saw_chexpert == seen for one in own))
    each = ", ".join(one.weights if len(own) == 1 else f"{one.weights}: {one.saw_chexpert}" for one in own)
    return f"{SENTENCES[worst]} before this run ({each})"
