"""From what Hydra composed to plain containers that were checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from chexpert.config.checks import expand, validate_args
from chexpert.distributed import find_device_errors
from chexpert.errors import UserError, raise_errors
from chexpert.image_size import DEFAULT
from chexpert.runs.synthetic import is_phantom
from chexpert.weights import fill_options


def resolve(cfg: DictConfig) -> dict[str, Any]:
    """Return the config as plain containers, checked, with words such as ``competition`` replaced by their lists.

    Args:
        cfg: config that Hydra composed; ``pretrained=auto`` is replaced in it too.

    Returns:
        The config without the node ``hydra``.

    Raises:
        UserError: a value is missing, or the config has errors; the message lists all of them.
    """
    plain = to_plain(cfg)
    raise_errors([*validate_args(plain), *find_device_errors(plain["trainer"])])
    return plain


def to_plain(cfg: DictConfig) -> dict[str, Any]:
    """Return the result of :func:`resolve`, unchecked.

    Raises:
        UserError: a value is missing.
    """
    if cfg.get("pretrained") == "auto":
        # Weights learned on photographs help on X-rays, not on the painted images of a phantom.
        root = OmegaConf.select(cfg, "data.root")
        cfg.pretrained = not (OmegaConf.is_dict(root) or (root is not None and is_phantom(Path(str(root)))))
    try:
        plain: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        where, message = str(error.full_key), str(error).splitlines()[0]
        raise UserError(message, code="unresolved", where=where, hint=f"give it: {where}=...") from error
    plain.pop("hydra", None)
    if not plain.get("distill"):  # so that a run of a version without it is the same configuration
        plain.pop("distill", None)
    if isinstance(plain.get("labels"), dict):
        _fill_rules(plain["labels"])
    size = plain["data"].get("image_size", DEFAULT.plain) if isinstance(plain.get("data"), dict) else None
    for key in ("backbone", "model"):
        if key in plain:
            plain[key] = fill_options(plain[key], size)
    for key in ("observations", "mean_over"):
        plain[key] = expand(plain[key])
    if isinstance(plain.get("explain"), dict) and plain["explain"].get("observations") is not None:
        plain["explain"]["observations"] = expand(plain["explain"]["observations"])
    return plain


def _fill_rules(labels: dict[str, Any]) -> None:
    """Gives rules by observation the rest of their option, in place: ``labels.uncertain.Edema=ones`` alone names one.

    An option of one rule has it as ``default`` too, which is no argument of the policy: a rule that is typed for one
    observation takes the place of the one rule, and nothing else would remember that.
    """
    default, rules = labels.pop("default", None), labels.get("uncertain")
    if default is not None and isinstance(rules, dict):
        labels["uncertain"] = {"default": default} | rules


def find_notices(cfg: DictConfig, overrides: Sequence[str]) -> list[str]:
    """Return a notice for each choice of the user that has no effect.

    These are no errors, since a sweep may choose the same setting for other jobs.

    Args:
        cfg: config that Hydra composed.
        overrides: settings as typed on the command line.

    Returns:
        One sentence for each, with the setting that would have an effect.
    """
    chosen = [override for override in overrides if override.lstrip("+").startswith(("backbone=", "backbone."))]
    notices = []
    if chosen and "members" in cfg.model and "backbone" not in cfg.model:
        way = "choose its members: backbone@model.members.<name>=..."
        notices.append(f"{chosen[0]} has no effect on a combined model; {way}")
    patience, validations = cfg.early_stopping, _count_validations(cfg.trainer)
    if patience is not None and 0 < validations < max(1, patience) + 2:  # the first sets the value to improve on
        way = f"early_stopping={validations - 2} or less, or more of trainer.max_epochs" if validations > 2 else ""
        way = way or "it needs trainer.max_epochs=3 or more"
        notices.append(f"early_stopping={patience} never ends this run before its {validations} validations; {way}")
    return notices


def _count_validations(trainer: DictConfig) -> int:
    """Validations of a whole training; 0 where that depends on the data, or nothing is trained."""
    every, interval, epochs = (
        trainer.get(key) for key in ("check_val_every_n_epoch", "val_check_interval", "max_epochs")
    )
    if interval not in (None, 1.0) or not isinstance(epochs, int) or not isinstance(every, int | None) or every == 0:
        return 0
    return epochs // (every or 1)
