"""The schema of the top level, and everything that can be wrong with a config before data or weights are read."""

import difflib
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import hydra.utils
from hydra.core.config_store import ConfigStore
from hydra.experimental.callback import Callback
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from chexpert.metrics.calibration import METHODS
from chexpert.observations import COMPETITION, OBSERVATIONS
from chexpert.problem import ProblemError

GROUPS: dict[str, tuple[str, ...]] = {"competition": COMPETITION, "all": OBSERVATIONS}
"""Words for lists of observations."""

TRUSTED = ("chexpert.", "torch.nn.", "torch.optim.", "pytorch_lightning.")
"""Where a class that a ``_target_`` names may be defined: a config must not be able to run just any code."""

FUNCTIONS = ("chexpert.data.find_phantom",)
"""The functions that a ``_target_`` may name."""

GIVEN = {
    "data": ("observations", "labels", "seed"),
    "model": ("outputs", "uncertain", "parents"),
    "optimizer": ("params",),
    "scheduler": ("optimizer", "total_steps"),
    "trainer": ("callbacks", "logger"),
}
"""Arguments that run.py gives itself; every other one comes from the config."""


LEVELS, STUDY_SCORES = ("image", "study"), ("max", "mean")

GROUP_KEYS = ("data", "labels", "backbone", "model", "loss", "optimizer", "scheduler", "trainer", "explainer")
"""Top-level keys that a config group fills."""


@dataclass
class ExplainConfig:
    """Which views and observations are explained after fitting."""

    views: list[str] | None = None
    count: int = 4
    top: int = 3
    observations: Any = None
    masks: Any = None
    score: int = 32
    passes: int = 5000


@dataclass
class Config:
    """The top level of train.yaml; a key that is not here is refused."""

    name: str = MISSING
    seed: int = MISSING
    observations: Any = MISSING
    mean_over: Any = MISSING
    pretrained: Any = MISSING
    start_from: str | None = None
    channels_last: bool = MISSING
    early_stopping: int | None = None
    level: str = MISSING
    study_score: str = MISSING
    predict_train: bool = MISSING
    calibration: str | None = None
    keep: int = MISSING
    explain: ExplainConfig = field(default_factory=ExplainConfig)
    data: Any = field(default_factory=dict)
    labels: Any = field(default_factory=dict)
    backbone: Any = field(default_factory=dict)
    model: Any = field(default_factory=dict)
    loss: Any = field(default_factory=dict)
    optimizer: Any = field(default_factory=dict)
    scheduler: Any = field(default_factory=dict)
    trainer: Any = field(default_factory=dict)
    explainer: Any = field(default_factory=dict)


def make_schema() -> DictConfig:
    """The schema, open below each group: there the Python signatures say which keys exist.

    So ``data.batch_size=8`` needs no ``+`` although YAML does not restate the default, and ``data.batch_sise=8`` is
    told by :func:`find_problems`.
    """
    schema = OmegaConf.structured(Config)
    for group in GROUP_KEYS:
        OmegaConf.set_struct(schema[group], False)
    return schema


ConfigStore.instance().store(name="schema", node=make_schema())


class RunFolderCheck(Callback):
    """A Hydra callback that tries the run folder before Hydra does, whose own error would be a traceback."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        check_folder(Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        check_folder(Path(config.hydra.sweep.dir))


def check_folder(folder: Path) -> None:
    """Exits with one message where the folder cannot be made, or already holds something."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            return
        problem = ProblemError("the run folder is not empty", where=str(folder), mend="choose another hydra.run.dir")
    except OSError as error:
        mend = "make it writable, or choose another: hydra.run.dir=... (a sweep: hydra.sweep.dir=...)"
        problem = ProblemError(f"the run folder cannot be made: {error.strerror}", where=str(folder), mend=mend)
    sys.exit(f"error: {problem}")


