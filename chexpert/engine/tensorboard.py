"""All that a run writes to TensorBoard beside the values that its module logs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from matplotlib import rc_context
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.trainer.states import TrainerFn

from chexpert.engine.tensorboard_layout import Layout, chart, make_layout, order
from chexpert.evaluation.groups import has_few_patients
from chexpert.report.figures.cards import plot_metrics
from chexpert.report.figures.svg import SETTINGS
from chexpert.report.html.groups import TITLES
from chexpert.report.names import name_folder
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping
from chexpert.runs.synthetic import NOTE, is_synthetic_path
from chexpert.training import MultilabelModule


class TensorBoardWriter(pl.Callback):
    """Writes the layout of the charts, and for each split that the best weights evaluate PR curves and hparams.

    Args:
        hparams: flat settings for TensorBoard's hparams page.
    """

    def __init__(self, hparams: dict[str, Any]) -> None:
        self.hparams = hparams

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        logger = find_logger(trainer)
        if logger and trainer.is_global_zero:
            assert isinstance(pl_module, MultilabelModule)
            layout = make_layout(order(pl_module.observations, pl_module.validation.mean_over))
            logger.experiment.add_custom_scalars(layout)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        evaluating = trainer.state.fn == TrainerFn.VALIDATING and trainer.is_global_zero
        logger = find_logger(trainer)
        if not evaluating or not logger:
            return
        assert isinstance(pl_module, MultilabelModule)
        data, seen, writer = trainer.datamodule, pl_module.validation, logger.experiment  # type: ignore[attr-defined]
        probabilities, labels, mask = seen.labeled
        for c, name in enumerate(seen.observations):
            rows = mask[:, c]
            if rows.any():
                tag = f"{data.evaluated_split}/{name}"
                writer.add_pr_curve(tag, labels[rows, c], probabilities[rows, c], trainer.global_step)
        chooses = data.selection_split or "valid"  # settings are compared on the split that chooses the weights
        if data.evaluated_split == chooses:
            logger.log_hyperparams(self.hparams, {"hparams/auroc_mean": seen.find_mean()[0]})


def find_logger(trainer: pl.Trainer) -> TensorBoardLogger | None:
    """Return the logger of a trainer that writes to TensorBoard; None without one."""
    return next((logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)), None)


def list_explanation_scalars(quality: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield tags and values of the explainers' metrics: ``explain/<explainer>/<metric>/<observation>``.

    Args:
        quality: content of quality.json; a metric without a value is left out.
    """
    for explainer, scored in quality.get("explainers", {}).items():
        for observation, metrics in scored["observations"].items():
            for kind, metric in metrics.items():
                value = metric.get("value") if isinstance(metric, Mapping) else metric
                if isinstance(value, int | float):  # stability_of is a word
                    yield f"explain/{explainer}/{kind}/{observation}", value


def show_evaluation(folder: Path) -> None:
    """Add each evaluation of a run to its TensorBoard: AUROC, calibration and groups, as scalars and as plots.

    Tags begin with ``auroc``, which TensorBoard's first page shows first, ``calibration`` and ``groups``. Scalars are
    for beside other runs, the plots have the intervals. No tag and no plot names a patient.

    Args:
        folder: of a run that has metrics.json and the evaluations.
    """
    from torch.utils.tensorboard import SummaryWriter  # takes a second

    step = read_mapping(folder / run_files.METRICS, required=True).get("best_epoch") or 0
    contents = {path.stem: read_mapping(path) for path in sorted((folder / run_files.EVALUATION).glob("*.json"))}
    with SummaryWriter(str(folder / run_files.TENSORBOARD)) as writer, rc_context(SETTINGS):
        writer.add_text("run", describe_run(folder), step)
        for split, content in contents.items():
            for tag, value in list_scalars(split, content):
                writer.add_scalar(tag, value, step)
            for tag, plot in plot_metrics(folder, split, content):
                writer.add_figure(tag, plot, step)
        if contents:
            writer.add_custom_scalars(make_evaluation_layout(contents))


def describe_run(folder: Path) -> str:
    """Describe the run by its overrides and folder, and if its images are synthetic."""
    return f"{name_folder(folder)} ({folder.name})" + f"\n\n{NOTE}" * is_synthetic_path(folder)


def list_scalars(split: str, content: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield tags and values of all defined metrics."""
    yield from ((tag, own["value"]) for tag, own in list_metrics(split, content))


def list_metrics(split: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield tags and all defined metrics: ``auroc/valid/mean``, ``groups/valid/sex/Female``, ...

    The AUROC of a group is the mean over the same observations as that of all rows, or is left out, as that of few
    patients is.
    """
    scalars = {f"auroc/{split}/mean": content["auroc_mean"]}
    scalars |= {f"auroc/{split}/{name}": own for name, own in content["auroc"].items()}
    for when, metrics in list_calibrations(content).items():
        scalars |= {f"calibration/{split}/ece_{when}/{name}": own["ece"] for name, own in metrics.items()}
    for group, own in content["groups"].items():
        for part, metrics in own["rows"].items():
            if metrics["auroc_mean"]["over"] == content["auroc_mean"]["over"] and not has_few_patients(metrics):
                scalars[f"groups/{split}/{group}/{part}"] = metrics["auroc_mean"]
    yield from ((tag, own) for tag, own in scalars.items() if own["value"] is not None)


def list_calibrations(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return Brier score and ECE by observation, before and after calibration, as far as there are any."""
    calibrated = (content.get("calibrated") or {}).get("figures")
    return {when: own for when, own in (("before", content["calibration"]), ("after", calibrated)) if own}


def make_evaluation_layout(contents: Mapping[str, Mapping[str, Any]]) -> Layout:
    """Return the charts of the training, and below them those of the evaluations, to compare runs."""
    first = next(iter(contents.values()))
    layout = make_layout(order(list(first["auroc"]), first["auroc_mean"]["over"]))
    charts: dict[str, list] = {}
    for split, content in contents.items():
        tags = [tag for tag, _ in list_scalars(split, content)]
        parts = {"AUROC": f"auroc/{split}/", "expected calibration error": f"calibration/{split}/"}
        parts |= {f"mean AUROC, {TITLES.get(group, group)}": f"groups/{split}/{group}/" for group in content["groups"]}
        found = {title: [tag for tag in tags if tag.startswith(part)] for title, part in parts.items()}
        charts |= {f"{split} split: {title}": chart(*own) for title, own in found.items() if own}
    return layout | {"the best epoch": charts}
