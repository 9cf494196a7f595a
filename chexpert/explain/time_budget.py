"""How long explaining and scoring may take together, by the clock, and what was left out for it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from chexpert.console import NOTE, log
from chexpert.explain.batched_inference import estimate_seconds
from chexpert.models import Model

AUTO = "auto"
LEAST_MINUTES = 3.0
SHARE = 0.25  # of the time that fitting took

LEAST_VIEWS = 5
"""Views on which each explainer is scored, if at all possible, before another one is scored on more."""

MEASURED = 1000  # passes whose estimated time gives that of one


def resolve_minutes(minutes: float | str | None, fit_seconds: float = 0.0) -> float | None:
    """Return the minutes of a budget: of ``auto`` three, or a quarter of the time of the fit if that is more.

    >>> resolve_minutes("auto", 60), resolve_minutes("auto", 3600), resolve_minutes(0.5), resolve_minutes(None)
    (3.0, 15.0, 0.5, None)
    """
    return max(LEAST_MINUTES, SHARE * fit_seconds / 60) if minutes == AUTO else minutes  # type: ignore[return-value]


class TimeBudget:
    """Says which steps still fit; views that do not are left out from the end, never in the middle of a map.

    The seconds of a step are its forward passes times those of one, as they were measured on the model, or on the
    explainer as soon as it has explained a view. The clock runs from the construction on.

    Args:
        minutes: of all steps together; None: no limit, and nothing is measured.
        clock: returns seconds.
    """

    def __init__(self, minutes: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.minutes, self._clock = minutes, clock
        self._started = clock()
        self._paces: dict[str, float] = {}
        self.left_out: list[dict[str, Any]] = []
        """``explainer``, ``step``, ``done`` and ``of``: numbers of views."""

    @property
    def left(self) -> float:
        """Seconds that are left; infinite without a limit."""
        return float("inf") if self.minutes is None else 60 * self.minutes - (self._clock() - self._started)

    def measure(self, model: Model, image: torch.Tensor) -> None:
        """Measure the seconds of a forward pass of images like (1, H, W) uint8, where there is a limit."""
        if self.minutes is not None and "" not in self._paces:
            self._paces[""] = estimate_seconds(model, image, MEASURED) / MEASURED

    def seconds(self, passes: float, name: str = "") -> float:
        """Estimate the seconds of forward passes of the model, or of those that explainer ``name`` does."""
        return 0.0 if self.minutes is None else passes * self._paces.get(name, self._paces.get("", 0.0))

    def estimate(self, model: Model, image: torch.Tensor, passes: int, name: str) -> float:
        """Estimate the seconds of the next step, for a message: no more than are left.

        Args:
            model: on the device that it uses.
            image: like those of the step, (1, H, W) uint8.
            passes: forward passes.
            name: of the explainer.
        """
        if self.minutes is None:
            return estimate_seconds(model, image, passes)
        return min(self.seconds(passes, name), max(self.left, 0.0))

    @contextmanager
    def timing(self, name: str, passes: float) -> Iterator[None]:
        """Learn the pace of explainer ``name`` from what runs inside, which does that many passes."""
        begun = self._clock()
        yield
        if passes > 0:
            self._paces[name] = (self._clock() - begun) / passes

    def report(self, name: str, step: str, done: int, of: int) -> None:
        """Print and keep that explainer ``name`` did a step on ``done`` of ``of`` views, if that is fewer."""
        if done < of and self.minutes is not None:
            self.left_out.append({"explainer": name, "step": step, "done": done, "of": of})
            limit = f"time budget {self.minutes:.3g} min; explain.minutes=null does all"
            log.log(NOTE, f"{name}: {step} {done} of {of} views ({limit})")

    def summarize(self) -> dict[str, Any]:
        """Return the limit in minutes and what was left out, for quality.json."""
        return {"minutes": self.minutes, "left_out": self.left_out}


def count_fitting(seconds: Sequence[float], available: float) -> int:
    """Return how many of the first steps fit into the available seconds.

    >>> count_fitting([2, 3, 1], 5), count_fitting([2, 3, 1], 1), count_fitting([2, 3, 1], float("inf"))
    (2, 0, 3)
    """
    return int((np.cumsum(seconds) <= available).sum())


def reserve(least: Sequence[float], available: float) -> float:
    """Return the seconds that the first of several steps leaves to the others: their least.

    Where the least of all does not fit, the first has its own in full: the cheapest come first, and a dear explainer
    takes what they leave.

    >>> reserve([1, 2, 3], 10), reserve([1, 2, 3], 3), reserve([0, 0], float("inf"))
    (5, 2, 0)
    """
    return min(sum(least[1:]), max(available - least[0], 0))
