"""What a run settles before it fits: its devices, its precision, its data."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from chexpert.checkpoints import read_checkpoint
from chexpert.config import build, resolve
from chexpert.data import CheXpertDataModule, Preprocessing
from chexpert.distributed import agree, count_devices, find_rank
from chexpert.engine.build import build_explainers, check_input, data_arguments
from chexpert.engine.features import use_features
from chexpert.engine.length_checks import find_lone_problems, find_short_problems
from chexpert.engine.resume_checks import check_data
from chexpert.errors import ProblemError
from chexpert.explain import try_explainers
from chexpert.models import Model, learns_from_one
from chexpert.runs.resume import read_config
from chexpert.training import choose_precision


def settle(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain containers, checked, and how several devices work together."""
    plain = resolve(cfg)
    trainer = plain["trainer"]
    if find_rank() is not None or count_devices(trainer) > 1:
        trainer.setdefault("strategy", "ddp")
        if plain["unfreeze_epoch"] and trainer["strategy"] == "ddp":
            trainer["strategy"] = "ddp_find_unused_parameters_true"  # it waits for every gradient otherwise
    return plain


def choose_settings(plain: dict[str, Any], model: Model, before: Path | None) -> None:
    """Sets what is left to the model and its device, or as it was ``before``; config.yaml then tells it."""
    trainer = plain["trainer"]
    chosen = choose_precision(model, trainer.get("accelerator", "auto"))
    if plain["features"]:
        chosen = "32-true"  # a classifier alone is small
    config = before and read_config(before)
    trainer.setdefault("precision", config["trainer"]["precision"] if config else chosen)


def try_model(plain: Mapping[str, Any], model: Model) -> None:
    """Sees that the model takes images of the config's size, and that the chosen explainers explain it.

    Raises:
        ProblemError: it does not, or one of them cannot.
    """
    size = plain["data"].get("size", Preprocessing.size)
    check_input(model, size)
    try_explainers(model, build_explainers(plain), size)


def prepare(plain: dict[str, Any], model: Model, stage: str, folder: Path) -> CheXpertDataModule:
    """Reads the data. The first process does so before the others: it may draw a phantom or fill a cache."""
    made: list[CheXpertDataModule] = []

    def make() -> str:
        data = build(plain["data"], "data", **data_arguments(plain))
        data.on_read = partial(check_lengths, plain, model)
        data.setup(stage)
        if not find_rank():  # of several processes the first sees to it for all
            check_data(folder, data)
        use_features(plain, model, data)
        made.append(data)
        return "there"

    agree(f"{folder.name}: data", make)
    if not made:
        make()
    return made[0]


def check_lengths(plain: Mapping[str, Any], model: Model, views: Mapping[str, int]) -> None:
    """Whether these views are enough for what the settings count, and in each step for what the model learns from.

    Raises:
        ProblemError: all that come to nothing.
    """
    problems = list(find_short_problems(plain, views))
    world = count_devices(plain["trainer"]) * plain["trainer"].get("num_nodes", 1)
    lone = list(find_lone_problems(plain, views, world))
    if lone and not learns_from_one(model, plain["data"].get("size", Preprocessing.size)):
        problems += lone
    if problems:
        raise ProblemError("\n".join(map(str, problems)))


def check_preprocessing(cfg: Mapping[str, Any], data: CheXpertDataModule) -> None:
    """A run that only judges must show the model what it was trained on; one that trains may change the size."""
    if not cfg.get("start_from") or cfg["trainer"].get("max_epochs") != 0:
        return
    trained = Preprocessing(**read_checkpoint(cfg["start_from"])[0]["preprocessing"])
    if trained != data.preprocessing:
        mend = f"data.size={trained.size} data.fit={trained.fit}"
        raise ProblemError(f"trained on {trained}, judged on {data.preprocessing}", where="data", mend=mend)
