"""Explains a few validation views once the best weights have been judged."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.trainer.states import TrainerFn

from chexpert import rundir
from chexpert.data import ViewDataset
from chexpert.explain.attribution import Explainer
from chexpert.explain.overlay import Explanation, draw_picture, draw_sheet
from chexpert.problem import ProblemError


class ExplainCallback(pl.Callback):
    """Leaves explanations/<explainer>/<view>/<observation>.png and .npz, a manifest and a sheet for each explainer.

    It acts on the validation of the valid split that is not part of a fit, after the results are written.

    Args:
        run: the run folder.
        explainers: by name.
        observations: names of the C outputs.
        only: explain these observations of every view; by default its ``top`` most probable ones.
        top: how many of the most probable observations.
        views: paths of validation views; by default ``count`` of them, drawn by seed among those with a finding.
        count: how many views are drawn.
        seed: of the draw.
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
        seed: int = 0,
    ) -> None:
        self.run, self.explainers, self.observations = run, explainers, list(observations)
        self.only, self.top = only, top
        self.views, self.count, self.seed = views, count, seed

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A view that is not there is told before training, not after it."""
        self.choose(trainer.datamodule.datasets["valid"])  # type: ignore[attr-defined]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != TrainerFn.VALIDATING or not trainer.is_global_zero or not self.explainers:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        if data.judging != "valid":
            return
        dataset: ViewDataset = data.datasets["valid"]
        rows = self.choose(dataset)
        for name, explainer in self.explainers.items():
            print(f"explaining {len(rows)} views by {name}", flush=True)
            explanations = [e for row in rows for e in self.explain(pl_module, explainer, dataset, row)]
            if not explanations:
                continue  # every view of them was unreadable, and is counted as skipped
            sheet = self.write(name, explanations)
            if isinstance(trainer.logger, TensorBoardLogger):
                trainer.logger.experiment.add_figure(f"explanations/{name}", sheet, trainer.global_step)

    def choose(self, dataset: ViewDataset) -> list[int]:
        """Rows of the views to explain."""
        if self.views is not None:
            return [find_view(dataset, path) for path in self.views]
        found = np.flatnonzero((dataset.targets.numpy() == 1).any(1))
        candidates = found if len(found) >= self.count else np.arange(len(dataset))
        count = min(self.count, len(candidates))
        return sorted(np.random.default_rng(self.seed).choice(candidates, count, replace=False).tolist())

    def explain(
        self, module: pl.LightningModule, explainer: Explainer, dataset: ViewDataset, row: int
    ) -> list[Explanation]:
        """The chosen observations of one view, most probable first."""
        batch = dataset[(0, row)]
        if not batch.paths:
            return []  # unreadable, and counted as such
        image, model = batch.images[0].to(module.device), module.model
        with torch.no_grad():
            probabilities = model(image[None])[0].float().sigmoid().cpu().numpy()  # type: ignore[operator]
        outputs = self.pick(probabilities)
        (attributions,) = explainer(model, image[None], [outputs])  # type: ignore[arg-type]
        return [
            Explanation(
                view=batch.paths[0],
                gray=batch.images[0, 0].numpy(),
                observation=self.observations[output],
                probability=float(probabilities[output]),
                truth=int(batch.targets[0, output]) if batch.mask[0, output] else None,
                attribution=attribution,
            )
            for output, attribution in zip(outputs, attributions, strict=True)
        ]

    def pick(self, probabilities: np.ndarray) -> list[int]:
        """Indices of the observations to explain."""
        if self.only is not None:
            return [self.observations.index(name) for name in self.only]
        return np.argsort(-probabilities, kind="stable")[: self.top].tolist()

    def write(self, explainer: str, explanations: Sequence[Explanation]) -> Figure:
        """Writes pictures, raw maps and the manifest; returns the sheet."""
        entries = [self._write_one(explainer, explanation) for explanation in explanations]
        rundir.write_json(self.run / rundir.EXPLANATIONS / explainer / rundir.MANIFEST, entries)
        sheet = draw_sheet(explanations)
        sheet.savefig(self.run / rundir.EXPLANATIONS / explainer / "sheet.png", dpi=100)
        return sheet

    def _write_one(self, explainer: str, explanation: Explanation) -> dict:
        path = rundir.explanation(self.run, explainer, explanation.view, explanation.observation)
        path.parent.mkdir(parents=True, exist_ok=True)
        attribution = explanation.attribution
        members = {f"member_{name}": signed for name, signed in attribution.members.items()}
        arrays: dict[str, Any] = {"map": attribution.map, "signed": attribution.signed, **members}
        arrays["probability"] = explanation.probability
        np.savez_compressed(path.with_suffix(".npz"), **arrays)
        draw_picture(explanation).savefig(path.with_suffix(".png"), dpi=100)
        return {
            "view": explanation.view,
            "observation": explanation.observation,
            "probability": explanation.probability,
            "truth": explanation.truth,
            "positive_evidence": attribution.has_evidence,
            "picture": str(path.with_suffix(".png").relative_to(self.run)),
            "map": str(path.with_suffix(".npz").relative_to(self.run)),
            **attribution.manifest,
        }


def find_view(dataset: ViewDataset, path: str) -> int:
    """The row of a path given in full or from the patient's folder on."""
    rows = [row for row, listed in enumerate(dataset.paths) if listed == path or listed.endswith("/" + path)]
    if len(rows) != 1:
        what = f"{'several' if rows else 'no'} validation views of this path: {path}"
        raise ProblemError(what, where="explain.views", mend="give Path values of valid.csv, of the chosen data.views")
    return rows[0]
