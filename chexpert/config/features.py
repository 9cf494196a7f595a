"""Where ``features`` cannot be: something would change the films' features from step to step."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.errors import ProblemError


def find_feature_problems(cfg: Mapping[str, Any]) -> Iterator[ProblemError]:
    """What stands against computing the pooled features of films once."""
    if not cfg.get("features"):
        return
    if (cfg.get("data") or {}).get("augmentation"):
        what, mend = "augmentation gives other films in every epoch", "data.augmentation=null, or features=null"
        yield ProblemError(what, where="features, data.augmentation", mend=mend)
    for where, node in find_backbones(cfg.get("model"), "model"):
        if node.get("frozen") is not True:
            key = "backbone" if where == "model.backbone" else where
            what, mend = "a backbone that is trained gives other features after every step", f"{key}.frozen=true"
            if not (node.get("pretrained") or cfg.get("start_from")):
                mend += f" with trained weights ({key}.pretrained=true or a file, or start_from=RUN)"
            yield ProblemError(what, where=f"features, {where}", mend=f"{mend}, or features=null")


def find_backbones(node: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The nodes of backbones below a node, with their dotted keys."""
    if not isinstance(node, Mapping):
        return
    if str(node.get("_target_", "")).endswith(".Backbone"):
        yield where, node
    for key, value in node.items():
        yield from find_backbones(value, f"{where}.{key}")
