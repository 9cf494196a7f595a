"""Fit a model with the callbacks of a run, evaluate the best weights, and write the metrics."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers import Logger

from chexpert.checkpoints import (
    AtomicCheckpointIO,
    BestCheckpoint,
    EveryCheckpoint,
    LastCheckpoint,
    embed_fitted,
    export,
    keep_best,
)
from chexpert.config import build
from chexpert.console import NOTE, log
from chexpert.data import CheXpertDataModule, reporting_dead_workers
from chexpert.engine.build import averaging, build_module, make_explain_callback
from chexpert.engine.distillation import compare_with_teachers, describe_origin
from chexpert.engine.gate import fit_run_gate
from chexpert.engine.predictions import predict_tta, write_predictions
from chexpert.engine.resume_checks import Last
from chexpert.engine.summary import (
    MONITOR,
    describe_layers,
    find_notes,
    find_random_encoders,
    find_undefined,
    find_warnings,
    print_summary,
)
from chexpert.engine.tensorboard import TensorBoardWriter, show_evaluation
from chexpert.engine.tracking import Tracking
from chexpert.evaluation.run import evaluate_run
from chexpert.explain import ExplainCallback
from chexpert.models import Model, add_teachers, synchronize_batch_norm
from chexpert.report import write_report
from chexpert.report.names import name_folder
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import is_private
from chexpert.signals import Stopper
from chexpert.training import (
    BestValidation,
    MultilabelModule,
    RateMonitor,
    Resources,
    ResultsWriter,
    count_targets,
    make_empty_loader,
    make_progress,
)

EXCLUDED_HPARAMS = ("backbone", "logger", "recipe")
"""Keys that are not logged as hyperparameters: ``model`` repeats ``backbone``; ``recipe`` holds expected results."""


@reporting_dead_workers()
def fit(
    cfg: dict[str, Any],
    model: Model,
    data: CheXpertDataModule,
    folder: Path,
    stopper: Stopper,
    last: Last | None,
    tracked: Tracking,
) -> float:
    """Train the model, evaluate its best weights and explain its predictions; all files go to ``folder``.

    If ``last`` is given, training resumes from that checkpoint. Rank 0 writes the files and returns the mean AUROC on
    the split that chooses the epoch; the other ranks return NaN.
    """
    trial = cfg.pop("trial")  # the search trial is not part of the saved configuration
    undefined = find_undefined(data, cfg["mean_over"])
    # If every AUROC is undefined, the validation loss chooses the best epoch.
    monitor, mode = ("val/loss", "min") if len(undefined) == len(cfg["mean_over"]) else (MONITOR, "max")
    kept, resources = BestValidation(folder), Resources()
    best = BestCheckpoint(folder, monitor, mode, on_saved=kept.write)
    settings = flatten_hparams({key: cfg[key] for key in cfg if key not in EXCLUDED_HPARAMS})
    hparams = {"run": name_folder(folder)} | settings
    results, tensorboard = ResultsWriter(folder), TensorBoardWriter(hparams)
    saver = LastCheckpoint(run_files.checkpoint(folder, run_files.LAST), stopper, cfg["save_every_n_minutes"])
    chosen = choose_callbacks(cfg, folder, monitor, mode, logged=bool(tracked.loggers))
    explain_callback = make_explain_callback(cfg, folder)
    origin = describe_origin(folder)
    if origin:
        model.contamination = add_teachers(model.contamination, origin["teachers"])
    results.metrics["contamination"] = model.contamination
    writers = [best, results, tensorboard, explain_callback, *make_trial_callbacks(trial), saver]
    callbacks = [resources, kept, *chosen, *writers]
    trainer = make_trainer(cfg["trainer"], tracked.loggers, callbacks)
    explain_callback.check(data)
    module = make_module(cfg, model, data, distributed=trainer.world_size > 1)
    if origin:
        module.metadata["made_of"] = origin
    if trainer.is_global_zero:
        run_files.write_text(folder / run_files.CONFIG, OmegaConf.to_yaml(OmegaConf.create(cfg)))
        run_files.write_json(folder / run_files.DATA, data.summarize())
        log.info(print_summary(model, data, trainer, folder))
        if depth := cfg["trainer"].get("enable_model_summary"):
            log.info(describe_layers(module, data.preprocessing.size, depth))
        for warning in (*find_random_encoders(model, cfg), *find_warnings(data, undefined, monitor)):
            log.warning(warning)
        for note in find_notes(data, cfg):
            log.log(NOTE, note)
        tracked.log_settings(hparams, cfg)
    if "train" in data.datasets:
        trainer.fit(module, datamodule=data, ckpt_path=last and last.path, weights_only=True)
    weights = best.best_model_path or None
    with resources.measuring("evaluation"):
        if cfg["predict_train"]:
            write_predictions(trainer, module, data, weights, folder)
        if cfg["tta"] is not None:
            predict_tta(trainer, module, data, weights, folder, cfg)
        evaluate(trainer, module, data, weights, kept)
    results.metrics["resources"] = resources.summarize(trainer.strategy.root_device)
    if not trainer.is_global_zero:
        return math.nan
    report_skipped_and_flagged(data, results, folder)
    if weights:
        export(folder)
    evaluate_run(folder, cfg)
    compare_with_teachers(cfg, folder)
    if weights:
        embed_fitted(folder)
    if tracked.has_tensorboard():
        show_evaluation(folder)
    tracked.log_evaluations(trainer.global_step)
    fit_run_gate(cfg, model, data, folder)
    seconds = results.metrics["resources"]["seconds"]
    explain(explain_callback, trainer, model, folder, tracked, seconds["training"] + seconds["validation"])
    return results.metrics[data.selection_split or "valid"]["auroc_mean"]


def report_skipped_and_flagged(data: CheXpertDataModule, results: ResultsWriter, folder: Path) -> None:
    """Write the skipped and the flagged images to metrics.json and print a note; all images have been read by now."""
    if data.flagged:
        results.metrics["flagged"] = data.flagged
    results.metrics["skipped"] = sorted(data.skipped)
    run_files.write_json(folder / run_files.METRICS, results.metrics)
    for kind, lines in data.lines.items():
        if lines.more:
            message = f"{lines.count:,} images were {kind}"
            log.log(NOTE, f"{message}: {folder / run_files.METRICS} lists them all")
    run_files.write_json(folder / run_files.DATA, data.summarize())


@contextmanager
def report_errors_as_warnings(folder: Path) -> Iterator[None]:
    """Turn an OSError of the report into a warning with the command that makes the report: the run is valid."""
    try:
        yield
    except OSError as error:
        hint = shlex.join(["chexpert", "report", str(folder)])
        there = "is not up to date" if (folder / run_files.REPORT).is_file() else "is missing"
        log.warning(f"the report {there} ({error.strerror or error}): {hint}")


def explain(
    callback: ExplainCallback, trainer: pl.Trainer, model: Model, folder: Path, tracked: Tracking, fit_seconds: float
) -> None:
    """Write and record the explanations: last, so that a failure loses no result of the training."""
    if not callback.explainers:
        return
    with report_errors_as_warnings(folder):
        write_report(folder)
    show = partial(tracked.show_explanations, step=trainer.global_step)
    failures = callback.explain(trainer, model, show, fit_seconds)
    for line in failures.format_lines(folder):
        log.info(line)


def choose_callbacks(
    cfg: Mapping[str, Any], folder: Path, monitor: str, mode: str, *, logged: bool
) -> list[pl.Callback]:
    """Return progress, learning rate and averaging, and what the config adds: early stopping and checkpoints.

    ``logged``: there is a logger for the learning rate.
    """
    rates = [RateMonitor()] if logged else []
    chosen = [*make_progress(), *rates, *averaging(cfg)]
    if cfg["early_stopping"] is not None:
        chosen.append(EarlyStopping(monitor, mode=mode, patience=cfg["early_stopping"]))
    if cfg["save_top_k"] > 1:
        chosen.append(keep_best(folder, cfg["save_top_k"], monitor, mode))
    if cfg["save_every_n_steps"] is not None:
        chosen.append(EveryCheckpoint(folder, cfg["save_every_n_steps"]))
    return chosen


def make_trainer(node: Mapping[str, Any], loggers: Sequence[Logger], callbacks: Sequence[pl.Callback]) -> pl.Trainer:
    """Return the trainer, without Lightning's signal handlers."""
    trainer = build(
        # Lightning's own table goes to standard output, has one level and no sizes: describe_layers prints it
        {key: value for key, value in node.items() if key != "sync_batchnorm"} | {"enable_model_summary": False},
        "trainer",
        callbacks=list(callbacks),
        logger=list(loggers),
        plugins=[AtomicCheckpointIO()],
        use_distributed_sampler=False,  # the loader splits each batch between the processes
    )
    # They would exit with code 0 and save no checkpoint: Stopper handles signals.
    trainer._signal_connector.register_signal_handlers = lambda: None
    return trainer


