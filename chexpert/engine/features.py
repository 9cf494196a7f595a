"""Trains a classifier on what frozen members see: their pooled features, computed once for all runs that share them."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from chexpert.data import CheXpertDataModule
from chexpert.data.features import Encoder
from chexpert.errors import UserError
from chexpert.models import Backbone, Model, PatchBackbone, Probe
from chexpert.training import count_targets, find_device


def use_features(cfg: Mapping[str, Any], model: Model, data: CheXpertDataModule) -> None:
    """Let the loaders of ``data`` give pooled features (B, D) where ``cfg["features"]`` names a folder.

    The model takes them in the place of images: :meth:`chexpert.models.Model.feature_maps`. They are computed in
    float32, as validation computes. Datasets still hold the images, so explanations and the checkpoint are of the
    whole model. A file that was made on one device serves on any other.

    Raises:
        UserError: a member is trained.
    """
    if not cfg["features"]:
        return
    trained = [name for name, member in model.members.items() if any(p.requires_grad for p in member.parameters())]
    if trained:
        hint = "model.members.NAME.frozen=true (of model=single backbone.frozen=true), or features=null"
        raise UserError(
            f"these members are trained: {', '.join(trained)}", code="conflict", where="features", hint=hint
        )
    device = torch.device(find_device(cfg["trainer"].get("accelerator", "auto")))

    @torch.inference_mode()
    def pool(name: str, images: torch.Tensor) -> torch.Tensor:
        return model.to(device).pool_member(name, images.to(device)).float().cpu()

    encoders = [Encoder(digest_member(own), own.width, partial(pool, name)) for name, own in model.members.items()]
    data.use_features(Path(cfg["features"]).expanduser(), encoders)
    model.cpu()
    if isinstance(model, Probe) and "train" in data.features and not cfg.get("start_from"):
        prepare_probe(model, data)


SHAPED = ("in_chans", "num_classes", "img_size")
"""Options that shape the weights themselves, which the key of a features file has."""


def prepare_probe(model: Probe, data: CheXpertDataModule) -> None:
    """Give a probe the statistics of the training features, and the prevalence of the training labels."""
    model.standardize(*map(torch.from_numpy, data.features["train"].measure()))
    train = data.datasets["train"]
    model.begin_with_prevalence(count_targets(train.targets, train.mask))


def digest_member(member: Backbone) -> str:
    """Return SHA-256 of a network: its name, patches, pooling, options, weights and statistics, under any key."""
    digest = hashlib.sha256()
    if isinstance(member, PatchBackbone):
        digest.update(f"patches of {member.patch} every {member.step}\n".encode())
    if member.pooling != "avg":  # as files of before there were others have it
        digest.update(f"{member.pooling} {member.sharpness}\n".encode())
    if options := {key: value for key, value in sorted(member.options.items()) if key not in SHAPED}:
        digest.update(f"{options}\n".encode())
    for key, value in member.state_dict().items():
        # "backbone": so that files are still found that were written for a model of one network
        digest.update(f"backbone {member.name} {key} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
