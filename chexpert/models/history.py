"""What a backbone has seen before this training: whether images of CheXpert were among it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from chexpert.runs.synthetic import is_synthetic_metadata
from chexpert.weights import SENTENCES, WeightCard

IMAGENET = re.compile(r"(^|_)(in(1|12|21|22)k|fcmae)(_|$)")
"""In the tags of timm: subsets of ImageNet; ConvNeXt V2's masked autoencoders learned from the first."""
OTHER_DATA = re.compile(r"(^|_)(\w*\d[mb]|jft|swag|ig|webli|clip|openai|laion\w*|seer|indomain)(_|$)")
"""In the tags of timm: photographs of the web, by name or by their number, as in yfcc100m and ig1b."""
BEFORE = " before this run "
TAUGHT = "; taught by "
THROUGH = ", through its teachers,"
NOT_RECORDED = "weights of unknown origin"
VERDICT = re.compile(r": (yes|unknown|no)\b")
"""In the words on weights: what one of several things that they were made of saw."""
WORST_FIRST = ("yes", "unknown", "no")


class History(NamedTuple):
    """What the weights of a backbone learned from: ``saw_chexpert`` is yes, no or unknown."""

    weights: str
    saw_chexpert: str


def describe_history(
    pretrained: object,
    card: WeightCard | None,
    statistics: Mapping[str, Any],
    metadata: Mapping[str, Any] | None = None,
) -> History:
    """Return what the weights of a backbone learned from, before the run.

    Args:
        pretrained: as the config has it.
        card: of the public weights.
        statistics: timm's ``pretrained_cfg``, whose ``tag`` names the training of its own weights.
        metadata: of the checkpoint of this project that the weights are from.
    """
    if card:
        return History(card.name, card.saw_chexpert)
    if metadata is not None:
        return describe_run(metadata)
    if pretrained is True:
        tag = str(statistics.get("tag") or "")
        return History(f"timm's {tag}".strip(), "no" if is_imagenet(tag) else "unknown")
    return History("a file", "unknown") if pretrained else History("random weights", "no")


def is_imagenet(tag: str) -> bool:
    """Return whether ImageNet alone is named in each stage of a training, by timm's tag of its weights.

    >>> is_imagenet("augreg_in21k_ft_in1k"), is_imagenet("laion2b_ft_in12k_in1k"), is_imagenet("ft_in1k")
    (True, False, False)
    """
    stages = re.split(r"(?:^|_)ft_", tag)
    return all(IMAGENET.search(stage) and not OTHER_DATA.search(stage) for stage in stages)


CHEXPERT = ("auto", "small", "full", "plus", "chexpert_512")
"""Variants of the data that are CheXpert, or may be."""


def describe_run(metadata: Mapping[str, Any]) -> History:
    """Return what the weights of an earlier run learned from, by the metadata of its checkpoint.

    A run that is not on synthetic images, nor by its recorded data set (else its variant) on an external one, trained
    on CheXpert, whatever it began with.
    """
    began, taught, seen = read_contamination(metadata.get("contamination"))
    began += f" and was taught by {taught}" if taught else ""
    variant: Any = metadata
    for key in ("config", "data", "variant"):
        variant = variant.get(key) if isinstance(variant, Mapping) else None
    trained_on = metadata.get("origin") or variant
    if isinstance(trained_on, str) and trained_on not in ("CheXpert", *CHEXPERT):
        return History(f"an earlier run trained on {trained_on}, which began with {began}", seen)
    if not is_synthetic_metadata(metadata):
        return History(f"an earlier run trained on CheXpert, which began with {began}", "yes")
    return History(f"an earlier run on synthetic images, which began with {began}", seen)


def read_contamination(sentence: object) -> tuple[str, str, str]:
    """Return what a sentence of :func:`describe_contamination` says: the weights, the teachers, yes, no or unknown.

    >>> read_contamination(describe_contamination([History("random weights", "no")]))
    ('random weights', '', 'no')
    """
    own, _, taught = (sentence if isinstance(sentence, str) else "").partition(TAUGHT)
    began = own.partition(BEFORE)[2].removeprefix("(").removesuffix(")") or NOT_RECORDED
    return began, taught, next((word for word, known in SENTENCES.items() if own.startswith(known)), "unknown")


def describe_contamination(histories: Iterable[History]) -> str:
    """Say whether the backbones of a model saw CheXpert's training images before the run.

    ``data.dev`` and folds are taken from these images. It says nothing of the official valid and test images, of which
    no public weights state whether they saw them.

    Args:
        histories: of all members, or the one of the run whose weights the whole model starts from.

    >>> describe_contamination([History("rad-dino", "yes"), History("timm's a1_in1k", "no")])
    "the backbone saw CheXpert's training images before this run (rad-dino: yes, timm's a1_in1k: no)"
    """
    own = list(dict.fromkeys(histories))
    worst = get_worst(own)
    each = own[0].weights if len(own) == 1 else _list_verdicts(own)
    return f"{SENTENCES[worst]}{BEFORE}({each})"


def get_worst(histories: Iterable[History]) -> str:
    """Return yes if one of several weights saw CheXpert, else unknown if that is unknown of one, else no."""
    return min((one.saw_chexpert for one in histories), key=WORST_FIRST.index)


def _list_verdicts(histories: Iterable[History]) -> str:
    """List weights with one verdict each; those that have verdicts of their own parts stand in brackets."""
    return ", ".join(
        f"({one.weights}): {one.saw_chexpert}" if VERDICT.search(one.weights) else f"{one.weights}: {one.saw_chexpert}"
        for one in histories
    )


def merge_contamination(sentences: Iterable[object]) -> str | None:
    """Return the sentence of averaged weights: they learned from whatever one of their members learned from.

    Args:
        sentences: of :func:`describe_contamination`, of each member; None where a member has none.

    Returns:
        The sentence of all where they have one; None where no member has any.
    """
    own = list(dict.fromkeys(sentences))
    if len(own) == 1:
        return own[0] if isinstance(own[0], str) else None
    read = [read_contamination(sentence) for sentence in own]
    return describe_contamination(
        History(f"{began}, taught by {taught}" if taught else began, seen) for began, taught, seen in read
    )


def add_teachers(sentence: str, teachers: Iterable[Mapping[str, Any]]) -> str:
    """Return the sentence of :func:`describe_contamination` with what taught the network: it learned from their data.

    Args:
        sentence: of the network itself; with teachers where a run is resumed, and then it stays.
        teachers: each with its ``origin`` and ``saw_chexpert``, the words of :func:`describe_run`; of older versions
            without.

    >>> add_teachers("no image before this run (random weights)", [{"origin": "an earlier run"}, {}])
    'no image before this run (random weights); taught by an earlier run: unknown, a run of unknown origin: unknown'
    """
    histories = dict.fromkeys(
        History(str(own.get("origin", "a run of unknown origin")), str(own.get("saw_chexpert", "unknown")))
        for own in teachers
    )
    if not histories or TAUGHT in sentence:
        return sentence
    seen = read_contamination(sentence)[2]
    worst = get_worst([History("", seen), *histories])
    if worst != seen:
        sentence = f"{SENTENCES[worst]}{THROUGH}{sentence.removeprefix(SENTENCES[seen])}"
    return f"{sentence}{TAUGHT}{_list_verdicts(histories)}"
