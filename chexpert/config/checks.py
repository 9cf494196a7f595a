"""Everything that can be wrong with a config before data or weights are read."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from chexpert.config.allowed_targets import ROOMS, check_targets
from chexpert.config.schema import GROUP_KEYS, Config
from chexpert.config.training_checks import find_feature_problems, find_length_problems, find_training_problems
from chexpert.config.unknown import tell_unknown
from chexpert.config.value_checks import find_value_problems
from chexpert.errors import ProblemError
from chexpert.observations import COMPETITION, OBSERVATIONS
from chexpert.runs import files as run_files

GROUPS: dict[str, tuple[str, ...]] = {"competition": COMPETITION, "all": OBSERVATIONS}
"""Words for lists of observations."""

LEVELS, STUDY_SCORES = ("image", "study"), ("max", "mean")
CALIBRATIONS = ("platt", "temperature", "isotonic")  # as chexpert.metrics.calibration has them, which loads scipy


def expand(observations: Any) -> Any:
    """The list for a word, and a list as it is.

    >>> len(expand("all")), expand(["Edema"])
    (14, ['Edema'])
    """
    return list(GROUPS[observations]) if isinstance(observations, str) and observations in GROUPS else observations


def find_problems(cfg: dict[str, Any]) -> list[str]:
    """Everything wrong with a plain config, each as one message with what, where and the mend."""
    known = [f.name for f in fields(Config)]
    problems: list[ProblemError | str] = [tell_unknown(key, "the top level", known) for key in cfg if key not in known]
    problems += find_value_problems({key: value for key, value in cfg.items() if key != "recipe"})
    problems += _observation_problems(cfg)
    problems += find_explain_problems(cfg["explain"])
    problems += _number_problems(cfg)
    problems += find_length_problems(cfg["trainer"])
    problems += find_training_problems(cfg)
    problems += find_feature_problems(cfg)
    if not cfg.get("start_from"):
        problems += _frozen_problems(cfg.get("model"), "model")
    elif not cfg.get("resume"):  # which has all weights in its own checkpoint
        problems += _start_problems(cfg["start_from"])
    nodes = {
        key: cfg[key] for key in GROUP_KEYS if key != "explainer" and key in cfg and (cfg[key] or key != "averaging")
    }
    nodes |= {f"explainer.{name}": node for name, node in (cfg.get("explainer") or {}).items()}
    outputs = {"observations": list(map(str, cfg["observations"])) if isinstance(cfg["observations"], list) else []}
    for key, node in nodes.items():
        if not isinstance(node, dict) or "_target_" not in node:
            problems.append(_not_chosen(key, nodes))
        problems += check_targets(node, key, known=outputs if key in ("labels", "loss") else {})
    return list(
        dict.fromkeys(str(problem) for problem in problems)
    )  # an interpolated node is checked where it stands too


def _not_chosen(key: str, nodes: Mapping[str, Any]) -> ProblemError:
    """The problem of a group of which only single settings are given."""
    group, _, name = key.partition(".")
    if group != "explainer":
        return ProblemError("set, but not chosen", where=key, mend=f"choose it too: {group}=OPTION")
    known = ROOMS["explainer.*"].list_names()
    if name not in known:
        return tell_unknown(name, "explainer", known)
    chosen = [
        one.partition(".")[2] for one, node in nodes.items() if one.startswith("explainer.") and "_target_" in node
    ]
    mend = f"choose it too: explainer=[{','.join([*chosen, name])}]"
    return ProblemError("set, but not chosen", where=key, mend=mend)


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint that is meant: that of a run folder, or the file itself.

    Raises:
        ProblemError: there is none.
    """
    path = Path(path)
    file = run_files.checkpoint(path) if path.is_dir() else path
    if not file.exists():
        where = f"in {file.parent}" if path.is_dir() else "of this name"
        mend = "give a run folder that has finished an epoch, or a checkpoint"
        raise ProblemError(f"no checkpoint {where}", where=str(path), mend=mend)
    return file


def _start_problems(path: str) -> Iterator[ProblemError]:
    try:
        find_checkpoint(path)
    except ProblemError as problem:
        yield ProblemError(problem.what, where=f"start_from={path}", mend=problem.mend)


def _frozen_problems(node: Any, where: str) -> Iterator[ProblemError]:
    """Backbones that would stay as random as they begin."""
    if not isinstance(node, dict):
        return
    if node.get("frozen") is True and not node.get("pretrained"):
        key = "backbone" if where == "model.backbone" else where
        mend = f"give it weights: start_from=RUN, or {key}.pretrained=true or a file; or {key}.frozen=false"
        yield ProblemError("a frozen backbone without trained weights", where=where, mend=mend)
    for key, value in node.items():
        yield from _frozen_problems(value, f"{where}.{key}")


