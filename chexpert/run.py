"""From a config to a run folder: build, fit, judge the best weights, explain."""

import logging
import shutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

from chexpert import rundir
from chexpert.announce import MONITOR, find_undefined, find_warnings, introduce
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
from chexpert.conclude import conclude
from chexpert.config import resolve
from chexpert.dashboard import show_evaluation
from chexpert.data import CheXpertDataModule, Preprocessing, check_studies
from chexpert.identity import is_private
from chexpert.models import Model
from chexpert.problem import ProblemError
from chexpert.report import describe, write_report
from chexpert.state import telling_state
from chexpert.training import ResultsWriter, choose_precision, make_progress

# Lightning warns of what is chosen on purpose here.
EXPECTED = ("does not have many workers", "smaller than the logging interval", "in eval mode at the start", "LeafSpec")


def run(cfg: DictConfig, folder: Path, overrides: Sequence[str] = (), *, keep_failed: bool = False) -> float:
    """Trains, judges and explains what the config says, into an empty folder.

    Args:
        cfg: as Hydra composed it.
        folder: of the run.
        overrides: what was chosen on the command line, for the run to tell.
        keep_failed: leave the folder, with its state, also where nothing was trained: a sweep counts its failed jobs.

    Returns:
        The mean AUROC of the best weights on the split that chose them, for a sweeper to rank; NaN if undefined.

    Raises:
        ProblemError: something the user can mend. The folder is then gone, unless it holds a checkpoint or is kept.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # a run's own lines say it better
    for message in EXPECTED:
        warnings.filterwarnings("ignore", message=f".*{message}")
    if any(folder.iterdir()):  # nothing is overwritten here, and nothing of others is removed below
        raise ProblemError("the run folder is not empty", where=str(folder), mend="choose another hydra.run.dir")
    try:
        with telling_state(folder, overrides):
            mean = work(cfg, folder)
    except Exception:
        if (folder / rundir.METRICS).is_file():  # it was judged before it failed
            write_report(folder)
        elif not keep_failed and not any(folder.glob(f"{rundir.CHECKPOINTS}/*.ckpt")):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    write_report(folder)  # once the run's state says that it is finished
    print(describe(folder))
    return mean


def work(cfg: DictConfig, folder: Path) -> float:
    """Builds and tries everything, then fits; see :func:`run`."""
    plain = resolve(cfg)
    pl.seed_everything(plain["seed"], workers=True, verbose=False)
    try_out(plain)
    model = build_model(plain)  # before any data is read: weights may not be had
    accelerator = plain["trainer"].get("accelerator", "auto")
    plain["trainer"].setdefault("precision", choose_precision(model, accelerator))  # config.yaml then tells it
    data = build(plain["data"], "data", **data_arguments(plain))
    check_input(model, data.preprocessing.size)
    only_judged = plain["trainer"].get("max_epochs") == 0 and not plain["predict_train"]
    data.setup("validate" if only_judged else "fit")
    check_preprocessing(plain, data)
    if plain["level"] == "study":
        check_studies({split: data.frames[split] for split in data.reported})
    return fit(plain, model, data, folder)


def fit(cfg: dict[str, Any], model: Model, data: CheXpertDataModule, folder: Path) -> float:
    """Fits, judges the best weights and explains, with all that is left in ``folder``."""
    module = build_module(cfg, model, data.preprocessing)
    undefined = find_undefined(data, cfg["mean_over"])
    # An undefined mean has no best epoch: the loss then chooses.
    monitor, mode = ("val/loss", "min") if len(undefined) == len(cfg["mean_over"]) else (MONITOR, "max")
    checkpoint = ModelCheckpoint(
        folder / rundir.CHECKPOINTS, filename=rundir.BEST, monitor=monitor, mode=mode, save_last=True
    )
    further = [] if cfg["keep"] == 1 else [keep_best(folder, cfg["keep"], monitor, mode)]
    patience = cfg["early_stopping"]
    stopping = [] if patience is None else [EarlyStopping(monitor, mode=mode, patience=patience)]
    hparams = flatten({key: cfg[key] for key in cfg if key != "backbone"})  # the model has it
    results = ResultsWriter(folder, hparams)
    trainer = build(
        cfg["trainer"],
        "trainer",
        callbacks=[
            *make_progress(),
            LearningRateMonitor(),
            *stopping,
            checkpoint,
            *further,
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
    conclude(folder, cfg)
    show_evaluation(folder)
    return results.metrics[data.choosing or "valid"]["auroc_mean"]


class KeptCheckpoints(ModelCheckpoint):
    """Beside the one of the best epoch: Lightning knows callbacks apart by their class."""


def keep_best(folder: Path, count: int, monitor: str, mode: str) -> KeptCheckpoints:
    """Keeps the weights of the best epochs, their figure in the name, for an ensemble of them."""
    figure = monitor.rpartition("/")[2]
    name = f"epoch={{epoch:02d}}-{figure}={{{monitor}:.5f}}"
    return KeptCheckpoints(
        folder / rundir.CHECKPOINTS, name, monitor, mode=mode, save_top_k=count, auto_insert_metric_name=False
    )


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


def flatten(cfg: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted key, for TensorBoard's hparams; a node is known by the name of its class.

    >>> flatten({"optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.1}, "data": {"root": "DOE"},
    ...     "seed": 0})
    {'optimizer': 'AdamW', 'optimizer.lr': 0.1, 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for key, value in cfg.items():
        if key == "_target_":
            flat[prefix.removesuffix(".")] = str(value).rpartition(".")[2]
        elif isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        elif key != "_partial_" and not is_private(f"{prefix}{key}", value):  # what names files is not for TensorBoard
            flat[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return flat
