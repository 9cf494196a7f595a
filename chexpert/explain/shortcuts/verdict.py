"""When the change of a logit is called a shortcut; how the thresholds were chosen is in docs/decisions/shortcuts.md."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chexpert.explain.shortcuts.controls import bootstrap_above_controls
from chexpert.metrics.bootstrap import Interval, bootstrap_mean
from chexpert.observations import PARENTS

LEAST_EFFECT = 0.05
"""Of the logit's standard deviation over the split, for an image painted without the suspect and for a filled one."""
SUREST = 0.4
"""The nearer end of the interval must be beyond this share of the least effect, and not merely beyond 0."""
LEAST_IMAGES = 10
LEAST_TIE = 0.2
"""Of phi: a suspect that does not come with the finding can confuse a model, but is no shortcut to a right answer. And
of its change from the matched to the reversed split, from which on the AUROC must have something to say."""
MOST_OVERLAP = 0.25
"""Mean share of one region inside the other, above which the two are tied by anatomy."""


def compare_pair(
    changes: Mapping[str, np.ndarray],
    spread: float,
    ties: Mapping[str, float],
    fall: Interval | None,
    tie: Interval | None = None,
) -> dict[str, Any]:
    """Evaluate if an observation leans on a suspect, with the metrics that show it.

    Three things must hold: the suspect moves the logit; it came with the finding in training, in the direction in
    which it moves the logit; and where splits show it the AUROC falls when it no longer does. The exact
    counterfactual decides the first where there is one. Otherwise the filled region must matter more than in images
    that never showed the suspect, and by itself: a suspect that only covers the finding must raise no alarm.

    Args:
        changes: of the observation's logit: ``counterfactual`` and ``inpainted`` (n,), ``controls`` (n, P), NaN where
            there was no such image.
        spread: standard deviation of the logit over the split.
        ties: phi of observation and suspect by split; that of ``train`` counts where it is known, else of ``matched``.
        fall: of the AUROC from the matched to the reversed split, None where there is none.
        tie: phi of ``matched`` with its interval, which must be beyond 0 where ``train`` is not known: the images of a
            valid split are few.

    Returns:
        Intervals by kind, ``lacking`` as the codes of what does not hold, ``lacking_by_filling`` as if there were
        neither counterfactuals nor other splits, ``alarm`` if nothing is lacking.
    """
    alone, controls = changes["inpainted"] / spread, changes["controls"] / spread
    compared = np.where(np.isfinite(controls).any(1), alone, np.nan)
    effects = {
        "counterfactual": bootstrap_mean(changes["counterfactual"] / spread),
        "inpainted": bootstrap_mean(compared),
        "above_control": bootstrap_above_controls(alone, controls),
    }
    others = int(np.isfinite(controls).any(0).sum())
    by = "counterfactual" if effects["counterfactual"].n >= LEAST_IMAGES else "above_control"
    few = len(alone) < LEAST_IMAGES
    unsure = "train" not in ties and tie is not None and not is_material(tie, 0)

    def list_lacking(by: str, fall: Interval | None) -> list[str]:
        effect, filled = effects[by], by == "above_control"
        material = is_material(effect, LEAST_EFFECT) and (not filled or _agree(effect, effects["inpainted"]))
        lacks = {
            "images": few,
            "controls": filled and not few and min(others, effect.n) < LEAST_IMAGES,
            "effect": not material,
            "tie": not ties.get("train", ties["matched"]) * np.sign(effect.value) >= LEAST_TIE or unsure,
            "auroc": fall is not None and not _follows(effect, ties, fall),
        }
        return [name for name, lacks_it in lacks.items() if lacks_it]

    lacking = list_lacking(by, fall)
    intervals = {name: interval._asdict() for name, interval in effects.items()}
    return {
        "by": by, "effect": effects[by]._asdict(), **intervals, "controls": others,
        "lacking": lacking, "lacking_by_filling": list_lacking("above_control", None), "alarm": not lacking,
    }  # fmt: skip


def is_material(effect: Interval, least: float) -> bool:
    """Return whether an effect is large enough, and surely more than nothing.

    >>> is_material(Interval(0.3, 0.15, 0.45, 40, 0), 0.25), is_material(Interval(-0.3, -0.55, -0.05, 40, 0), 0.25)
    (True, False)
    """
    nearer = effect.ci_low if effect.value > 0 else -effect.ci_high
    return abs(effect.value) >= least and nearer > SUREST * least


def _agree(effect: Interval, alone: Interval) -> bool:
    """What filling changes by itself must be material in the same direction: else only the controls moved."""
    return effect.value * alone.value > 0 and is_material(alone, LEAST_EFFECT)


def _follows(effect: Interval, ties: Mapping[str, float], fall: Interval) -> bool:
    """A logit that rises with the suspect must rank worse where the suspect comes with the other images."""
    split_tie = ties.get("reversed", np.nan) - ties.get("matched", np.nan)
    if not abs(split_tie) >= LEAST_TIE:
        return True
    worse = effect.value * split_tie < 0
    return fall.ci_low > 0 if worse else fall.ci_high < 0


def is_kin(one: str, other: str) -> bool:
    """Return whether two observations are of one tree of CheXpert: both opacities, or both a wide mediastinum.

    >>> is_kin("Edema", "Pneumonia"), is_kin("Edema", "Support Devices")
    (True, False)
    """
    return _root(one) == _root(other)


def _root(name: str) -> str:
    while name in PARENTS:
        name = PARENTS[name]
    return name
