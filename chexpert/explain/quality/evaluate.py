"""Evaluates explainers on the validation views of a run, and leaves what it found in quality.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from chexpert.data import ViewDataset
from chexpert.explain.attribution import Explainer
from chexpert.explain.explained_views import ExplainedViews
from chexpert.explain.failures import Failures
from chexpert.explain.quality.scored_views import choose_scored
from chexpert.explain.quality.table import score_explainers
from chexpert.explain.quality.view_table import ViewTable
from chexpert.explain.session import predict, stack_images
from chexpert.explain.time_budget import TimeBudget
from chexpert.explain.view import View
from chexpert.explain.view_selection import find_views, hide_names
from chexpert.metrics import Segmentations, multilabel_auroc, youden_thresholds
from chexpert.models import Model
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import name_safely
from chexpert.runs.synthetic import is_phantom

Rows = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Probabilities, labels and mask of all views of the split, (N, C) each."""


@dataclass(frozen=True)
class ExplainerEvaluation:
    """How explainers are evaluated.

    Attributes:
        score: views showing an observation on which each explainer is scored for it; 0: none.
        passes: forward passes that an explainer may spend on scored views.
        seed: of the sample of views, and of the random maps that gaps are held against.
        salt: by which views of external data are called by hashes; None: by their names.
    """

    score: int
    passes: int
    seed: int
    salt: str | None = None

    def choose(self, dataset: ViewDataset, first: Sequence[int] = ()) -> list[int]:
        """Choose the rows of the views that are scored; ``first`` are taken before the others, where they suit."""
        present = ((dataset.targets == 1) & dataset.mask).numpy()
        return choose_scored(present, self.score, self.seed, first)

    def needed(
        self, dataset: ViewDataset, views: Sequence[View], observations: Sequence[str], first: Sequence[int] = ()
    ) -> dict[str, list[int]]:
        """Return, of those of the views that will be scored, the outputs that will be explained, by path."""
        scored = {name_safely(dataset.paths[row], self.salt) for row in self.choose(dataset, first)}
        return {
            view.path: [c for c, name in enumerate(observations) if view.truth.get(name) == 1]
            for view in views
            if view.path in scored
        }

    def __call__(
        self,
        model: Model,
        explainers: Mapping[str, Explainer],
        dataset: ViewDataset,
        labeled: Rows,
        observations: list[str],
        masks: Segmentations | None,
        folder: Path,
        failures: Failures | None = None,
        *,
        first: Sequence[int] = (),
        explained: ExplainedViews | None = None,
        budget: TimeBudget | None = None,
    ) -> dict[str, Any] | None:
        """Scores explainers on views that show a finding.

        Args:
            model: on the device where it is to work.
            explainers: by name.
            dataset: the validation views.
            labeled: by which AUROC and operating points are computed, over single views.
            observations: names of the C outputs.
            masks: of these views, where there are any.
            folder: of the explanations.
            failures: notes the explainers that fail; see :func:`chexpert.explain.quality.table.score_explainers`.
            first: rows that are taken before the others.
            explained: has the attributions of views that were explained before.
            budget: of time; None: no limit.

        Returns:
            What quality.json holds; None where no view shows a finding, or none is to be scored.
        """
        views = hide_names(find_views(dataset, self.choose(dataset, first), observations, masks), self.salt)
        if not views:
            return None
        probabilities, labels, mask = (rows.cpu().numpy() for rows in labeled)
        aurocs = [auroc.value for auroc in multilabel_auroc(probabilities, labels, mask)]
        cutoffs = youden_thresholds(probabilities, labels, mask)
        table = ViewTable()
        scores = score_explainers(
            model,
            explainers,
            views,
            predict(model, stack_images(model, views)),
            observations,
            dict(zip(observations, aurocs, strict=True)),
            dict(zip(observations, cutoffs, strict=True)),
            per_observation=self.score,
            passes=self.passes,
            seed=self.seed,
            failures=failures,
            view_table=table,
            explained=explained,
            budget=budget,
        )
        head = {"split": "valid", "masks": masks and masks.where, "synthetic": is_phantom(Path(dataset.files[0]))}
        content = head | scores
        table.write(folder / run_files.QUALITY_VIEWS)
        run_files.write_json(folder / run_files.QUALITY, content)
        return content
