"""A run folder as a Python object."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import ArrayLike

from chexpert.api.arguments import read_path
from chexpert.api.tables import read_metrics, read_table, tabulate
from chexpert.errors import UserError
from chexpert.evaluation import read_labels
from chexpert.report import summarize_run, write_report
from chexpert.report.names import name_folder
from chexpert.runs import files as run_files
from chexpert.runs.read import read_config, read_mapping_or_empty, read_state
from chexpert.runs.synthetic import is_synthetic_run

if TYPE_CHECKING:  # torch takes seconds to import: not for those who only read metrics
    from chexpert.api.trained_model import TrainedModel
    from chexpert.explain import Explanation

Images = str | Path | Sequence[str | Path] | ArrayLike
"""A file, a folder, a table with the column Path, several files; or an array (h, w) or (n, h, w)."""


def open_run(path: str | Path) -> "Run":
    """Open the folder of a run, finished or not.

    Args:
        path: run folder, such as ``outputs/chexpert/2026-01-01_12-00-00``.

    Returns:
        The run.

    Raises:
        UserError: there is no run in this folder.
    """
    folder = read_path("path", path).absolute()
    names = (run_files.STATE, run_files.CONFIG, run_files.METRICS)
    if any((folder / name).is_file() for name in names):
        return Run(folder)
    jobs = sorted(found.parent.name for found in folder.glob(f"*/{run_files.STATE}"))
    message = "a folder of runs, and no run" if jobs else "no run of this project lies there"
    hint = f"open one of {', '.join(jobs[:5])}" if jobs else "give the folder of a run: outputs/<name>/<time>"
    raise UserError(message, code="missing-run", where=str(path), hint=hint)


class Run:
    """A run folder: its settings, metrics and predictions, and its trained model. Not a medical device.

    Made by :func:`open_run` and by :func:`chexpert.train`. Everything is read when it is asked for; the weights once.

    Attributes:
        folder: absolute path of the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        state = read_mapping_or_empty(self.folder / run_files.STATE)
        return f"<Run {name_folder(self.folder)}, {state.get('state', 'of unknown state')}>"

    def _repr_html_(self) -> str:
        """The metrics with their intervals, for Jupyter; names of files are hidden."""
        return summarize_run(self.folder)

    @property
    def config(self) -> dict[str, Any]:
        """The settings, as in config.yaml; empty where the run ended before it wrote them."""
        return read_config(self.folder)

    @property
    def state(self) -> dict[str, Any]:
        """The content of state.json: ``state`` (finished, stopped, failed, ...), ``why``, ``overrides``, ..."""
        return read_state(self.folder)

    @property
    def splits(self) -> list[str]:
        """The evaluated splits: those of ``dev``, ``valid`` and ``test`` that the run has."""
        found = read_mapping_or_empty(self.folder / run_files.METRICS)
        return [split for split in run_files.EVALUATED_SPLITS if split in found]

    @property
    def synthetic(self) -> bool:
        """Whether images of the run are synthetic: no result on them says anything about patients."""
        return is_synthetic_run(read_mapping_or_empty(self.folder / run_files.DATA), self.config)

    @property
    def metrics(self) -> pd.DataFrame:
        """The metrics with their 95 % intervals: a row for each split and observation, and one for the mean AUROC.

        The index is (``split``, ``observation``), with ``mean`` for the mean; the columns are ``auroc, low, high``,
        ``auprc, auprc_low, auprc_high``, the same of ``brier`` and ``ece`` (calibration error), and the counts ``n,
        positives, negatives``. Undefined metrics are NaN. The values are those of evaluation/<split>.json.

        Raises:
            UserError: the run was not evaluated, or a file of evaluation/ is damaged.
        """
        if not self.splits:
            hint = f"the run is {self.state.get('state', 'of unknown state')}; resume it, or open another"
            raise UserError("no metrics of a run", code="missing-run", where=str(self.folder), hint=hint)
        return read_metrics(self.folder, self.splits)

    def predictions(self, split: str = "valid") -> pd.DataFrame:
        """Return the run's probabilities for a split.

        Args:
            split: ``dev``, ``valid``, ``test``, or ``train`` of a run with ``predict_train=true``; ``valid-tta`` and
                ``test-tta`` of a run with ``tta``.

        Returns:
            One row an image, named by ``Path``; a column of probabilities in [0, 1] for each observation.

        Raises:
            UserError: the run has no predictions of this split.
        """
        self._check_split(run_files.PREDICTIONS, split)
        return read_table(run_files.predictions(self.folder, split))

    def labels(self, split: str = "valid") -> pd.DataFrame:
        """Return the labels by which a split is evaluated.

        Args:
            split: ``dev``, ``valid`` or ``test``.

        Returns:
            The rows of :meth:`predictions`, where the run has those, and a column for each observation of the run;
            labels 1, 0, or NaN where there is none.

        Raises:
            UserError: the run has no labels of this split.
        """
        self._check_split(run_files.LABELS, split)
        table = tabulate(read_labels(run_files.labels(self.folder, split)))
        if run_files.predictions(self.folder, split).is_file():  # an image that could not be read has labels alone
            rows = self.predictions(split).index
            table = table.reindex(rows) if rows.isin(table.index).all() else table
        trained = self.config.get("observations")
        return table if not isinstance(trained, list) else table[[name for name in trained if name in table]]

    def _check_split(self, kind: str, split: str) -> None:
        there = sorted(path.stem for path in (self.folder / kind).glob("*.csv"))
        if split not in there:
            hint = f"one of {', '.join(there)}" if there else "open a run that was evaluated"
            raise UserError(f"no {kind} of this split", code="missing-split", where=repr(split), hint=hint)

    def predict(
        self,
        images: Images,
        *,
        level: str = "image",
        views: str = "max",
        calibrated: bool = False,
        observations: str = "all",
        root: str | Path | None = None,
        ids: str = "path",
        batch_size: int | None = None,
        num_workers: int | None = None,
        tta: int | str | None = None,
        sets: float | None = None,
        gate: str = "flag",
    ) -> pd.DataFrame:
        """Predict images by the best weights of the run, as ``chexpert predict`` does.

        Args:
            images: an image file, a folder, a table (.csv) with the column Path, or a list of image files; or an array
                (h, w) or (n, h, w), uint8 or float in [0, 1], 0 being black.
            level: ``image``: one row an image; ``study``: one row a study of CheXpert.
            views: score of a study from its views: ``max``, ``mean`` or ``noisy_or``.
            calibrated: probabilities by the run's calibration.json.
            observations: ``all`` that the model knows, or ``competition``: the five.
            root: folder of the paths in a table; by default the run's data root, then the table's folder.
            ids: ``path``: rows are named by paths; ``hash``: names other than CheXpert's own become salted hashes.
            batch_size: images in a forward pass; by default as in training.
            num_workers: processes that read files; by default as in training.
            tta: test-time augmentation: probabilities are the mean over views of the image: ``flip``, ``shift``, or a
                number of views, in the ranges that the model was trained with.
            sets: error rate of prediction sets, between 0 and .5, by the run's prediction_sets.json.
            gate: ``flag``: look for images that are no frontal radiograph or unlike the training images, by the run's
                gate, if it has one; ``refuse``: give them no probabilities; ``off``.

        Returns:
            Probabilities in [0, 1], a column for each observation. With ``sets`` also a column ``Edema set`` for each:
            ``present``, ``absent``, ``both``, ``neither``, or ``none`` with the reason. Rows are named by ``Path``
            (``Study``), of an array by number from 0. ``attrs["failed"]`` has, by name, why an image could not be read;
            it has no row. ``attrs["flagged"]`` has why an image should be looked at; ``attrs["refused"]`` the names of
            those that got no probabilities: their rows are NaN.

        Raises:
            UserError: no image, or none that can be read; an array of another shape, type or range; no weights; an
                argument that is none of its choices.
        """
        from chexpert.api.prediction import predict_images

        options = {"level": level, "views": views, "calibrated": calibrated, "observations": observations, "ids": ids}
        options |= {"tta": tta, "sets": sets, "gate": gate}
        return predict_images(self._model, images, root=root, batch_size=batch_size, num_workers=num_workers, **options)

    def explain(
        self,
        image: str | Path | ArrayLike,
        explainer: str = "gradcam",
        observation: str | None = None,
        *,
        settings: str | Sequence[str] = (),
        ids: str = "hash",
    ) -> "Explanation":
        """Explain a prediction for one image, as ``chexpert explain`` does; nothing is written.

        Args:
            image: an image file; a Path value of the run's validation data, which brings its label and masks; or an
                array (h, w), uint8 or float in [0, 1].
            explainer: ``gradcam``, ``hirescam``, ``lime``, ``occlusion``, or another of ``chexpert explain --help``.
            observation: the observation to explain; by default the most probable one.
            settings: settings of the explainer, such as ``"explainer.lime.samples=500"``: one, or several.
            ids: ``hash``: the figure names a file by a salted hash; ``path``: by its name.

        Returns:
            The explanation: ``map`` (H, W) float in [0, 1] on the image, ``signed``, ``probability``, ``figure``;
            Jupyter shows the figure.

        Raises:
            UserError: no such image, explainer or observation, or an array of another shape, type or range.
        """
        from chexpert.api.explanation import explain

        return explain(self._model, image, explainer, observation=observation, settings=settings, ids=ids)

    def report(self) -> Path:
        """Write report.html into the run folder anew, and return its path; names of files are hidden.

        Raises:
            UserError: the run was not evaluated.
        """
        return write_report(self.folder)

    @cached_property
    def _model(self) -> "TrainedModel":
        from chexpert.api.trained_model import TrainedModel

        return TrainedModel(self.folder)
