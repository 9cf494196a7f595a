"""The messages of a run before it starts: its summary, warnings and notes."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_summary import summarize

from chexpert.config import find_backbones
from chexpert.data import CheXpertDataModule, find_scarce
from chexpert.data.labels.learned_targets import describe_targets
from chexpert.data.loader import joins_last
from chexpert.data.sources.published_counts import describe_counts
from chexpert.image_size import ImageSize
from chexpert.models import Backbone, Model, Probe
from chexpert.report.names import name_folder
from chexpert.runs.synthetic import NOTE
from chexpert.weights import parse_source

MONITOR = "val/auroc_mean"
"""By which the best epoch is chosen, where it is defined."""
NETWORKS = 4
"""The depth at which ``model._members.<name>.net`` stands in a combined model."""


def print_summary(model: Model, data: CheXpertDataModule, trainer: pl.Trainer, folder: Path) -> str:
    """Describe the run that is about to start, in a few lines."""
    weights = [p.numel() for p in model.parameters()]
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    names = " + ".join(member.title + describe_pooling(member) for member in model.members.values())
    note = f"            {NOTE}\n" if data.synthetic else ""
    if data.corrections:
        note += f"            {data.corrections.describe()}, by {data.corrections.file.path}\n"
    views = ", ".join(f"{len(dataset)} {split}" for split, dataset in data.datasets.items())
    learned = "".join(f"targets:    {line}\n" for line in describe_targets(data.learned_targets))
    return (
        f"run:        {name_folder(folder)}\n"
        f"data:       {views} views ({data.views}) of {data.layout.name} in {data.layout.folder}\n{note}"
        f"model:      {names}, {trained / 1e6:.1f} of {sum(weights) / 1e6:.1f} million weights trained, on "
        f"{trainer.strategy.root_device} in {trainer.precision}\n"
        f"weights:    {model.contamination}\n{learned}"
        f"run folder: {folder}"
    )


def describe_pooling(member: Backbone) -> str:
    """Return the pooling of a member in brackets; nothing where it is the mean of the map."""
    return "" if member.pooling == "avg" else f" ({member.pooling})"


def describe_layers(module: pl.LightningModule, size: ImageSize, depth: int | bool) -> str:
    """Return Lightning's table of layers: type, parameters, FLOPs, and sizes of input and output for one image.

    Args:
        module: has a model that takes images of this size.
        size: of the image.
        depth: levels of nested layers, -1 for all; ``True`` for those down to each network of the model.
    """
    module.example_input_array = torch.zeros(1, 1, *size, dtype=torch.uint8)
    try:
        return str(summarize(module, max_depth=NETWORKS if depth is True else depth))
    finally:
        module.example_input_array = None


def find_warnings(data: CheXpertDataModule, undefined: Mapping[str, tuple[int, int]], monitor: str) -> Iterator[str]:
    """Yield warnings before training: metrics that are undefined, labels that are too few."""
    split = data.selection_split or "valid"
    for name, (positives, negatives) in undefined.items():
        yield f"{name} has {positives} positive and {negatives} negative labels in {split}: its AUROC is undefined"
    if monitor != MONITOR:
        yield f"so {MONITOR} is undefined, and the best epoch is chosen by {monitor}"
    if train := data.datasets.get("train"):
        scarce = find_scarce(train.targets.numpy(), train.mask.numpy(), data.observations)
        for name, (yes, no) in scarce.items():
            yield f"{name} has {yes:,.0f} positive and {no:,.0f} negative labels to learn from under this policy"


def find_random_encoders(model: Model, cfg: Mapping[str, Any]) -> Iterator[str]:
    """Yield a warning for each encoder of a probe that was never trained; other frozen backbones are refused then."""
    if isinstance(model, Probe) and not cfg.get("start_from"):
        untrained = [where for where, node in find_backbones(cfg["model"], "model") if not node.get("pretrained")]
        for name in (where.rpartition(".")[2] for where in untrained):
            yield f"the encoder {name} ({model.members[name].name}) has random weights, so its features are random"


def find_notes(data: CheXpertDataModule, cfg: Mapping[str, Any]) -> Iterator[str]:
    """Yield a note where the run differs from its settings."""
    if not data.synthetic and data.layout.variant in ("small", "full", "chexpert_512"):
        differing = describe_counts(count_rows(data), data.views)
        if differing:
            yield f"{differing}; see chexpert audit {shlex.quote(str(data.root))}"
    yield from find_pooling_notes(cfg)
    explain, there = cfg["explain"], len(data.datasets["valid"])
    if cfg["explainer"] and explain["views"] is None and explain["count"] > there:
        yield f"explain.count={explain['count']}, and valid has {there:,} views: all of them are explained"
    if (train := data.datasets.get("train")) and joins_last(len(train), data.batch_size):
        yield (
            f"one of {len(train):,} training images is left over behind batches of {data.batch_size}: "
            "it joins the batch before it, since BatchNorm learns nothing from a single value"
        )


def find_pooling_notes(cfg: Mapping[str, Any]) -> Iterator[str]:
    """Yield a note for each backbone whose public weights are pooled otherwise than by their authors, and unasked."""
    for where, node in find_backbones(cfg.get("model"), "model"):
        value = node.get("pretrained")
        if "pooling" in node or not isinstance(value, str) or value == "auto":
            continue
        card = parse_source(value).card
        if card and card.pooling_value not in (None, "avg"):
            key = f"{'backbone' if where == 'model.backbone' else where}.pooling"
            yield f"{card.name} is pooled by the mean; its authors used {card.pooling}: {key}={card.pooling_value}"


def count_rows(data: CheXpertDataModule) -> dict[str, tuple[int, int]]:
    """Count images and studies of each split as it was read, before patients were held out of train."""
    counts = {
        split: (len(frame), len(frame[["patient", "study"]].drop_duplicates())) for split, frame in data.frames.items()
    }
    held = counts.pop("dev", (0, 0))
    if "train" in counts:  # no study is in both
        counts["train"] = counts["train"][0] + held[0], counts["train"][1] + held[1]
    return counts


def find_undefined(data: CheXpertDataModule, mean_over: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Count positive and negative labels, in the split that chooses the epoch, of observations without one of them."""
    chooses = data.datasets[data.selection_split or "valid"]
    counts = {}
    for name in mean_over:
        column = data.observations.index(name)
        labels = chooses.targets[chooses.mask[:, column], column]
        counts[name] = int(labels.sum()), int((1 - labels).sum())
    return {name: count for name, count in counts.items() if 0 in count}
