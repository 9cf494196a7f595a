"""One explainer on the scored views, chunk by chunk, so that a budget of time can end it between two of them."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from chexpert.explain.attribution import Attribution, Explainer
from chexpert.explain.explained_views import ExplainedViews
from chexpert.explain.quality.cost import Cost
from chexpert.explain.quality.sanity import LEAST_VIEWS as LEAST_SANE
from chexpert.explain.quality.sanity import check_sanity, count_passes
from chexpert.explain.quality.scored_views import affordable
from chexpert.explain.quality.stability import LEAST_VIEWS as LEAST_REPEATED
from chexpert.explain.quality.stability import check_stability, depends_on_seed
from chexpert.explain.quality.stability import count_passes as count_stability_passes
from chexpert.explain.quality.view_scores import Probing, Row, choose_tested, count_tests, score_maps
from chexpert.explain.session import count_together, stack_images
from chexpert.explain.time_budget import LEAST_VIEWS, TimeBudget, count_fitting
from chexpert.explain.view import View

SCORES = "scores of maps"
"""The name by which a budget learns the pace of scoring, which is that of all explainers."""
Count = Callable[[Explainer, Sequence[Sequence[int]], int], int]


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
        self.cost = Cost(views[0].image.device)
        self.tested = choose_tested(outputs, predicted)
        self._explaining = [
            explained.count_passes(name, explainer, view.path, own) for view, own in zip(views, outputs, strict=True)
        ]

    def count_passes(self, views: int) -> int:
        """Return the forward passes of the first views, their checks included."""
        tests = sum(map(self._count_tests, range(views)))
        return sum(self._explaining[:views]) + tests + self._count_checks(views, self.passes)

    def _count_tests(self, row: int) -> int:
        """Return the passes of curves and ROAD of a view, and one for the comparison of each map with its mask."""
        with_control = not self.probing.has_control(self.views[row])
        return count_tests(self.tested[row], with_control=with_control) + len(self.outputs[row])

    def _count_checks(self, views: int, passes: int) -> int:
        """Return the passes of the checks of sanity and stability, of these passes in all; 0 for the least of them."""
        outputs = self.outputs[:views]
        checks = (count_passes, count_stability_passes)
        return sum(count(self.explainer, outputs, passes) for count in checks)

    def least_seconds(self, budget: TimeBudget) -> float:
        """Estimate the seconds of the first views that every explainer should have, their checks included."""
        views = min(LEAST_VIEWS, self.most)
        return sum(self._seconds(budget)[:views]) + budget.seconds(self._count_checks(views, 0), self.name)

    def run(self, budget: TimeBudget, reserved: float = 0.0) -> tuple[list[list[Row]], dict[str, Any]]:
        """Score as many of the first views as the passes and the budget allow, of which ``reserved`` seconds remain.

        Returns:
            The rows of each observation's maps; their cost, and what stability is of.
        """
        attributions: list[list[Attribution]] = []
        scored: list[list[Row]] = []
        begun = time.perf_counter()
        size = self.most if budget.minutes is None else count_together(self._explaining)
        while self.done < self.most:
            fitting = self._count_fitting(budget, budget.left - reserved, size)
            if not fitting:
                break
            attributions += self._explain(slice(self.done, self.done + fitting), budget)
            scored += self._score(attributions, slice(self.done, self.done + fitting), budget)
            self.done += fitting
        budget.report(self.name, "scored", self.done, self.most)
        rows: list[list[Row]] = [[] for _ in self.observations]
        if not self.done:
            return rows, {}
        checked = self._check(attributions, budget, budget.left - reserved)
        kind, repeated = self._repeat(attributions, budget, budget.left - reserved)
        for own, *parts in zip(self.outputs[: self.done], scored, checked, repeated, strict=True):
            for c, row, sanity, again in zip(own, *parts, strict=True):
                rows[c].append(row | sanity | again)
        seconds = {"explaining": self.cost.seconds, "scoring": time.perf_counter() - begun - self.cost.seconds}
        more = {f"seconds_{part}": round(own, 1) for part, own in seconds.items()}
        return rows, more | self.cost.describe(self.explainer, self.outputs[: self.done]) | {"stability_of": kind}

    def _seconds(self, budget: TimeBudget) -> list[float]:
        """Estimated seconds of each view, without the checks."""
        explaining = [budget.seconds(passes, self.name) for passes in self._explaining]
        tests = [budget.seconds(self._count_tests(row), SCORES) for row in range(len(self.views))]
        return [sum(both) for both in zip(explaining, tests, strict=True)]

    def _count_fitting(self, budget: TimeBudget, available: float, size: int) -> int:
        """How many views of the next chunk fit; from the least number on, with the checks of all of them."""
        end = min(self.done + size, self.most)
        seconds = self._seconds(budget)[self.done : end]
        fitting = count_fitting(seconds, available)
        if self.done + fitting <= LEAST_VIEWS:
            return fitting
        checked = available - budget.seconds(self._count_checks(self.done + fitting, self.passes), self.name)
        return max(count_fitting(seconds, checked), min(fitting, max(0, LEAST_VIEWS - self.done)))

    def _explain(self, some: slice, budget: TimeBudget) -> list[list[Attribution]]:
        views = self.views[some]
        images, paths = stack_images(self.probing.model, views), [view.path for view in views]
        own = zip(paths, self.outputs[some], strict=True)
        maps = sum(len(self.explained.missing(self.name, path, outputs)) for path, outputs in own)
        with budget.timing(self.name, sum(self._explaining[some])), self.cost.measuring(maps):
            return self.explained.explain(
                self.probing.model, self.name, self.explainer, paths, images, self.outputs[some]
            )

    def _score(self, attributions: Sequence[Sequence[Attribution]], some: slice, budget: TimeBudget) -> list[list[Row]]:
        with budget.timing(SCORES, sum(map(self._count_tests, range(some.start, some.stop)))):
            return score_maps(
                self.views[some],
                self.outputs[some],
                attributions[some],
                self.observations,
                self.predicted[some],
                self.tested[some],
                self.probing,
            )

    def _afford(self, count: Count, budget: TimeBudget, available: float) -> int | None:
        """Return the passes that a check gets: all, of which it takes a share; 0: its least; None: that is too long."""
        needed = {passes: count(self.explainer, self.outputs[: self.done], passes) for passes in (self.passes, 0)}
        return next((passes for passes, own in needed.items() if budget.seconds(own, self.name) <= available), None)

    def _check(
        self, attributions: Sequence[Sequence[Attribution]], budget: TimeBudget, available: float
    ) -> list[list[Row]]:
        """The sanity check of the views that were scored; empty rows where it does not fit."""
        outputs, passes = self.outputs[: self.done], self._afford(count_passes, budget, available)
        if passes is None:
            budget.report(self.name, "checked for sanity", 0, min(self.done, LEAST_SANE))
            return [[{} for _ in own] for own in outputs]
        return check_sanity(self.probing.model, self.explainer, self._images(), outputs, attributions, passes)

    def _repeat(
        self, attributions: Sequence[Sequence[Attribution]], budget: TimeBudget, available: float
    ) -> tuple[str, list[list[Row]]]:
        """What stability is of, and the stability of maps; empty rows where the second maps do not fit."""
        outputs, passes = self.outputs[: self.done], self._afford(count_stability_passes, budget, available)
        if passes is None:
            budget.report(self.name, "checked for stability", 0, min(self.done, LEAST_REPEATED))
            return "seed" if depends_on_seed(self.explainer) else "noise", [[{} for _ in own] for own in outputs]
        return check_stability(self.probing.model, self.explainer, self._images(), outputs, attributions, passes)

    def _images(self) -> torch.Tensor:
        return stack_images(self.probing.model, self.views[: self.done])
