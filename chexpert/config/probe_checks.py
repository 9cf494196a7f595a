"""Settings of a run with ``model=probe`` that contradict it: its encoders stay frozen, and it learns from features."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.errors import UserError

PROBE = "chexpert.models.Probe"
WITHOUT = "model=single, or model=combined"
"""Models of which backbones may be trained, and images augmented."""


def is_probe(cfg: Mapping[str, Any]) -> bool:
    """Return whether the model of a config is a probe: it freezes its encoders itself."""
    return (cfg.get("model") or {}).get("_target_") == PROBE


def find_probe_errors(cfg: Mapping[str, Any]) -> Iterator[UserError]:
    """Yield the settings that a probe cannot have."""
    if not is_probe(cfg):
        return
    if not cfg.get("features"):
        hint = (
            "features=outputs/features; or model=single backbone.frozen=true, which looks at the images in each epoch"
        )
        yield UserError("a probe learns from features", code="conflict", where="features", hint=hint)
    if (cfg.get("data") or {}).get("augmentation"):
        message = "augmentation gives other images in every epoch, and a probe looks at each once"
        hint = f"data.augmentation=null; or {WITHOUT}"
        yield UserError(message, code="conflict", where="data.augmentation", hint=hint)
    for key, usual in (("backbone_lr_factor", 1), ("layer_decay", None), ("unfreeze_epoch", 0)):
        if cfg[key] != usual:
            spelled = "null" if usual is None else usual
            message, hint = "the encoders of a probe are never trained", f"{key}={spelled}; or {WITHOUT}"
            yield UserError(message, code="conflict", where=key, hint=hint)
    members = cfg["model"].get("members") or {}
    if not isinstance(members, Mapping):
        yield _describe_member("model.members", members, "NAME")
        return
    nodes = {"backbone": cfg["model"].get("backbone")}
    nodes |= {f"model.members.{name}": node for name, node in members.items()}
    for key, node in nodes.items():
        if not isinstance(node, Mapping):
            yield _describe_member(key, node, key.rpartition(".")[2])
        if isinstance(node, Mapping) and node.get("pooling") == "pcam":
            message = "pooling=pcam makes another vector for each observation in every step, so there is none to keep"
            yield UserError(message, code="conflict", where=f"{key}.pooling", hint=f"{key}.pooling=avg; or {WITHOUT}")
        if isinstance(node, Mapping) and node.get("frozen", True) is not True:
            message, hint = "the encoders of a probe are always frozen", f"leave it out; or {WITHOUT}"
            yield UserError(message, code="conflict", where=f"{key}.frozen", hint=hint)


def _describe_member(where: str, value: object, name: str) -> UserError:
    message, hint = f"an encoder is an option of backbone, not {value!r}", f"+backbone@model.members.{name}={value}"
    return UserError(message, code="value", where=where, hint=hint)
