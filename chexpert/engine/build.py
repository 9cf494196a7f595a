"""Build the parts of a run from its config: model, loss, module, callbacks."""

import inspect
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from chexpert.checkpoints import FORMAT, get_output_head, load_state, read_checkpoint, without_pretrained
from chexpert.config import build, find_target, raising_build_errors, write_list
from chexpert.data import Preprocessing
from chexpert.engine.trackers import Tracker
from chexpert.errors import UserError, raise_errors
from chexpert.explain import ExplainCallback, Explainer
from chexpert.models import Model, describe_contamination, describe_run
from chexpert.runs.state import list_versions
from chexpert.training import MultilabelModule, find_device, start_optimizer, start_scheduler


def try_out(cfg: Mapping[str, Any]) -> None:
    """Build late parts on stand-ins, so that a wrong value is reported before anything is read.

    Raises:
        UserError: all that cannot be built.
    """
    errors = []
    explainers = [partial(build, node, f"explainer.{name}") for name, node in cfg["explainer"].items()]
    trainer = partial(build, cfg["trainer"], "trainer", logger=False, callbacks=[])
    attempts: list[Callable[[], Any]] = [partial(try_rates, cfg), partial(averaging, cfg), trainer, *explainers]
    for attempt in attempts:
        try:
            attempt()
        except UserError as error:
            errors.append(error)
    raise_errors(errors)


