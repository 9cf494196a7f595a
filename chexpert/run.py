"""From a config to a run folder: build, fit, judge the best weights, explain."""

import logging
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

from chexpert import rundir
from chexpert.build import (
    build,
    build_model,
    build_module,
    check_input,
    data_arguments,
    explaining,
    read_checkpoint,
    try_out,
)
from chexpert.config import resolve
from chexpert.data import CheXpertDataModule, Preprocessing, check_studies, find_scarce
from chexpert.models import Model
from chexpert.problem import ProblemError
from chexpert.report import describe
from chexpert.training import ResultsWriter, make_progress, native_precision

MONITOR = "val/auroc_mean"

# Lightning warns of what is chosen on purpose here.
EXPECTED = ("does not have many workers", "smaller than the logging interval", "in eval mode at the start", "LeafSpec")


def run(cfg: DictConfig, folder: Path) -> float:
    """Trains, judges and explains what the config says, into an empty folder.

    Returns:
        The mean AUROC of the best weights on the split that chose them, for a sweeper to rank; NaN if undefined.

    Raises:
        ProblemError: something the user can mend. The folder is then gone, unless it holds a checkpoint.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # a run's own lines say it better
    for message in EXPECTED:
        warnings.filterwarnings("ignore", message=f".*{message}")
    if any(folder.iterdir()):  # nothing is overwritten here, and nothing of others is removed below
        raise ProblemError("the run folder is not empty", where=str(folder), mend="choose another hydra.run.dir")
    try:
        plain = resolve(cfg)
        accelerator = plain["trainer"].get("accelerator", "auto")
        plain["trainer"].setdefault("precision", native_precision(accelerator))  # config.yaml then tells it
        pl.seed_everything(plain["seed"], workers=True, verbose=False)
        try_out(plain)
        model = build_model(plain)  # before any data is read: weights may not be had
        data = build(plain["data"], "data", **data_arguments(plain))
        check_input(model, data.preprocessing.size)
        only_judged = plain["trainer"].get("max_epochs") == 0 and not plain["predict_train"]
        data.setup("validate" if only_judged else "fit")
        check_preprocessing(plain, data)
        if plain["level"] == "study":
            check_studies({split: data.frames[split] for split in data.reported})
        return fit(plain, model, data, folder)
    except Exception:
        if not any(folder.glob(f"{rundir.CHECKPOINTS}/*.ckpt")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def fit(cfg: dict[str, Any], model: Model, data: CheXpertDataModule, folder: Path) -> float:
    """Fits, judges the best weights and explains, with all that is left in ``folder``."""
    module = build_module(cfg, model, data.preprocessing)
    undefined = find_undefined(data, cfg["mean_over"])
    # An undefined mean has no best epoch: the loss then chooses.
    monitor, mode = ("val/loss", "min") if len(undefined) == len(cfg["mean_over"]) else (MONITOR, "max")
    checkpoint = ModelCheckpoint(
        folder / rundir.CHECKPOINTS, filename=rundir.BEST, monitor=monitor, mode=mode, save_last=True
    )
    patience = cfg["early_stopping"]
    stopping = [] if patience is None else [EarlyStopping(monitor, mode=mode, patience=patience)]
    hparams = flatten({key: cfg[key] for key in cfg if key != "backbone"})  # the model has it
    results = ResultsWriter(folder, hparams)
    trainer = build(
        cfg["trainer"],
        "trainer",
        callbacks=[
            make_progress(),
            LearningRateMonitor(),
            *stopping,
            checkpoint,
            results,
            explaining(cfg, folder),
        ],
        logger=TensorBoardLogger(folder, name=rundir.TENSORBOARD, version="", default_hp_metric=False),
    )
    OmegaConf.save(OmegaConf.create(cfg), folder / rundir.CONFIG)
    rundir.write_json(folder / rundir.DATA, data.summarise())
    print(introduce(model, data, trainer, folder), flush=True)
    for warning in find_warnings(data, undefined, monitor):
        print(f"warning: {warning}", file=sys.stderr)
    if "train" in data.datasets:
        trainer.fit(module, datamodule=data)
    best = checkpoint.best_model_path or None
    judge(trainer, module, data, best)
    if cfg["predict_train"]:
        batches = trainer.predict(module, datamodule=data, ckpt_path=best) or []
        rows = chain.from_iterable(batches)
        rundir.write_predictions(rundir.predictions(folder, "train"), cfg["observations"], rows)
    results.metrics["skipped"] = sorted(data.skipped)  # again: by now it is known what cannot be read
    rundir.write_json(folder / rundir.METRICS, results.metrics)
    rundir.write_json(folder / rundir.DATA, data.summarise())
    print(describe(folder))
    return results.metrics[data.choosing or "valid"]["auroc_mean"]


def judge(trainer: pl.Trainer, module: pl.LightningModule, data: CheXpertDataModule, best: str | None) -> None:
    """Judges the best weights, or where nothing was trained those that the module has, on every split."""
    for split in data.reported:
        data.judging = split
        trainer.validate(module, datamodule=data, ckpt_path=best, verbose=False)


def check_preprocessing(cfg: Mapping[str, Any], data: CheXpertDataModule) -> None:
    """A run that only judges must show the model what it was trained on; one that trains may change the size."""
    if not cfg.get("start_from") or cfg["trainer"].get("max_epochs") != 0:
        return
    trained = Preprocessing(**read_checkpoint(cfg["start_from"])[0]["preprocessing"])
    if trained != data.preprocessing:
        mend = f"data.size={trained.size} data.fit={trained.fit}"
        raise ProblemError(f"trained on {trained}, judged on {data.preprocessing}", where="data", mend=mend)


def introduce(model: Model, data: CheXpertDataModule, trainer: pl.Trainer, folder: Path) -> str:
    """What is about to run, in three lines."""
    weights = [p.numel() for p in model.parameters()]
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    names = " + ".join(member.name for member in model.members.values())
    views = ", ".join(f"{len(dataset)} {split}" for split, dataset in data.datasets.items())
    return (
        f"data:       {views} views ({data.views}) of {data.layout.name} in {data.layout.folder}\n"
        f"model:      {names}, {trained / 1e6:.1f} of {sum(weights) / 1e6:.1f} million weights trained, on "
        f"{trainer.strategy.root_device} in {trainer.precision}\n"
        f"run folder: {folder}"
    )


def find_warnings(data: CheXpertDataModule, undefined: Mapping[str, tuple[int, int]], monitor: str) -> Iterator[str]:
    """What a user should know before training: figures that cannot be, labels that are too few."""
    split = data.choosing or "valid"
    for name, (positives, negatives) in undefined.items():
        yield f"{name} has {positives} positive and {negatives} negative labels in {split}: its AUROC is undefined"
    if monitor != MONITOR:
        yield f"so {MONITOR} is undefined, and the best epoch is chosen by {monitor}"
    if train := data.datasets.get("train"):
        scarce = find_scarce(train.targets.numpy(), train.mask.numpy(), data.observations)
        for name, (yes, no) in scarce.items():
            yield f"{name} has {yes:,.0f} positive and {no:,.0f} negative labels to learn from under this policy"


def find_undefined(data: CheXpertDataModule, mean_over: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Positive and negative labels, in the split that chooses the epoch, of the observations that lack one of them."""
    chooses = data.datasets[data.choosing or "valid"]
    counts = {}
    for name in mean_over:
        column = data.observations.index(name)
        labels = chooses.targets[chooses.mask[:, column], column]
        counts[name] = int(labels.sum()), int((1 - labels).sum())
    return {name: count for name, count in counts.items() if 0 in count}


def flatten(cfg: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted key, for TensorBoard's hparams; a node is known by the name of its class.

    >>> flatten({"optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.1}, "seed": 0})
    {'optimizer': 'AdamW', 'optimizer.lr': 0.1, 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for key, value in cfg.items():
        if key == "_target_":
            flat[prefix.removesuffix(".")] = str(value).rpartition(".")[2]
        elif isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        elif key != "_partial_":
            flat[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return flat