def _number_problems(cfg: dict[str, Any]) -> Iterator[ProblemError]:
    trainer = cfg["trainer"]
    if not 0 <= cfg["seed"] < 2**32:
        yield ProblemError(f"{cfg['seed']} is not possible", where="seed", mend=f"0 or more, up to {2**32 - 1}")
    epochs = trainer.get("max_epochs", 1)
    if not isinstance(epochs, int) or epochs < 0:
        yield ProblemError(f"{epochs!r} is not possible", where="trainer.max_epochs", mend="a whole number, 0 or more")
    for key in ("max_steps", "min_steps", "max_time"):
        if trainer.get(key) not in (None, -1):
            mend = "trainer.max_epochs=..., and for less than an epoch trainer.limit_train_batches=..."
            yield ProblemError("the length of a run is counted in epochs", where=f"trainer.{key}", mend=mend)
    devices = trainer.get("devices", 1)
    if (
        devices != "auto"
        and not (isinstance(devices, list) and devices)
        and (not isinstance(devices, int) or devices < 1)
    ):
        mend = "how many, a list of their numbers, or auto: all"
        yield ProblemError(f"{devices!r} is not possible", where="trainer.devices", mend=mend)
    if cfg["save_minutes"] <= 0:
        yield ProblemError(f"{cfg['save_minutes']} is not possible", where="save_minutes", mend="minutes above 0")
    if cfg["keep"] < 1:
        yield ProblemError(f"{cfg['keep']} is not possible", where="keep", mend="1 or more")
    for key, words in (("level", LEVELS), ("study_score", STUDY_SCORES), ("calibration", (None, *CALIBRATIONS))):
        if cfg[key] not in words:
            yield ProblemError(
                f"unknown {key}: {cfg[key]!r}",
                where=key,
                mend=f"one of {', '.join(str(word or 'null') for word in words)}",
            )
    if ".." in Path(cfg["name"]).parts or Path(cfg["name"]).is_absolute():
        yield ProblemError(f"{cfg['name']} leaves outputs/", where="name", mend="a plain name")


def find_explain_problems(explain: Mapping[str, Any]) -> Iterator[ProblemError]:
    """What is wrong with the choice of what is explained and scored."""
    for key in ("count", "top", "passes"):
        if explain[key] < 1:
            mend = "1 or more; none at all: " + ("explain.score=0" if key == "passes" else "explainer=[]")
            yield ProblemError(f"{explain[key]} is not possible", where=f"explain.{key}", mend=mend)
    if explain["score"] < 0:
        mend = "how many views of each observation are scored, 0 for none"
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
    wrong_outputs = False
    lists: dict[str, tuple[Any, Sequence[str]]] = {
        "observations": (observations, OBSERVATIONS),
        "mean_over": (cfg.get("mean_over"), observations if isinstance(observations, list) else OBSERVATIONS),
    }
    if explained is not None:
        lists["explain.observations"] = (explained, observations if isinstance(observations, list) else OBSERVATIONS)
    for key, (names, allowed) in lists.items():
        if not isinstance(names, list) or not names:
            near = [name for name in allowed if isinstance(names, str) and name.lower() == names.lower()]
            mend = write_list(key, near) if near else f"a list of names, or one of the words {', '.join(GROUPS)}"
            yield ProblemError(f"no list of observations: {names!r}", where=key, mend=mend)
            wrong_outputs |= key == "observations"
            continue
        if wrong_outputs:  # which the others have to be among
            continue
        if wrong := [name for name in names if name not in allowed]:
            wrong_outputs |= key == "observations"
            told = "the outputs" if allowed is observations else "CheXpert"
            what = f"not among {told}: {', '.join(map(str, wrong))}"
            yield ProblemError(what, where=key, mend=_find_names(key, wrong, allowed, cfg))
        if len(set(map(str, names))) < len(names):
            yield ProblemError("an observation stands twice", where=key, mend="name each once")


def _find_names(key: str, wrong: Sequence[Any], allowed: Sequence[str], cfg: Mapping[str, Any]) -> str:
    """The names that are meant; all outputs where it is the default of ``mean_over`` that asks for others."""
    if key == "mean_over" and list(cfg[key]) == list(COMPETITION):
        return f"observations is what the model puts out; the mean is of these: {write_list(key, allowed)}"
    lower = {name.lower(): name for name in allowed}
    close = [lower[c] for name in wrong for c in difflib.get_close_matches(str(name).lower(), lower, n=1)]
    return f"did you mean {', '.join(close)}?" if close else f"some of {', '.join(allowed)}"


def write_list(key: str, names: Sequence[str]) -> str:
    """A list as it is typed.

    >>> write_list("mean_over", ["Edema", "Pleural Effusion"])
    "mean_over='[Edema,Pleural Effusion]'"
    """
    return f"{key}='[{','.join(names)}]'"