def try_rates(cfg: Mapping[str, Any], steps: int = 100) -> None:
    """Build loss, optimizer and scheduler for this many steps, and step the scheduler over an epoch.

    Raises:
        UserError: one of them cannot be built, or has no rate for the second epoch.
    """
    loss = build_loss(cfg)
    with raising_build_errors(cfg["optimizer"], "optimizer"):
        duals = [nn.Parameter(torch.zeros(1))] if hasattr(loss, "dual_parameters") else []
        optimizer = start_optimizer(build(cfg["optimizer"], "optimizer"), [], [nn.Parameter(torch.zeros(1))], duals)
    with raising_build_errors(cfg["scheduler"], "scheduler"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of a scheduler that is stepped without its optimizer
        scheduler, when = start_scheduler(build(cfg["scheduler"], "scheduler"), optimizer, lambda: steps)
        if when == "epoch" and cfg["trainer"].get("max_epochs") != 0:
            scheduler.step(*[0.5] * isinstance(scheduler, ReduceLROnPlateau))


def takes_total_steps(scheduler: Mapping[str, Any]) -> bool:
    """Return whether this scheduler plans its rates for the whole training."""
    return "total_steps" in inspect.signature(find_target(scheduler, "scheduler")).parameters


def build_model(cfg: Mapping[str, Any], *, resumes: bool = False) -> Model:
    """Build the model of a config, with the weights of ``start_from`` where that is given.

    Args:
        cfg: of the run.
        resumes: ``start_from`` is the run's own checkpoint, which says what the weights had seen before the run.
    """
    labels, observations = build(cfg["labels"], "labels"), cfg["observations"]
    output_head = {"uncertain": labels.three_class(observations), "parents": labels.parents(observations)}
    node = without_pretrained(cfg["model"]) if cfg.get("start_from") else cfg["model"]  # all weights are that run's
    model = build(node, "model", outputs=len(observations), **output_head)
    histories, stored = [member.history for member in model.members.values()], dict[str, Any]()
    if cfg.get("start_from"):
        stored, state = read_checkpoint(cfg["start_from"])
        if stored["observations"] != cfg["observations"]:
            raise UserError(
                f"the checkpoint puts out {stored['observations']}, this run {cfg['observations']}",
                code="other-model",
                where=f"start_from={cfg['start_from']}",
                hint=f"{write_list('observations', stored['observations'])}, with mean_over among them; or only its "
                "backbone: start_from=null pretrained=RUN/checkpoints/best.ckpt",
            )
        if (trained := get_output_head(stored)) != output_head:
            raise UserError(
                f"the checkpoint's outputs are read as {trained}, this run's as {output_head}",
                code="other-model",
                where=f"start_from={cfg['start_from']}",
                hint="labels=... as that run had them; or only its backbone: start_from=null "
                "pretrained=RUN/checkpoints/best.ckpt",
            )
        state = model.fit_weights(state, stored["config"])
        load_state(model, state, f"start_from={cfg['start_from']}")
        histories = [describe_run(stored)]  # all weights are that run's
    own = stored.get("contamination") if resumes else None
    model.contamination = own or describe_contamination(histories)
    return set_memory_format(model, cfg)


def set_memory_format(model: Model, cfg: Mapping[str, Any]) -> Model:
    """Return the model in the memory format of the config, except on Apple's MPS.

    There gradients of batch normalization are wrong in ``channels_last``, by orders of magnitude and without an error:
    github.com/pytorch/pytorch/issues/175189.
    """
    wrong = find_device(cfg["trainer"].get("accelerator", "auto")) == "mps"
    return model.to(memory_format=torch.channels_last) if cfg["channels_last"] and not wrong else model


def data_arguments(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that the run gives to the data module."""
    labels = build(cfg["labels"], "labels")
    return {"observations": cfg["observations"], "labels": labels, "seed": cfg["seed"]}


def build_loss(cfg: Mapping[str, Any], counts: torch.Tensor | None = None) -> nn.Module:
    """Build the loss; it may take ``observations``, and ``counts`` of positives and negatives (2, C + U)."""
    given = {"observations": cfg["observations"], "counts": counts}
    asked = inspect.signature(find_target(cfg["loss"], "loss")).parameters
    return build(cfg["loss"], "loss", **{key: value for key, value in given.items() if key in asked})


def build_module(
    cfg: dict[str, Any],
    model: Model,
    preprocessing: Preprocessing,
    counts: torch.Tensor | None = None,
    *,
    synthetic: bool = False,
    origin: str | None = None,
) -> MultilabelModule:
    """Build the Lightning module, with the metadata of its checkpoints.

    Args:
        cfg: of the run.
        model: to train.
        preprocessing: of its images.
        counts: see :func:`build_loss`.
        synthetic: whether the training images are.
        origin: the data set of these images, such as ``CheXpert``, whatever copy of it.
    """
    metadata = {
        "format": FORMAT,
        "config": {key: value for key, value in cfg.items() if key != "logger"},  # a checkpoint is made to be shared
        "observations": list(cfg["observations"]),
        "readout": {"uncertain": model.output_head.uncertain, "parents": model.output_head.parents},
        "preprocessing": {"size": preprocessing.size.plain, "fit": preprocessing.fit},
        "versions": list_versions(),
        "synthetic": synthetic,
        "origin": origin,
        "contamination": model.contamination,
    }
    return MultilabelModule(
        model,
        cfg["observations"],
        cfg["mean_over"],
        loss=build_loss(cfg, counts),
        optimizer=build(cfg["optimizer"], "optimizer"),
        scheduler=build(cfg["scheduler"], "scheduler"),
        metadata=metadata,
        level=cfg["level"],
        study_score=cfg["study_score"],
        backbone_lr_factor=cfg["backbone_lr_factor"],
        unfreeze_epoch=cfg["unfreeze_epoch"],
        layer_decay=cfg["layer_decay"],
        compiled=cfg["compile"],
    )


def averaging(cfg: Mapping[str, Any]) -> list[Any]:
    """Return the callback that averages weights, if one is chosen."""
    return [build(cfg["averaging"], "averaging")] if cfg["averaging"] else []


def build_explainers(cfg: Mapping[str, Any]) -> dict[str, Explainer]:
    """Return the explainers by name."""
    return {name: build(node, f"explainer.{name}") for name, node in cfg["explainer"].items()}


def build_trackers(cfg: Mapping[str, Any]) -> list[Tracker]:
    """Return the trackers, in the order of the config; none of them has started."""
    return [build(node, f"logger.{name}") for name, node in cfg["logger"].items()]


def make_explain_callback(cfg: Mapping[str, Any], folder: Path) -> ExplainCallback:
    """Return the callback that explains, with its explainers by name."""
    options = dict(cfg["explain"])
    only = options.pop("observations")
    return ExplainCallback(folder, build_explainers(cfg), cfg["observations"], only, seed=cfg["seed"], **options)
