"""From nodes of a config, or from a checkpoint, to objects. The only place that instantiates."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra.utils
import torch
from hydra.errors import InstantiationException
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import nn

from chexpert import rundir
from chexpert.config import check_targets
from chexpert.data import Preprocessing
from chexpert.explain import ExplainCallback
from chexpert.models import Model
from chexpert.problem import ProblemError
from chexpert.state import list_versions
from chexpert.training import MultilabelModule, start_scheduler


def build(node: Mapping[str, Any], where: str, **given: Any) -> Any:
    """Instantiates a config node that was checked, together with what the run gives.

    Raises:
        ProblemError: the constructor refused its arguments.
    """
    with told(node, where):
        factory = hydra.utils.instantiate(dict(node), _partial_=True, _convert_="all")
        return factory if node.get("_partial_") else factory(**given)


@contextmanager
def told(node: Mapping[str, Any], where: str) -> Iterator[None]:
    """Turns what a constructor says of its arguments into a problem of the config."""
    try:
        yield
    except ProblemError:
        raise
    except (InstantiationException, MisconfigurationException, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error.__cause__, ProblemError):
            raise error.__cause__ from error
        reason = str(error.__cause__ or error).strip()
        mend = f"see the arguments of {node['_target_']}"
        raise ProblemError(f"cannot be built: {reason}", where=where, mend=mend) from error


def try_out(cfg: Mapping[str, Any]) -> None:
    """Builds on stand-ins what is otherwise built late, so that a wrong value is told before anything is read."""
    with told(cfg["optimizer"], "optimizer"):
        optimizer = build(cfg["optimizer"], "optimizer")([nn.Parameter(torch.zeros(1))])
    with told(cfg["scheduler"], "scheduler"):
        start_scheduler(build(cfg["scheduler"], "scheduler"), optimizer, lambda: 100)
    build(cfg["loss"], "loss")
    build(cfg["trainer"], "trainer", logger=False, callbacks=[])
    for name, node in cfg["explainer"].items():
        build(node, f"explainer.{name}")


def takes_total_steps(scheduler: Mapping[str, Any]) -> bool:
    """Whether this scheduler lays its rates out for the whole training."""
    return "total_steps" in inspect.signature(hydra.utils.get_object(scheduler["_target_"])).parameters


def check_input(model: Model, size: int) -> None:
    """One empty film through the model: some networks take only certain sizes, or give no feature map."""
    model.eval()
    try:
        with torch.no_grad():
            model(torch.zeros(1, 1, size, size, dtype=torch.uint8))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        what = f"the model cannot take a film of {size} px: {reason}"
        raise ProblemError(what, where="data.size", mend="another data.size, or another backbone") from error
    model.train()


def build_model(cfg: Mapping[str, Any]) -> Model:
    """The model of a config, with the weights of ``start_from`` where that is given."""
    labels, observations = build(cfg["labels"], "labels"), cfg["observations"]
    readout = {"uncertain": labels.three_class(observations), "parents": labels.parents(observations)}
    model = build(cfg["model"], "model", outputs=len(observations), **readout)
    if cfg.get("start_from"):
        card, state = read_checkpoint(cfg["start_from"])
        if card["observations"] != cfg["observations"]:
            raise ProblemError(
                f"the checkpoint puts out {card['observations']}, this run {cfg['observations']}",
                where=f"start_from={cfg['start_from']}",
                mend="set observations to the checkpoint's, or start its backbone only: pretrained=PATH",
            )
        if (trained := find_readout(card)) != readout:
            raise ProblemError(
                f"the checkpoint's outputs are read as {trained}, this run's as {readout}",
                where=f"start_from={cfg['start_from']}",
                mend="set labels to the checkpoint's, or start its backbone only: pretrained=PATH",
            )
        load_state(model, state, f"start_from={cfg['start_from']}")
    return model.to(memory_format=torch.channels_last) if cfg["channels_last"] else model


def data_arguments(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What the run gives to the data module."""
    labels = build(cfg["labels"], "labels")
    return {"observations": cfg["observations"], "labels": labels, "seed": cfg["seed"]}


def build_module(cfg: dict[str, Any], model: Model, preprocessing: Preprocessing) -> MultilabelModule:
    """The Lightning module, with the card that its checkpoints carry."""
    card = {
        "config": cfg,
        "observations": list(cfg["observations"]),
        "readout": {"uncertain": model.readout.uncertain, "parents": model.readout.parents},
        "preprocessing": {"size": preprocessing.size, "fit": preprocessing.fit},
        "versions": list_versions(),
    }
    return MultilabelModule(
        model,
        cfg["observations"],
        cfg["mean_over"],
        loss=build(cfg["loss"], "loss"),
        optimizer=build(cfg["optimizer"], "optimizer"),
        scheduler=build(cfg["scheduler"], "scheduler"),
        card=card,
        level=cfg["level"],
        study_score=cfg["study_score"],
        compiled=cfg["compile"],
    )


def explaining(cfg: Mapping[str, Any], folder: Path) -> ExplainCallback:
    """The callback that explains, with its explainers by name."""
    explainers = {name: build(node, f"explainer.{name}") for name, node in cfg["explainer"].items()}
    options = dict(cfg["explain"])
    only = options.pop("observations")
    return ExplainCallback(folder, explainers, cfg["observations"], only, seed=cfg["seed"], **options)


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
    problems = [str(p) for p in check_targets(without_weights(config["model"]), "model", ("chexpert.models.",))]
    if problems:
        raise ProblemError("\n".join(problems), where=str(path))
    given = {"outputs": len(card["observations"])} | find_readout(card)
    model = build(without_weights(config["model"]), "model", **given)
    load_state(model, state, str(path))
    return Loaded(model.eval(), Preprocessing(**card["preprocessing"]), card["observations"], config)


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The card and the model's weights of a checkpoint of this project, by torch's safe loading."""
    path = Path(path)
    file = rundir.checkpoint(path) if path.is_dir() else path
    if not file.exists():
        where = f"in {file.parent}" if path.is_dir() else "of this name"
        mend = "give a run folder that has finished an epoch, or a checkpoint"
        raise ProblemError(f"no checkpoint {where}", where=str(path), mend=mend)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        card, state = content["chexpert"], content["state_dict"]
        _ = card["observations"], card["preprocessing"], card["config"]["model"]
    except Exception as error:
        what = f"no checkpoint of this project: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise ProblemError(what, where=str(file), mend="give a run folder or its checkpoints/best.ckpt") from error
    return card, {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}


def find_readout(card: Mapping[str, Any]) -> dict[str, Any]:
    """How the outputs of a checkpoint are read; one from before there was a choice has plain logits."""
    readout = card.get("readout", {})
    return {"uncertain": readout.get("uncertain", []), "parents": readout.get("parents")}


def load_state(model: Model, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Loads weights that must fit entirely."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        what = "these weights belong to another model: " + " ".join(str(error).split())[:300]
        raise ProblemError(what, where=where, mend="choose the model and backbone of that run") from error


def without_weights(node: Any) -> Any:
    """The node of a model that loads nothing: the checkpoint's own weights follow."""
    if isinstance(node, dict):
        return {key: False if key == "pretrained" else without_weights(value) for key, value in node.items()}
    return node