def resolve(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain containers, checked, with its words replaced by what they stand for.

    Raises:
        ProblemError: everything that is wrong, at once.
    """
    if cfg.get("pretrained") == "auto":
        # Weights learned on photographs help on films, not on drawings that the config itself has made.
        cfg.pretrained = not OmegaConf.is_dict(OmegaConf.select(cfg, "data.root"))
    try:
        plain: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        where, what = str(error.full_key), str(error).splitlines()[0]
        raise ProblemError(what, where=where, mend=f"give it: {where}=...") from error
    plain.pop("hydra", None)
    for key in ("observations", "mean_over"):
        plain[key] = expand(plain[key])
    if isinstance(plain.get("explain"), dict) and plain["explain"].get("observations") is not None:
        plain["explain"]["observations"] = expand(plain["explain"]["observations"])
    problems = find_problems(plain)
    if problems:
        raise ProblemError("\n".join(problems))
    return plain


def find_notices(cfg: DictConfig, overrides: Sequence[str]) -> list[str]:
    """What a user chose that will have no effect; no error, since a sweep may choose it for other jobs."""
    chosen = [override for override in overrides if override.lstrip("+").startswith(("backbone=", "backbone."))]
    if chosen and "members" in cfg.model:
        way = "choose its members: backbone@model.members.<name>=..."
        return [f"{chosen[0]} has no effect on a combined model; {way}"]
    return []


def expand(observations: Any) -> Any:
    """The list for a word, and a list as it is.

    >>> len(expand("all")), expand(["Edema"])
    (14, ['Edema'])
    """
    return list(GROUPS[observations]) if isinstance(observations, str) and observations in GROUPS else observations


def find_problems(cfg: dict[str, Any]) -> list[str]:
    """Everything wrong with a plain config, each as one message with what, where and the mend."""
    known = [f.name for f in fields(Config)]
    problems: list[ProblemError | str] = [_unknown(key, "the top level", known) for key in cfg if key not in known]
    problems += _observation_problems(cfg)
    problems += find_explain_problems(cfg["explain"])
    problems += _number_problems(cfg)
    if not cfg.get("start_from"):
        problems += _frozen_problems(cfg.get("model"), "model")
    nodes = {key: cfg[key] for key in GROUP_KEYS if key != "explainer" and key in cfg}
    nodes |= {f"explainer.{name}": node for name, node in (cfg.get("explainer") or {}).items()}
    outputs = {"observations": list(map(str, cfg["observations"])) if isinstance(cfg["observations"], list) else []}
    for key, node in nodes.items():
        if not isinstance(node, dict) or "_target_" not in node:
            group, _, name = key.partition(".")
            mend = f"choose it too: {group}=" + (f"[...,{name}]" if name else "...")
            problems.append(ProblemError("set, but not chosen", where=key, mend=mend))
        problems += check_targets(node, key, known=outputs if key == "labels" else {})
    return list(
        dict.fromkeys(str(problem) for problem in problems)
    )  # an interpolated node is checked where it stands too


def check_targets(
    node: Any, where: str, trusted: tuple[str, ...] = TRUSTED, known: Mapping[str, Any] = {}
) -> Iterator[ProblemError | str]:
    """Checks every ``_target_`` below a node: trusted, importable, its arguments bind, and what it says itself.

    What is ``known`` of the run is told to the node's own ``find_problems`` beside its arguments.
    """
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from check_targets(item, f"{where}[{index}]", trusted)
    elif isinstance(node, dict):
        if "_target_" in node:
            yield from _check_target(node, where, trusted, known)
        for key, value in node.items():
            yield from check_targets(value, f"{where}.{key}", trusted)


def _check_target(
    node: dict[str, Any], where: str, trusted: tuple[str, ...], known: Mapping[str, Any]
) -> Iterator[ProblemError | str]:
    target = str(node["_target_"])
    distrust = ProblemError(f"_target_ {target} is not trusted", where=where, mend=f"a class of {', '.join(trusted)}*")
    if not target.startswith(trusted):
        yield distrust
        return
    try:
        built = hydra.utils.get_object(target)
    except Exception as error:
        yield ProblemError(f"_target_ {target} cannot be imported: {error}", where=where, mend="correct the name")
        return
    # The object counts, not its spelling: a trusted module may have imported anything.
    if target not in FUNCTIONS and not (inspect.isclass(built) and built.__module__.startswith(trusted)):
        yield distrust
        return
    arguments = {key: value for key, value in node.items() if key not in ("_target_", "_partial_")}
    problems = list(_check_arguments(built, arguments, where))
    yield from problems
    if not problems and hasattr(built, "find_problems"):
        yield from built.find_problems(**arguments, **known)


def _check_arguments(built: Any, arguments: dict[str, Any], where: str) -> Iterator[ProblemError]:
    parameters = inspect.signature(built).parameters
    given = GIVEN.get(where, ())
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for key in arguments:
        if key in given:
            yield ProblemError(f"{key} is set by the run itself", where=f"{where}.{key}", mend="leave it out")
        elif key not in parameters and not open_ended:
            yield _unknown(key, f"{where} ({built.__name__})", [p for p in parameters if p not in given])
    for key, parameter in parameters.items():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if named and parameter.default is parameter.empty and key not in arguments and key not in given:
            yield ProblemError(f"{key} is missing", where=where, mend=f"give it: {where}.{key}=...")


def _frozen_problems(node: Any, where: str) -> Iterator[ProblemError]:
    """Backbones that would stay as random as they begin."""
    if not isinstance(node, dict):
        return
    if node.get("frozen") is True and not node.get("pretrained"):
        mend = "give it weights: start_from=RUN, or pretrained=true or a file; or frozen=false"
        yield ProblemError("a frozen backbone without trained weights", where=where, mend=mend)
    for key, value in node.items():
        yield from _frozen_problems(value, f"{where}.{key}")


def _number_problems(cfg: dict[str, Any]) -> Iterator[ProblemError]:
    trainer = cfg["trainer"]
    if cfg["seed"] < 0:
        yield ProblemError(f"{cfg['seed']} is not possible", where="seed", mend="0 or more")
    epochs = trainer.get("max_epochs", 1)
    if not isinstance(epochs, int) or epochs < 0:
        yield ProblemError(f"{epochs!r} is not possible", where="trainer.max_epochs", mend="a whole number, 0 or more")
    if trainer.get("devices", 1) != 1 or trainer.get("num_nodes", 1) != 1:
        yield ProblemError("several devices are not supported yet", where="trainer.devices", mend="trainer.devices=1")
    if cfg["keep"] < 1:
        yield ProblemError(f"{cfg['keep']} is not possible", where="keep", mend="1 or more")
    for key, words in (("level", LEVELS), ("study_score", STUDY_SCORES), ("calibration", (None, *METHODS))):
        if cfg[key] not in words:
            yield ProblemError(f"unknown {key}: {cfg[key]!r}", where=key, mend=f"one of {', '.join(map(str, words))}")
    if ".." in Path(cfg["name"]).parts or Path(cfg["name"]).is_absolute():
        yield ProblemError(f"{cfg['name']} leaves outputs/", where="name", mend="a plain name")


def find_explain_problems(explain: Mapping[str, Any]) -> Iterator[ProblemError]:
    """What is wrong with the choice of what is explained and scored."""
    for key in ("count", "top", "passes"):
        if explain[key] < 1:
            mend = "1 or more; none at all: " + ("explain.score=0" if key == "passes" else "explainer=[]")
            yield ProblemError(f"{explain[key]} is not possible", where=f"explain.{key}", mend=mend)
    if explain["score"] < 0:
        mend = "the views an observation that are scored; 0: none"
        yield ProblemError(f"{explain['score']} is not possible", where="explain.score", mend=mend)
    views, masks = explain["views"], explain["masks"]
    if views is not None and len(set(views)) != max(1, len(views)):
        mend = "name each view once; none at all: explainer=[]"
        yield ProblemError("no view, or a view twice", where="explain.views", mend=mend)
    if not (masks is None or masks is False or (isinstance(masks, str) and Path(masks).is_file())):
        mend = "a file of masks as CheXlocalize distributes it, null (the one beside the data) or false (none)"
        yield ProblemError(f"no masks: {masks!r}", where="explain.masks", mend=mend)


def _observation_problems(cfg: dict[str, Any]) -> Iterator[ProblemError]:
    observations = cfg.get("observations")
    explained = (cfg.get("explain") or {}).get("observations")
    lists: dict[str, tuple[Any, Sequence[str]]] = {
        "observations": (observations, OBSERVATIONS),
        "mean_over": (cfg.get("mean_over"), observations if isinstance(observations, list) else OBSERVATIONS),
    }
    if explained is not None:
        lists["explain.observations"] = (explained, observations if isinstance(observations, list) else OBSERVATIONS)
    for key, (names, allowed) in lists.items():
        if not isinstance(names, list) or not names:
            mend = f"a list of names, or one of the words {', '.join(GROUPS)}"
            yield ProblemError(f"no list of observations: {names!r}", where=key, mend=mend)
            continue
        if wrong := [name for name in names if name not in allowed]:
            close = [c for name in wrong for c in difflib.get_close_matches(str(name), allowed, n=1)] or allowed
            what = f"not among {'the outputs' if allowed is observations else 'CheXpert'}: {', '.join(map(str, wrong))}"
            yield ProblemError(what, where=key, mend=f"did you mean {', '.join(map(str, close))}?")
        if len(set(map(str, names))) < len(names):
            yield ProblemError("an observation stands twice", where=key, mend="name each once")


def _unknown(key: str, where: str, known: Sequence[str]) -> ProblemError:
    close = difflib.get_close_matches(key, known, n=1)
    mend = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known))}"
    return ProblemError(f"unknown key {key!r}", where=where, mend=mend)