def make_module(cfg: dict[str, Any], model: Model, data: CheXpertDataModule, *, distributed: bool) -> MultilabelModule:
    """Return the LightningModule; of several processes (DDP) without gradients of weights that are not used."""
    if cfg["trainer"].get("sync_batchnorm"):
        model = synchronize_batch_norm(model)
    train = data.datasets.get("train")
    counts = None if train is None else count_targets(train.targets, train.mask)
    module = build_module(cfg, model, data.preprocessing, counts, synthetic=data.synthetic, origin=data.layout.origin)
    if distributed:
        module.ignore_unused_in_ddp(data.preprocessing.size)
    return module


def make_trial_callbacks(trial: Mapping[str, Any] | None) -> list[pl.Callback]:
    """Return the callback that reports to the search trial; an empty list if the run is not part of a search."""
    if trial is None:
        return []
    from chexpert.sweep.pruning import TrialReporter  # an extra: only a search needs Optuna

    return [TrialReporter(**trial, monitor=MONITOR)]


def evaluate(
    trainer: pl.Trainer, module: MultilabelModule, data: CheXpertDataModule, best: str | None, kept: BestValidation
) -> None:
    """Evaluate every reported split with the best weights, or the current ones if nothing was trained.

    The split that chose the best weights was validated by them: where its predictions are ``kept``, no view of it is
    read again. The valid split comes last, since rank 0 explains its views afterwards, when the other ranks have ended.
    """
    for split in sorted(data.reported, key=lambda split: split == "valid"):
        data.evaluated_split = split
        chose = split == data.selection_split
        module.replayed = kept.read(trainer, data, best) if best and chose else None
        replays = best and chose and trainer.strategy.broadcast(module.replayed is not None)
        views: dict[str, Any] = {"dataloaders": make_empty_loader()} if replays else {"datamodule": data}
        trainer.validate(module, **views, ckpt_path=best, verbose=False, weights_only=True)
    module.replayed = None


def flatten_hparams(cfg: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten a config to dotted keys for TensorBoard's hparams; a ``_target_`` becomes its class name.

    Private settings, such as paths, are left out.

    >>> optimizer = {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.1}
    >>> flatten_hparams({"optimizer": optimizer, "data": {"root": "DOE"}, "seed": 0})
    {'optimizer': 'AdamW', 'optimizer.lr': 0.1, 'seed': 0}
    """
    flat: dict[str, Any] = {}
    for key, value in cfg.items():
        if key == "_target_":
            flat[prefix.removesuffix(".")] = str(value).rpartition(".")[2]
        elif isinstance(value, Mapping):
            flat |= flatten_hparams(value, f"{prefix}{key}.")
        elif key != "_partial_" and not is_private(f"{prefix}{key}", value):
            flat[f"{prefix}{key}"] = str(value) if isinstance(value, list) else value
    return flat
