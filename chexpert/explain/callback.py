"""Explain validation views after the best weights were evaluated."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from matplotlib.figure import Figure
from pytorch_lightning.trainer.states import TrainerFn

from chexpert.data import CheXpertDataModule, ViewDataset
from chexpert.explain.attribution import Explainer
from chexpert.explain.explained_views import ExplainedViews
from chexpert.explain.failures import Failures
from chexpert.explain.masks import check_masks, find_masks
from chexpert.explain.quality.evaluate import ExplainerEvaluation, Rows
from chexpert.explain.session import explain_views
from chexpert.explain.time_budget import AUTO, TimeBudget, resolve_minutes
from chexpert.explain.view import View
from chexpert.explain.view_selection import choose_rows, find_views
from chexpert.models import Model
from chexpert.runs import files as run_files

Show = Callable[[Mapping[str, Figure], Mapping[str, Any]], None]


class ExplainCallback(pl.Callback):
    """Write explanations/ to the run folder; :mod:`chexpert.runs.files` lists its files.

    The callback stores the predictions that ``trainer.validate`` makes of the valid split. ``explain`` is called after
    the metrics and the report of the run were written, so that a failure affects neither.

    Args:
        run: the run folder.
        explainers: mapping from name to explainer.
        observations: names of the model outputs, length C.
        only: explain these observations of every view; by default its ``top`` most probable ones.
        top: number of most probable observations.
        views: paths of the validation views to explain; by default ``count`` views with a finding are sampled.
        count: number of views to sample.
        masks: path of a mask file; None: the one in the data folder, if it exists; False: no masks.
        score: number of positive views per observation on which each explainer is scored; 0: no scoring.
        passes: number of forward passes that an explainer may spend on the scored views.
        minutes: that explaining and scoring may take; ``auto``: three, or a quarter of the time of the fit; None: no
            limit.
        seed: of the view sampling.
    """

    def __init__(
        self,
        run: Path,
        explainers: Mapping[str, Explainer],
        observations: Sequence[str],
        only: Sequence[str] | None = None,
        top: int = 3,
        views: Sequence[str] | None = None,
        count: int = 4,
        masks: str | bool | None = None,
        score: int = 32,
        passes: int = 5000,
        minutes: float | str | None = AUTO,
        seed: int = 0,
    ) -> None:
        self.run, self.explainers, self.observations = run, explainers, list(observations)
        self.only, self.top = only, top
        self.views, self.count, self.seed = views, count, seed
        self.masks, self.minutes, self.evaluate = masks, minutes, ExplainerEvaluation(score, passes, seed)
        self.rows: Rows | None = None

    def check(self, data: CheXpertDataModule) -> None:
        """Raise an error before training if a view is missing or a mask does not match its view."""
        if self.explainers:
            dataset, masks = data.datasets["valid"], find_masks(self.masks, data.layout.folder)
            shown = choose_rows(dataset, self.views, self.count, self.seed)
            if masks:
                check_masks(dataset, [*shown, *self.evaluate.choose(dataset, self.first(dataset))], masks)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Store the predictions of the best weights for the valid split; explanations follow all other files."""
        if trainer.state.fn == TrainerFn.VALIDATING and trainer.datamodule.evaluated_split == "valid":  # type: ignore[attr-defined]
            self.rows = pl_module.validation.scores.rows()  # type: ignore[union-attr, operator]

    def first(self, dataset: ViewDataset) -> list[int]:
        """Return the rows of views that are explained anyway, and are scored before others: those of a fair sample."""
        return [] if self.views else choose_rows(dataset, None, self.count, self.seed)

    def explain(self, trainer: pl.Trainer, model: Model, show: Show, fit_seconds: float = 0.0) -> Failures:
        """Compute and score the explanations; a failure is recorded and does not stop the remaining steps.

        Args:
            trainer: of the run.
            model: with the best weights.
            show: is given the sheets of the views as soon as they are made, and the content of quality.json.
            fit_seconds: how long fitting took, for ``minutes="auto"``.

        Returns:
            The failures, which are written too.
        """
        failures = Failures(self.run / run_files.EXPLANATIONS)
        if self.explainers and self.rows is not None:
            budget = TimeBudget(resolve_minutes(self.minutes, fit_seconds))
            self._explain(trainer, model, show, failures, budget)
            failures.write()
        return failures

    def _explain(self, trainer: pl.Trainer, model: Model, show: Show, failures: Failures, budget: TimeBudget) -> None:
        data, names, folder = trainer.datamodule, self.observations, failures.folder  # type: ignore[attr-defined]
        step = partial(failures.catching, explainers=self.explainers)
        sheets: Mapping[str, Figure] = {}
        quality: Mapping[str, Any] | None = None
        dataset, explained = data.datasets["valid"], ExplainedViews()
        shared: dict[str, Any] = {"failures": failures, "explained": explained, "budget": budget}
        with step("explaining"):
            model.to(trainer.strategy.root_device)
            if not (views := self.find(data)):
                return
            explained.needed = self.evaluate.needed(dataset, views, names, self.first(dataset))
            chosen: dict[str, Any] = {"only": self.only, "top": self.top} | shared
            sheets = explain_views(model, self.explainers, views, names, folder, **chosen)
        with step("showing"):
            show(sheets, {})
        remaining = {name: explainer for name, explainer in self.explainers.items() if name not in failures}
        with step("scoring"):
            masks, first = find_masks(self.masks, data.layout.folder), self.first(dataset)
            quality = self.evaluate(
                model,
                remaining,
                dataset,
                self.rows,  # type: ignore[arg-type]
                names,
                masks,
                folder,
                first=first,
                **shared,
            )
        with step("showing"):
            show({}, quality or {})

    def find(self, data: CheXpertDataModule) -> list[View]:
        """Return the views to explain."""
        dataset = data.datasets["valid"]
        rows = choose_rows(dataset, self.views, self.count, self.seed)
        return find_views(dataset, rows, self.observations, find_masks(self.masks, data.layout.folder))
