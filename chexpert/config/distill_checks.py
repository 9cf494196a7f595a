"""Choices that distillation contradicts."""

from collections.abc import Iterator, Mapping
from typing import Any

from chexpert.config.allowed_targets import find_target
from chexpert.errors import UserError


def find_distill_errors(cfg: Mapping[str, Any]) -> Iterator[UserError]:
    """Yield the errors in settings beside teachers: labels of other questions, a loss of hard labels, no training."""
    if not cfg.get("distill"):
        return
    labels, loss = cfg.get("labels") or {}, cfg.get("loss") or {}
    if labels.get("conditional"):
        message = "teachers give the probability of a finding, and conditional labels ask for it given the parent"
        hint = "labels.conditional=false, such as labels=lsr; or distill=null"
        yield UserError(message, code="conflict", where="distill, labels.conditional", hint=hint)
    uncertain = labels.get("uncertain")
    rules = uncertain.values() if isinstance(uncertain, Mapping) else [uncertain]
    if "three_class" in rules:
        message, hint = "teachers have no probability of the class uncertain", "labels=lsr or another; or distill=null"
        yield UserError(message, code="conflict", where="distill, labels.uncertain", hint=hint)
    if needs_hard_labels(loss):
        name = str(loss.get("_target_")).rpartition(".")[2]
        message = f"{name} needs hard labels: its minimum is not at the teacher's probability"
        yield UserError(message, code="conflict", where="distill, loss", hint="loss=bce; or distill=null")
    if cfg["trainer"].get("max_epochs") == 0:
        message, hint = "nobody is taught where nothing is trained", "trainer.max_epochs=1 or more; or distill=null"
        yield UserError(message, code="conflict", where="distill, trainer.max_epochs", hint=hint)


def needs_hard_labels(loss: Mapping[str, Any]) -> bool:
    """Return whether the class of a loss says so; one that cannot be found is reported elsewhere."""
    try:
        return bool(getattr(find_target(loss, "loss"), "needs_hard_labels", False))
    except UserError:
        return False
