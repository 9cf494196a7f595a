"""Everything that can be wrong with a config before data or weights are read."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from chexpert.config.allowed_targets import ALLOWED, check_targets
from chexpert.config.distill_checks import find_distill_errors
from chexpert.config.probe_checks import find_probe_errors, is_probe
from chexpert.config.schema import GROUP_KEYS, LISTED, OPTIONAL, Config
from chexpert.config.threshold_checks import find_rule_errors
from chexpert.config.training_checks import find_feature_errors, find_length_errors, find_training_errors
from chexpert.config.tta_checks import find_tta_errors
from chexpert.config.unknown_key import TOP_LEVEL, unknown_key_error
from chexpert.config.value_checks import find_value_errors
from chexpert.errors import UserError
from chexpert.observations import COMPETITION, OBSERVATIONS, STUDY_SCORES
from chexpert.runs import files as run_files

GROUPS: dict[str, tuple[str, ...]] = {"competition": COMPETITION, "all": OBSERVATIONS}
"""Words for lists of observations."""

LEVELS = ("image", "study")
GATES = ("mahalanobis", "knn")  # as chexpert.gate has them, which loads torch
CALIBRATIONS = ("platt", "temperature", "isotonic")  # as chexpert.metrics.calibration has them, which loads scipy


def expand(observations: Any) -> Any:
    """Return the list for a word, and a list as it is.

    >>> len(expand("all")), expand(["Edema"])
    (14, ['Edema'])
    """
    return list(GROUPS[observations]) if isinstance(observations, str) and observations in GROUPS else observations


def validate_args(cfg: dict[str, Any]) -> list[UserError]:
    """Return all errors of a plain config.

    Args:
        cfg: config as plain containers.

    Returns:
        Each error, with its place and a hint; empty if the config is valid.
    """
    known = [f.name for f in fields(Config)]
    errors = [unknown_key_error(key, TOP_LEVEL, known) for key in cfg if key not in known]
    errors += find_value_errors({key: value for key, value in cfg.items() if key != "recipe"})
    errors += _observation_errors(cfg)
    errors += find_explain_errors(cfg["explain"])
    errors += _number_errors(cfg)
    errors += find_rule_errors(cfg["thresholds"])
    errors += find_length_errors(cfg["trainer"])
    errors += find_training_errors(cfg)
    errors += find_feature_errors(cfg)
    errors += find_tta_errors(cfg)
    errors += find_distill_errors(cfg)
    errors += find_probe_errors(cfg)
    if not cfg.get("start_from"):
        errors += _stage_errors(cfg) or (() if is_probe(cfg) else _frozen_errors(cfg.get("model"), "model"))
    elif not cfg.get("resume"):  # which has all weights in its own checkpoint
        errors += _start_errors(cfg["start_from"])
    nodes = {
        key: cfg[key] for key in GROUP_KEYS if key not in LISTED and key in cfg and (cfg[key] or key not in OPTIONAL)
    }
    nodes |= {f"{group}.{name}": node for group in LISTED for name, node in (cfg.get(group) or {}).items()}
    outputs = {"observations": list(map(str, cfg["observations"])) if isinstance(cfg["observations"], list) else []}
    for key, node in nodes.items():
        if not isinstance(node, dict) or "_target_" not in node:
            errors.append(_not_chosen(key, nodes))
        errors += check_targets(node, key, known=outputs if key in ("labels", "loss") else {})
    unique: list[UserError] = []
    for error in errors:
        if not any(_is_repeated(error, before) for before in unique):
            unique.append(error)
    return unique


def _stage_errors(cfg: Mapping[str, Any]) -> list[UserError]:
    """Return an error where the second stage of a recipe would begin from random weights."""
    recipe = cfg.get("recipe")
    before = recipe.get("after") if isinstance(recipe, Mapping) else None
    if not before or cfg.get("resume"):
        return []
    message, hint = f"this recipe starts from a run of {before}", f"experiment={before} first, then start_from=RUN"
    return [UserError(message, code="missing-run", where="start_from", hint=hint)]


def _is_repeated(error: UserError, before: UserError) -> bool:
    """Whether an error was found before: ``model.backbone`` is interpolated from ``backbone``, and both are checked."""
    same = (error.code, error.message, error.hint) == (before.code, before.message, before.hint)
    return same and (error.where == before.where or error.where.endswith(f".{before.where}"))


def _not_chosen(key: str, nodes: Mapping[str, Any]) -> UserError:
    """The error of a group of which only single settings are given."""
    group, _, name = key.partition(".")
    if group not in LISTED:
        return UserError("set, but not chosen", code="unused-setting", where=key, hint=f"choose it too: {group}=OPTION")
    known = ALLOWED[f"{group}.*"].list_names()
    if name not in known:
        return unknown_key_error(name, group, known)
    chosen = [
        one.partition(".")[2] for one, node in nodes.items() if one.startswith(f"{group}.") and "_target_" in node
    ]
    hint = f"choose it too: {group}=[{','.join([*chosen, name])}]"
    return UserError("set, but not chosen", code="unused-setting", where=key, hint=hint)


def find_checkpoint(path: str | Path) -> Path:
    """Return the best checkpoint of a run folder, or the file itself.

    Args:
        path: run folder or file.

    Returns:
        Path of a file that exists.

    Raises:
        UserError: there is no such file.
    """
    path = Path(path)
    file = run_files.checkpoint(path) if path.is_dir() else path
    if not file.exists():
        where = f"in {file.parent}" if path.is_dir() else "of this name"
        hint = "give a run folder that has finished an epoch, or a checkpoint"
        raise UserError(f"no checkpoint {where}", code="missing-file", where=str(path), hint=hint)
    return file


def _start_errors(path: str) -> Iterator[UserError]:
    try:
        find_checkpoint(path)
    except UserError as error:
        yield UserError(error.message, code=error.code, where=f"start_from={path}", hint=error.hint)


def _frozen_errors(node: Any, where: str) -> Iterator[UserError]:
    """Backbones that would stay as random as they begin."""
    if not isinstance(node, dict):
        return
    if node.get("frozen") is True and not node.get("pretrained"):
        key = "backbone" if where == "model.backbone" else where
        hint = f"give it weights: start_from=RUN, or {key}.pretrained=true or a file; or {key}.frozen=false"
        yield UserError("a frozen backbone without trained weights", code="conflict", where=where, hint=hint)
    for key, value in node.items():
        yield from _frozen_errors(value, f"{where}.{key}")


def _number_errors(cfg: dict[str, Any]) -> Iterator[UserError]:
    trainer = cfg["trainer"]
    if not 0 <= cfg["seed"] < 2**32:
        yield UserError(
            f"{cfg['seed']} is not possible", code="value", where="seed", hint=f"0 or more, up to {2**32 - 1}"
        )
    epochs = trainer.get("max_epochs", 1)
    if not isinstance(epochs, int) or epochs < 0:
        yield UserError(
            f"{epochs!r} is not possible", code="value", where="trainer.max_epochs", hint="a whole number, 0 or more"
        )
    for key in ("max_steps", "min_steps", "max_time"):
        if trainer.get(key) not in (None, -1):
            hint = "trainer.max_epochs=..., and for less than an epoch trainer.limit_train_batches=..."
            yield UserError(
                "the length of a run is counted in epochs", code="conflict", where=f"trainer.{key}", hint=hint
            )
    devices = trainer.get("devices", 1)
    if (
        devices != "auto"
        and not (isinstance(devices, list) and devices)
        and (not isinstance(devices, int) or devices < 1)
    ):
        hint = "how many, a list of their numbers, or auto: all"
        yield UserError(f"{devices!r} is not possible", code="value", where="trainer.devices", hint=hint)
    depth = trainer.get("enable_model_summary", False)
    if not isinstance(depth, int) or depth < -1:
        hint = "true, or how many levels of layers to print; -1: all"
        yield UserError(f"{depth!r} is not possible", code="value", where="trainer.enable_model_summary", hint=hint)
    if cfg["save_every_n_minutes"] <= 0:
        message = f"{cfg['save_every_n_minutes']} is not possible"
        yield UserError(message, code="value", where="save_every_n_minutes", hint="minutes above 0")
    if cfg["save_top_k"] < 1:
        yield UserError(f"{cfg['save_top_k']} is not possible", code="value", where="save_top_k", hint="1 or more")
    choices: dict[str, tuple[str | None, ...]] = {
        "level": LEVELS, "study_score": STUDY_SCORES, "calibration": (None, *CALIBRATIONS), "gate": (None, *GATES),
    }  # fmt: skip
    for key, words in choices.items():
        if cfg[key] not in words:
            yield UserError(
                f"unknown {key}: {cfg[key]!r}",
                code="choice",
                where=key,
                hint=f"one of {', '.join(str(word or 'null') for word in words)}",
            )
    if ".." in Path(cfg["name"]).parts or Path(cfg["name"]).is_absolute():
        yield UserError(f"{cfg['name']} leaves outputs/", code="value", where="name", hint="a plain name")


def find_explain_errors(explain: Mapping[str, Any]) -> Iterator[UserError]:
    """Yield the errors in the choice of the views and observations to explain and to score.

    Args:
        explain: values of the fields of :class:`ExplainConfig`.

    Yields:
        One error each; none if the choice is valid. The names of observations are not checked here.
    """
    for key in ("count", "top", "passes"):
        if explain[key] < 1:
            hint = "1 or more; none at all: " + ("explain.score=0" if key == "passes" else "explainer=[]")
            yield UserError(f"{explain[key]} is not possible", code="value", where=f"explain.{key}", hint=hint)
    if explain["score"] < 0:
        hint = "how many views of each observation are scored, 0 for none"
        yield UserError(f"{explain['score']} is not possible", code="value", where="explain.score", hint=hint)
    minutes = explain["minutes"]
    if minutes not in (None, "auto") and not (type(minutes) in (int, float) and minutes > 0):
        hint = "a number of minutes above 0, auto (3, or a quarter of the time of the fit), or null (no limit)"
        yield UserError(f"{minutes!r} is not possible", code="value", where="explain.minutes", hint=hint)
    views, masks = explain["views"], explain["masks"]
    if views is not None and len(set(views)) != max(1, len(views)):
        hint = "name each view once; none at all: explainer=[]"
        yield UserError("no view, or a view twice", code="value", where="explain.views", hint=hint)
    if not (masks is None or masks is False or (isinstance(masks, str) and Path(masks).is_file())):
        hint = "a file of masks as CheXlocalize distributes it, null (the one beside the data) or false (none)"
        yield UserError(f"no masks: {masks!r}", code="missing-file", where="explain.masks", hint=hint)


def _observation_errors(cfg: dict[str, Any]) -> Iterator[UserError]:
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
            hint = write_list(key, near) if near else f"a list of names, or one of the words {', '.join(GROUPS)}"
            yield UserError(f"no list of observations: {names!r}", code="value", where=key, hint=hint)
            wrong_outputs |= key == "observations"
            continue
        if wrong_outputs:  # which the others have to be among
            continue
        if wrong := [name for name in names if name not in allowed]:
            wrong_outputs |= key == "observations"
            source = "the outputs" if allowed is observations else "CheXpert"
            message = f"not among {source}: {', '.join(map(str, wrong))}"
            yield UserError(message, code="unknown-observation", where=key, hint=_find_names(key, wrong, allowed, cfg))
        if len(set(map(str, names))) < len(names):
            yield UserError("an observation stands twice", code="repeated", where=key, hint="name each once")


def _find_names(key: str, wrong: Sequence[Any], allowed: Sequence[str], cfg: Mapping[str, Any]) -> str:
    """The names that are meant; all outputs where it is the default of ``mean_over`` that asks for others."""
    if key == "mean_over" and list(cfg[key]) == list(COMPETITION):
        return f"observations is what the model puts out; the mean is of these: {write_list(key, allowed)}"
    lower = {name.lower(): name for name in allowed}
    close = [lower[c] for name in wrong for c in difflib.get_close_matches(str(name).lower(), lower, n=1)]
    return f"did you mean {', '.join(close)}?" if close else f"some of {', '.join(allowed)}"


def write_list(key: str, names: Sequence[str]) -> str:
    """Return a list in the form in which a user types it in a shell.

    Args:
        key: key of the setting.
        names: elements of the list.

    Returns:
        The setting with its value in quotes.

    >>> write_list("mean_over", ["Edema", "Pleural Effusion"])
    "mean_over='[Edema,Pleural Effusion]'"
    """
    return f"{key}='[{','.join(names)}]'"
