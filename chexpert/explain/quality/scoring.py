"""One explainer on the scored views, chunk by chunk, so that a budget of time can end it between two of them."""

import time
from collections.abc import Sequence

import numpy as np

from chexpert.explain.attribution import Attribution, Explainer
from chexpert.explain.explained_views import ExplainedViews
from chexpert.explain.quality.sanity import LEAST_VIEWS as LEAST_SANE
from chexpert.explain.quality.sanity import check_sanity, count_passes
from chexpert.explain.quality.scored_views import affordable
from chexpert.explain.quality.view_scores import Probing, Row, choose_tested, count_tests, score_maps
from chexpert.explain.session import count_together, stack_images
from chexpert.explain.time_budget import LEAST_VIEWS, TimeBudget, count_fitting
from chexpert.explain.view import View


class Scoring:
    """The scores of one explainer.

    Args:
        name: of the explainer.
        explainer: is scored.
        views: V of one size, in the order in which they are scored.
        outputs: of each view, those that are present in it.
        predicted: whether the model predicts them.
        observations: names of the C outputs.
        probing: curves and ROAD.
        explained: has the attributions of views that were explained before.
        passes: forward passes that the explainer may spend; see ``affordable``.
    """

    def __init__(
        self,
        name: str,
        explainer: Explainer,
        views: Sequence[View],
        outputs: Sequence[Sequence[int]],
        predicted: Sequence[Sequence[bool]],
        observations: Sequence[str],
        probing: Probing,
        explained: ExplainedViews,
        passes: int,
    ) -> None:
        self.name, self.explainer, self.views, self.outputs = name, explainer, views, outputs
        self.predicted, self.observations = predicted, observations
        self.probing, self.explained, self.passes = probing, explained, passes
        self.most = affordable(explainer, outputs, passes)
        """Views that the passes allow."""
        self.done = 0
        """Views that were scored."""
        self.tested = choose_tested(outputs, predicted)
        self._explaining = [
            explained.count_passes(name, explainer, view.path, own) for view, own in zip(views, outputs, strict=True)
        ]
        self._testing = [count_tests(own) for own in self.tested]

    def count_passes(self, views: int) -> int:
        """Return the forward passes of the first views, the sanity check included."""
        sanity = count_passes(self.explainer, self.outputs[:views], self.passes)
        return sum(self._explaining[:views]) + sum(self._testing[:views]) + sanity

    def least_seconds(self, budget: TimeBudget) -> float:
        """Estimate the seconds of the first views that every explainer should have, the sanity check included."""
        views = min(LEAST_VIEWS, self.most)
        return float(sum(self._seconds(budget)[:views])) + self._sanity_seconds(budget, views, passes=0)

    def run(self, budget: TimeBudget, reserved: float = 0.0) -> tuple[list[list[Row]], dict[str, float]]:
        """Score as many of the first views as the passes and the budget allow, of which ``reserved`` seconds remain.

        Returns:
            The rows of each observation's maps, and the seconds that it took.
        """
        attributions: list[list[Attribution]] = []
        scored: list[list[Row]] = []
        begun = time.perf_counter()
        explaining, size = 0.0, self.most if budget.minutes is None else count_together(self._explaining)
        while self.done < self.most:
            fitting = self._count_fitting(budget, budget.left - reserved, size)
            if not fitting:
                break
            since = time.perf_counter()
            attributions += self._explain(slice(self.done, self.done + fitting), budget)
            explaining += time.perf_counter() - since
            scored += self._score(attributions, slice(self.done, self.done + fitting))
            self.done += fitting
        budget.report(self.name, "scored", self.done, self.most)
        checked = self._check(attributions, budget, budget.left - reserved)
        rows: list[list[Row]] = [[] for _ in self.observations]
        for own, *parts in zip(self.outputs[: self.done], scored, checked, strict=True):
            for c, row, sanity in zip(own, *parts, strict=True):
                rows[c].append(row | sanity)
        seconds = {"explaining": explaining, "scoring": time.perf_counter() - begun - explaining}
        return rows, {f"seconds_{part}": round(own, 1) for part, own in seconds.items()} if self.done else {}

    def _seconds(self, budget: TimeBudget) -> np.ndarray:
        """Estimated seconds of each view, without the sanity check."""
        testing = [budget.seconds(passes) for passes in self._testing]
        return np.add([budget.seconds(passes, self.name) for passes in self._explaining], testing)

    def _sanity_seconds(self, budget: TimeBudget, views: int, passes: int | None = None) -> float:
        """Estimated seconds of the sanity check of the first views; ``passes=0`` for the least of it."""
        passes = self.passes if passes is None else passes
        return budget.seconds(count_passes(self.explainer, self.outputs[:views], passes), self.name)

    def _count_fitting(self, budget: TimeBudget, available: float, size: int) -> int:
        """How many views of the next chunk fit; from the least number on, with the sanity check of all of them."""
        end = min(self.done + size, self.most)
        seconds = self._seconds(budget)[self.done : end]
        fitting = count_fitting(seconds, available)
        if self.done + fitting <= LEAST_VIEWS:
            return fitting
        checked = available - self._sanity_seconds(budget, self.done + fitting)
        return max(count_fitting(seconds, checked), min(fitting, max(0, LEAST_VIEWS - self.done)))

    def _explain(self, some: slice, budget: TimeBudget) -> list[list[Attribution]]:
        views = self.views[some]
        images, paths = stack_images(self.probing.model, views), [view.path for view in views]
        with budget.timing(self.name, sum(self._explaining[some])):
            return self.explained.explain(
                self.probing.model, self.name, self.explainer, paths, images, self.outputs[some]
            )

    def _score(self, attributions: Sequence[Sequence[Attribution]], some: slice) -> list[list[Row]]:
        return score_maps(
            self.views[some],
            self.outputs[some],
            attributions[some],
            self.observations,
            self.predicted[some],
            self.tested[some],
            self.probing,
        )

    def _check(
        self, attributions: Sequence[Sequence[Attribution]], budget: TimeBudget, available: float
    ) -> list[list[Row]]:
        """The sanity check of the views that were scored; empty rows where it does not fit."""
        outputs = self.outputs[: self.done]
        if not self.done:
            return []
        sizes = [passes for passes in (self.passes, 0) if self._sanity_seconds(budget, self.done, passes) <= available]
        if not sizes:
            budget.report(self.name, "checked for sanity", 0, min(self.done, LEAST_SANE))
            return [[{} for _ in own] for own in outputs]
        images = stack_images(self.probing.model, self.views[: self.done])
        return check_sanity(self.probing.model, self.explainer, images, outputs, attributions, sizes[0])
