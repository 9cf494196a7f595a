"""Resolve the devices, precision and data of a run before it fits."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from chexpert.checkpoints import read_metadata
from chexpert.config import build, resolve
from chexpert.data import CheXpertDataModule, Preprocessing
from chexpert.distributed import broadcast_decision, count_devices, find_rank
from chexpert.engine.build import build_explainers, data_arguments
from chexpert.engine.distillation import teach
from chexpert.engine.features import use_features
from chexpert.engine.input_check import check_input
from chexpert.engine.length_checks import find_short_errors, find_single_image_errors
from chexpert.engine.resume_checks import check_data
from chexpert.errors import UserError, raise_errors
from chexpert.explain import try_explainers
from chexpert.image_size import DEFAULT, ImageSize
from chexpert.models import Model, learns_from_one
from chexpert.runs.read import read_config
from chexpert.training import choose_precision


def resolve_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the checked config as plain containers, with the strategy for several devices."""
    plain = resolve(cfg)
    trainer = plain["trainer"]
    if find_rank() is not None or count_devices(trainer) > 1:
        trainer.setdefault("strategy", "ddp")
        if plain["unfreeze_epoch"] and trainer["strategy"] == "ddp":
            trainer["strategy"] = "ddp_find_unused_parameters_true"  # it waits for every gradient otherwise
    return plain


def choose_settings(plain: dict[str, Any], model: Model, before: Path | None) -> None:
    """Set the precision by model and device, or as it was ``before``; config.yaml then records it."""
    trainer = plain["trainer"]
    chosen = choose_precision(model, trainer.get("accelerator", "auto"))
    if plain["features"]:
        chosen = "32-true"  # a classifier alone is small
    config = before and read_config(before)
    trainer.setdefault("precision", config["trainer"]["precision"] if config else chosen)


def try_model(plain: Mapping[str, Any], model: Model) -> None:
    """Check that the model takes images of the config's size, that the chosen explainers explain it, and its layers.

    Raises:
        UserError: it does not, or one of them cannot.
    """
    size = get_image_size(plain)
    check_input(model, size)
    try_explainers(model, build_explainers(plain), size)
    if plain["layer_decay"]:
        for member in model.members.values():
            if not member.frozen:
                member.find_depths()


def get_image_size(plain: Mapping[str, Any]) -> ImageSize:
    """Return the size of the images of a config."""
    return ImageSize.of(plain["data"].get("image_size", DEFAULT))


def prepare(plain: dict[str, Any], model: Model, stage: str, folder: Path) -> CheXpertDataModule:
    """Read the data, in the first process before the others: it may paint a phantom or fill a cache."""
    made: list[CheXpertDataModule] = []

    def make() -> str:
        data = build(plain["data"], "data", **data_arguments(plain))
        data.on_read = partial(check_lengths, plain, model)
        data.setup(stage)
        teach(plain, data, folder)
        if not find_rank():  # of several processes the first sees to it for all
            check_data(folder, data)
        use_features(plain, model, data)
        made.append(data)
        return "there"

    broadcast_decision(f"{folder.name}: data", make)
    if not made:
        make()
    return made[0]


def check_lengths(plain: Mapping[str, Any], model: Model, views: Mapping[str, int]) -> None:
    """Check that these views are enough for the settings, and in each step for the model to learn from.

    Raises:
        UserError: all that come to nothing.
    """
    errors = list(find_short_errors(plain, views))
    world = count_devices(plain["trainer"]) * plain["trainer"].get("num_nodes", 1)
    lone = list(find_single_image_errors(plain, views, world))
    if lone and not learns_from_one(model, get_image_size(plain)):
        errors += lone
    raise_errors(errors)


def check_preprocessing(cfg: Mapping[str, Any], data: CheXpertDataModule) -> None:
    """Check that a run that only evaluates preprocesses as in training; one that trains may change the size."""
    if not cfg.get("start_from") or cfg["trainer"].get("max_epochs") != 0:
        return
    trained = Preprocessing(**read_metadata(cfg["start_from"])["preprocessing"])
    if trained != data.preprocessing:
        hint = f"data.image_size={trained.size.setting} data.resize_mode={trained.fit}"
        raise UserError(
            f"trained at {trained}, evaluated at {data.preprocessing}",
            code="other-preprocessing",
            where="data",
            hint=hint,
        )
