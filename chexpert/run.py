"""From a config to a run folder: build, fit, judge the best weights, explain. The only place that instantiates."""

import logging
import platform
import shutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hydra.utils
import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from chexpert import rundir
from chexpert.config import check_targets, resolve
from chexpert.data import CheXpertDataModule, Preprocessing
from chexpert.explain import ExplainCallback
from chexpert.models import Model
from chexpert.problem import ProblemError
from chexpert.report import describe
from chexpert.training import MultilabelModule, ResultsWriter, make_progress, native_precision

MONITOR = "val/auroc_mean"

# Lightning tells what a run's own lines tell better, advertises, and warns of what is chosen on purpose.
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
for message in (
    "does not have many workers",
    "smaller than the logging interval",
    "in eval mode at the start",
    "LeafSpec",
):
    warnings.filterwarnings("ignore", message=f".*{message}")


def run(cfg: DictConfig, folder: Path) -> float:
    """Trains, judges and explains what the config says, into an empty folder.

    Returns:
        The mean AUROC of the best weights on the validation split, for a sweeper to rank; NaN if undefined.

    Raises:
        ProblemError: something the user can mend. The folder is then gone, unless it holds a checkpoint.
    """
    try:
        plain = resolve(cfg)
        accelerator = plain["trainer"].get("accelerator", "auto")
        plain["trainer"].setdefault("precision", native_precision(accelerator))  # config.yaml then tells it
        pl.seed_everything(plain["seed"], workers=True, verbose=False)
        model = build_model(plain)  # before any data is read: weights may not be had
        data = build(plain["data"], "data", **data_arguments(plain))
        data.setup("fit")
        check_preprocessing(plain, data)
        return fit(plain, model, data, folder)
    except ProblemError:
        if not any(folder.glob(f"{rundir.CHECKPOINTS}/*.ckpt")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def fit(cfg: dict[str, Any], model: Model, data: CheXpertDataModule, folder: Path) -> float:
    """Fits, judges the best weights and explains, with all that is left in ``folder``."""
    module = build_module(cfg, model, data.preprocessing)
    checkpoint = ModelCheckpoint(
        folder / rundir.CHECKPOINTS, filename=rundir.BEST, monitor=MONITOR, mode="max", save_last=True
    )
    results = ResultsWriter(folder, flatten(cfg))
    trainer = build(
        cfg["trainer"],
        "trainer",
        callbacks=[
            make_progress(),
            LearningRateMonitor(),
            *early_stopping(cfg),
            checkpoint,
            results,
            explaining(cfg, folder),
        ],
        logger=TensorBoardLogger(folder, name=rundir.TENSORBOARD, version="", default_hp_metric=False),
    )
    OmegaConf.save(OmegaConf.create(cfg), folder / rundir.CONFIG)
    print(introduce(model, data, trainer, folder), flush=True)
    for warning in find_undefined(data, cfg["mean_over"]):
        print(f"warning: {warning}", file=sys.stderr)
    trainer.fit(module, datamodule=data)
    best = checkpoint.best_model_path or None
    trainer.validate(module, datamodule=data, ckpt_path=best, verbose=False)
    print(describe(folder))
    return float(trainer.callback_metrics[MONITOR])


def build(node: Mapping[str, Any], where: str, **given: Any) -> Any:
    """Instantiates a config node that was checked, together with what the run gives.

    Raises:
        ProblemError: the constructor refused its arguments.
    """
    try:
        factory = hydra.utils.instantiate(dict(node), _partial_=True, _convert_="all")
        return factory if node.get("_partial_") else factory(**given)
    except ProblemError:
        raise
    except (InstantiationException, MisconfigurationException, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error.__cause__, ProblemError):
            raise error.__cause__ from error
        reason = str(error.__cause__ or error).strip()
        mend = f"see the arguments of {node['_target_']}"
        raise ProblemError(f"cannot be built: {reason}", where=where, mend=mend) from error


def build_model(cfg: Mapping[str, Any]) -> Model:
    """The model of a config, with the weights of ``start_from`` where that is given."""
    model = build(cfg["model"], "model", outputs=len(cfg["observations"]))
    if cfg.get("start_from"):
        card, state = read_checkpoint(cfg["start_from"])
        if card["observations"] != cfg["observations"]:
            raise ProblemError(
                f"the checkpoint puts out {card['observations']}, this run {cfg['observations']}",
                where=f"start_from={cfg['start_from']}",
                mend="set observations to the checkpoint's, or start its backbone only: pretrained=PATH",
            )
        load_state(model, state, f"start_from={cfg['start_from']}")
    return model.to(memory_format=torch.channels_last) if cfg["channels_last"] else model


def check_preprocessing(cfg: Mapping[str, Any], data: CheXpertDataModule) -> None:
    """A run that only judges must show the model what it was trained on; one that trains may change the size."""
    if not cfg.get("start_from") or cfg["trainer"].get("max_epochs") != 0:
        return
    trained = Preprocessing(**read_checkpoint(cfg["start_from"])[0]["preprocessing"])
    if trained != data.preprocessing:
        mend = f"data.size={trained.size} data.fit={trained.fit}"
        raise ProblemError(f"trained on {trained}, judged on {data.preprocessing}", where="data", mend=mend)


def data_arguments(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What the run gives to the data module."""
    labels = build(cfg["labels"], "labels")
    return {"observations": cfg["observations"], "labels": labels, "seed": cfg["seed"]}


def build_module(cfg: dict[str, Any], model: Model, preprocessing: Preprocessing) -> MultilabelModule:
    """The Lightning module, with the card that its checkpoints carry."""
    packages = ("torch", "timm", "pytorch-lightning", "chexpert")
    card = {
        "config": cfg,
        "observations": list(cfg["observations"]),
        "preprocessing": {"size": preprocessing.size, "fit": preprocessing.fit},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
    }
    return MultilabelModule(
        model,
        cfg["observations"],
        cfg["mean_over"],
        loss=build(cfg["loss"], "loss"),
        optimizer=build(cfg["optimizer"], "optimizer"),
        scheduler=build(cfg["scheduler"], "scheduler"),
        card=card,
    )


def introduce(model: Model, data: CheXpertDataModule, trainer: pl.Trainer, folder: Path) -> str:
    """What is about to run, in three lines."""
    assert data.train is not None
    assert data.valid is not None
    weights = [p.numel() for p in model.parameters()]
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    names = " + ".join(member.name for member in model.members.values())
    return (
        f"data:       {len(data.train)} training and {len(data.valid)} validation views ({data.views}) of {data.root}\n"
        f"model:      {names}, {trained / 1e6:.1f} of {sum(weights) / 1e6:.1f} million weights trained, on "
        f"{trainer.strategy.root_device} in {trainer.precision}\n"
        f"run folder: {folder}"
    )


def find_undefined(data: CheXpertDataModule, mean_over: Sequence[str]) -> list[str]:
    """The observations whose AUROC cannot be had from the validation labels."""
    assert data.valid is not None
    counts = {}
    for name in mean_over:
        column = data.observations.index(name)
        labels = data.valid.targets[data.valid.mask[:, column], column]
        counts[name] = int(labels.sum()), int((1 - labels).sum())
    undefined = {name: count for name, count in counts.items() if 0 in count}
    found = [
        f"{name} has {positives} positive and {negatives} negative labels in validation: its AUROC is undefined"
        for name, (positives, negatives) in undefined.items()
    ]
    return [*found, "so val/auroc_mean is undefined"] if len(undefined) == len(counts) else found


def early_stopping(cfg: Mapping[str, Any]) -> list[pl.Callback]:
    """Stops after so many epochs without a better mean AUROC; NaN does not stop a run."""
    patience = cfg["early_stopping"]
    return [] if patience is None else [EarlyStopping(MONITOR, mode="max", patience=patience, check_finite=False)]


def explaining(cfg: Mapping[str, Any], folder: Path) -> ExplainCallback:
    """The callback that explains, with its explainers by name."""
    explainers = {name: build(node, f"explainer.{name}") for name, node in cfg["explainer"].items()}
    options = dict(cfg["explain"])
    only = options.pop("observations")
    return ExplainCallback(folder, explainers, cfg["observations"], only, seed=cfg["seed"], **options)


def flatten(cfg: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted key, for TensorBoard's hparams.

    >>> flatten({"optimizer": {"lr": 0.1}, "seed": 0})
    {'optimizer.lr': 0.1, 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for key, value in cfg.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return flat


@dataclass(frozen=True)
class Loaded:
    """A trained model with all that is needed to use it.

    Attributes:
        model: in evaluation mode; images (B, 1, H, W) uint8 to logits (B, C).
        preprocessing: from an image file to (1, H, W) uint8.
        observations: names of the C outputs.
        config: of the run that trained it.
    """

    model: Model
    preprocessing: Preprocessing
    observations: list[str]
    config: dict[str, Any]


def load(path: str | Path) -> Loaded:
    """Loads the best checkpoint of a run folder, or a checkpoint file, without running code from it.

    Raises:
        ProblemError: no such checkpoint, or none of this project.
    """
    card, state = read_checkpoint(path)
    config = card["config"]
    problems = [str(p) for p in check_targets(without_weights(config["model"]), "model")]
    if problems:
        raise ProblemError("\n".join(problems), where=str(path))
    model = build(without_weights(config["model"]), "model", outputs=len(card["observations"]))
    load_state(model, state, str(path))
    return Loaded(model.eval(), Preprocessing(**card["preprocessing"]), card["observations"], config)


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The card and the model's weights of a checkpoint of this project, by torch's safe loading."""
    path = Path(path)
    file = rundir.checkpoint(path) if path.is_dir() else path
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        card, state = content["chexpert"], content["state_dict"]
    except Exception as error:
        what = f"no checkpoint of this project: {type(error).__name__}: {str(error).splitlines()[0]}"
        raise ProblemError(what, where=str(file), mend="give a run folder or its checkpoints/best.ckpt") from error
    return card, {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}


def load_state(model: Model, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Loads weights that must fit entirely."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        what = "these weights belong to another model: " + str(error).splitlines()[1].strip()[:200]
        raise ProblemError(what, where=where, mend="choose the model and backbone of that run") from error


def without_weights(node: Any) -> Any:
    """The node of a model that loads nothing: the checkpoint's own weights follow."""
    if isinstance(node, dict):
        return {key: False if key == "pretrained" else without_weights(value) for key, value in node.items()}
    return node
