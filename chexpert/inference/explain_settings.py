"""The explainers and settings of chexpert explain: from conf, the config of the run and the command line."""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from chexpert.config import GROUPS, ExplainConfig, build, check_targets, find_explain_errors, unknown_key_error
from chexpert.errors import Code, UserError, raise_errors
from chexpert.explain import Explainer
from chexpert.explain.explainer_check import check_explainer
from chexpert.models import Model

SETTING = re.compile(r"\w+(\.\w+)+=")
"""Of an explainer, or of ``explain``."""


def check_layers(explainers: Mapping[str, Explainer], model: Model) -> None:
    """Check that the model has the explainers' layers, before the first explainer has written anything."""
    for explainer in explainers.values():
        check_explainer(explainer, model)


def resolve_observations(names: Any, known: Sequence[str], where: str) -> list[str] | None:
    """Return the observations of a list, or of one of the config's words for lists; None where none were chosen."""
    if names is None:
        return None
    words = [names] if isinstance(names, str) else names
    names = [name for word in words for name in GROUPS.get(word, (word,))]
    check_names(names, known, "an output of the model", where, code="unknown-observation")
    return names


def compose_settings(
    config: Mapping[str, Any],
    explainers: Sequence[str],
    conf: Path,
    overrides: Sequence[str],
    where: str = "--explainer",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the nodes ``explainer`` and ``explain`` as plain containers: from conf, the run, then the overrides.

    ``where`` is the place of ``explainers`` in errors.
    """
    for word in overrides:
        if not SETTING.match(word):
            raise UserError("no setting", code="value", where=word, hint="as in explainer.occlusion.patch=0.25")
    own = {name: node for name, node in config["explainer"].items() if name in explainers}
    shipped = sorted(path.stem for path in (conf / "explainer").glob("*.yaml"))
    check_names(explainers, sorted({*shipped, *own}), "an explainer", where)
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        listed = ",".join(name for name in explainers if name in shipped)
        cfg = compose("train", [f"explainer=[{listed}]", f"seed={config['seed']}"])
    OmegaConf.resolve(cfg.explainer)
    try:
        settings = OmegaConf.merge(
            OmegaConf.create({"explainer": cfg.explainer, "explain": OmegaConf.structured(ExplainConfig)}),
            # the run's limit of time was for the end of training: here all is explained unless asked otherwise
            OmegaConf.create({"explainer": own, "explain": {**config["explain"], "minutes": None}}),
            OmegaConf.from_dotlist(list(overrides)),
        )
    except (OmegaConfBaseException, YAMLError) as error:
        message, hint = (
            str(error).splitlines()[0],
            "chexpert train --help lists the settings explain... and explainer...",
        )
        raise UserError(
            message, code="not-composed", where=" ".join(overrides) or "the run's config", hint=hint
        ) from error
    plain: dict[str, Any] = OmegaConf.to_container(settings)  # type: ignore[assignment]
    if other := [key for key in plain if key not in ("explainer", "explain")]:
        raise unknown_key_error(other[0], other[0], ["explainer", "explain"])
    check_settings(plain["explainer"], plain["explain"], explainers, where)
    return plain["explainer"], plain["explain"]


def build_explainer(name: str, conf: Path, seed: int) -> Explainer:
    """Return an explainer as its file in conf/explainer describes it.

    Args:
        name: of the file, without its ending.
        conf: folder of the configs.
        seed: of its random numbers.
    """
    node = OmegaConf.merge({"seed": seed}, OmegaConf.load(conf / "explainer" / f"{name}.yaml"))
    nodes: Any = OmegaConf.to_container(node, resolve=True)
    return build(nodes[name], f"explainer.{name}")


def check_settings(
    nodes: Mapping[str, Any], choice: Mapping[str, Any], explainers: Sequence[str], where: str = "--explainer"
) -> None:
    """Check the settings, and raise all errors at once."""
    errors = list(find_explain_errors(choice))
    for name, node in nodes.items():
        if name not in explainers:
            hint = f"choose it too, or leave it out: {where} {' '.join([*explainers, name])}"
            hint = hint if where.startswith("--") else f"leave it out, or explain by it: {where}={name!r}"
            error = UserError("set, but not chosen", code="unused-setting", where=f"explainer.{name}", hint=hint)
            errors.append(error)
        elif not isinstance(node, Mapping):
            hint = f"set one of its settings: explainer.{name}.<setting>=..."
            errors.append(UserError(f"{node!r} is no explainer", code="value", where=f"explainer.{name}", hint=hint))
        else:
            errors += check_targets(node, f"explainer.{name}")
    raise_errors(errors)


def check_names(
    names: Sequence[str], known: Sequence[str], kind: str, where: str = "--explainer", code: Code = "choice"
) -> None:
    """Check that each name is known, and given once."""
    if wrong := [name for name in names if name not in known]:
        close = [match for name in wrong for match in difflib.get_close_matches(name, known, n=1)]
        hint = f"did you mean {', '.join(close)}?" if close else f"one of {', '.join(known)}"
        raise UserError(f"not {kind}: {', '.join(wrong)}", code=code, where=where, hint=hint)
    if len(set(names)) < len(names):
        raise UserError(f"twice the same: {', '.join(names)}", code="repeated", where=where, hint="name each once")
