"""Which models teach, and how much of a target is theirs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chexpert.errors import UserError

OUT_OF_FOLD = ("auto", True, False)


class Distillation:
    """Knowledge distillation (Hinton et al. 2015, arxiv.org/abs/1503.02531): probabilities of teachers as targets.

    A target becomes weight * q + (1 - weight) * t, where t is the target of the label policy and q the mean of the
    teachers' probabilities, with its logit divided by the temperature. The cross entropy is linear in the target, so
    that this is the weighted sum of both losses. The network's own logits are not divided. A masked target is q alone.

    Args:
        teachers: run folders, checkpoints, or exported weights.
        weight: of the teachers, above 0 and at most 1.
        temperature: above 1 softens the teachers' probabilities; the ranking that they teach stays.
        out_of_fold: ``auto``: of a fold of a sweep (``data.folds``) only the views that it held out; true: of every
            teacher only those; false: each teacher teaches all views, those it was trained on too.
    """

    def __init__(
        self,
        teachers: Sequence[str] | None = None,
        weight: float = 0.5,
        temperature: float = 1.0,
        out_of_fold: str | bool = "auto",
    ) -> None:
        self.teachers = [Path(teacher).absolute() for teacher in teachers or ()]  # whatever folder is left later
        self.weight, self.temperature, self.out_of_fold = weight, temperature, out_of_fold

    @staticmethod
    def validate_args(
        teachers: Any = None, weight: Any = 0.5, temperature: Any = 1.0, out_of_fold: Any = "auto"
    ) -> list[UserError]:
        """Return the errors of these arguments, before anything is built."""
        errors = []
        named = isinstance(teachers, list) and teachers and all(isinstance(one, str) and one for one in teachers)
        if not named:
            hint = "the runs that teach: 'distill.teachers=[RUN_A,RUN_B]'; or distill=null"
            errors.append(UserError("no teachers", code="missing-argument", where="distill.teachers", hint=hint))
        elif len(set(teachers)) < len(teachers):
            hint = "name each once"
            errors.append(UserError("a teacher twice", code="repeated", where="distill.teachers", hint=hint))
        for key, value, most, hint in (
            ("weight", weight, 1, "a number above 0, at most 1"),
            ("temperature", temperature, math.inf, "a number above 0; 1 leaves the probabilities as they are"),
        ):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value <= most or value == math.inf:
                errors.append(UserError(f"{value!r} is not possible", code="value", where=f"distill.{key}", hint=hint))
        if not any(out_of_fold is word or out_of_fold == word for word in OUT_OF_FOLD):
            message, hint = f"{out_of_fold!r} is not possible", "auto, true or false"
            errors.append(UserError(message, code="choice", where="distill.out_of_fold", hint=hint))
        return errors
