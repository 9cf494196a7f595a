"""What the viewer asks of a trained model: probabilities of one image, with all that the run has fitted for them.

The image is given by the content of its file, and is kept nowhere.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import get_local_path, load, read_metadata
from chexpert.data import read_gray
from chexpert.errors import UserError
from chexpert.evaluation import PredictionSets
from chexpert.evaluation.thresholds import warn_of_labels
from chexpert.explain import View
from chexpert.inference.calibration import read_calibration
from chexpert.inference.gating import open_gating
from chexpert.inference.opened_run import prepare
from chexpert.inference.prediction_sets import open_sets
from chexpert.observations import COMPETITION
from chexpert.report.html.render import NOT_A_DEVICE
from chexpert.report.names import name_folder
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping_or_empty
from chexpert.runs.synthetic import TRAINED
from chexpert.serve.explanations import ServedExplainers
from chexpert.serve.job_queue import Job
from chexpert.serve.pictures import encode_gray
from chexpert.serve.training_neighbors import TrainingNeighbors
from chexpert.serve.upload import MOST_BYTES

LEVEL, VIEWS = "image", "max"
NOT_FITTED = ("missing-calibration", "other-calibration", "other-observations", "too-few")
"""Codes of what a run need not have: a calibration, thresholds, prediction sets."""
UNREADABLE = ("unreadable-image", "image-size")
"""Codes of a file that is no image to the model."""

GATE = "Gate: nothing speaks against this being a frontal radiograph like the training images."
NO_GATE = "No gate: no image is checked for being a frontal radiograph."
OF_SYNTHETIC = "This model was trained on synthetic images, so that its gate says nothing about real X-rays."


class ServedModel:
    """The best weights of a run, loaded once.

    Args:
        run: run folder, file of a checkpoint, or ``hf:OWNER/NAME@REVISION`` of the Hugging Face Hub.
        gate: ``flag``, ``refuse`` or ``off``, as ``chexpert predict`` has it.
        error_rate: of the prediction sets, between 0 and .5.

    Raises:
        UserError: no such run, a damaged file of it, or no gate that could refuse an image.
    """

    def __init__(self, run: Path, gate: str = "flag", error_rate: float = 0.1) -> None:
        given, run = run, get_local_path(run)  # once: the gate stands beside the weights
        self.run, self.error_rate = run, error_rate
        self.title = str(given) if given != run else name_folder(run, longest=None) if run.is_dir() else run.name
        self.loaded = load(run)
        self.model = prepare(self.loaded)
        self.gating = open_gating(run, self.loaded, gate)
        self.names = self.loaded.observations
        self.calibration = self._get_fitted(lambda: read_calibration(run, self.loaded, LEVEL, VIEWS))
        self.thresholds: dict[str, Any] = self._get_fitted(lambda: self.loaded.thresholds.get(LEVEL)) or {}
        self.missing_sets = ""
        self.sets = self._open_sets()
        self.not_labeled = read_not_labeled(run)
        self.explainers = ServedExplainers(self.loaded)
        self.neighbors = TrainingNeighbors(run, self.loaded)

    def describe(self) -> dict[str, Any]:
        """Return what the page shows before there is an image."""
        return {
            "run": self.title,
            "synthetic": f"The model was {TRAINED}." if self.loaded.synthetic else "",
            "lines": self._list_lines(),
            "limit_mb": MOST_BYTES // 2**20,
            "gate": "on" if self.gating.gate else "off",
            "gate_text": GATE if self.gating.gate else NO_GATE,
            "gate_note": OF_SYNTHETIC if self.gating.gate and self.loaded.synthetic else "",
            "observations": self._list_observations(),
            "rules": list(next(iter(self.thresholds.values()), {})),
            "calibrated": self.calibration is not None,
            "sets": {"error_rate": self.error_rate, "missing": self.missing_sets},
            "methods": self.explainers.describe(),
            "neighbors": self.neighbors.describe(),
        }

    def predict(self, content: bytes) -> dict[str, Any]:
        """Predict an image: the same probabilities as in the table of ``chexpert predict --level image``.

        Raises:
            UserError: it cannot be read, or the model puts out NaN.
        """
        image, notes = self.read(content)
        flags, row = self._pass(image, notes)
        gray = read_gray(content)
        refused = bool(flags) and self.gating.refuses
        found = {"image": encode_gray(gray), "height": gray.shape[0], "width": gray.shape[1]}
        return found | {"flags": flags, "refused": refused, "rows": [] if refused else self._list_rows(row)}

    def explain(self, content: bytes, method: str, observation: str, job: Job) -> dict[str, Any]:
        """Explain one output for an image.

        Raises:
            UserError: it cannot be read, or is refused by the gate.
            JobCancelledError: the job was cancelled.
        """
        image = self.read_accepted(content)
        gray = read_gray(content)
        view = View("image", torch.from_numpy(image)[None], gray, self.loaded.preprocessing.matrix(*gray.shape))
        return self.explainers.explain(view, method, observation, job)

    def compare(self, image: np.ndarray) -> dict[str, Any]:
        """Compare an image with training images; as long as not all of them are read, read a batch of them instead.

        Args:
            image: (H, W) uint8, as :meth:`read_accepted` returns it.

        Raises:
            UserError: there are no training images.
        """
        if not self.neighbors.is_ready:
            self.neighbors.read_batch()
        return self.neighbors.compare(image) if self.neighbors.is_ready else self.neighbors.progress

    def read(self, content: bytes) -> tuple[np.ndarray, Sequence[str]]:
        """Return an image as the model sees it, (H, W) uint8, and what speaks against its being a radiograph."""
        try:
            return self.gating.choose_reader(self.loaded.preprocessing).read_noted(content)
        except UserError as error:
            if error.code not in UNREADABLE:
                raise
            hint = "give another image: PNG, JPEG or DICOM"  # the reader's is for the images of a data set
            raise UserError(error.message, code=error.code, where=error.where, hint=hint) from error

    def read_accepted(self, content: bytes) -> np.ndarray:
        """Return an image as the model sees it, (H, W) uint8.

        Raises:
            UserError: it cannot be read, or is refused by the gate.
        """
        image, notes = self.read(content)
        if self.gating.refuses and (flags := self._pass(image, notes)[0]):
            hint = "--gate flag shows why beside its results"
            raise UserError(f"the gate refuses this image: {flags}", code="input-kind", where="the image", hint=hint)
        return image

    def _pass(self, image: np.ndarray, notes: Sequence[str]) -> tuple[str, np.ndarray]:
        """Return the reasons to flag an image, and its probabilities (C,), as chexpert.inference.predict has them."""
        batch = torch.from_numpy(image)[None, None]
        model = prepare(self.loaded)  # an explanation may have left another memory format
        with torch.inference_mode(), self.gating.watch(model) as pooled:
            probabilities = model(batch.to(next(model.parameters()).device)).float().sigmoid().cpu()
            noted = [("0", "; ".join(notes))] if notes else []
            flags = self.gating.add_flags(["0"], noted, batch, pooled).get(0, "")
        if not probabilities.isfinite().all():
            message, hint = "the model puts out NaN or infinity", "take another checkpoint of the run"
            raise UserError(message, code="nan", where="the checkpoint", hint=hint)
        return flags, run_files.as_written(probabilities.numpy())[0]

    def _list_rows(self, row: np.ndarray) -> list[dict[str, Any]]:
        """Return probability, calibrated probability and set of each observation, in the order of the page."""
        found = []
        for name in self.order:
            raw = float(row[self.names.index(name)])
            found.append({"observation": name, "probability": raw, "calibrated": self._calibrate(name, raw),
                          "set": self._get_set(name, raw)})  # fmt: skip
        return found

    @cached_property
    def order(self) -> list[str]:
        """The observations, those of the competition first."""
        first = [name for name in COMPETITION if name in self.names]
        return first + [name for name in self.names if name not in first]

    def _list_observations(self) -> list[dict[str, Any]]:
        """Return each observation with its thresholds by rule: of raw probabilities, and of calibrated ones."""
        return [
            {"name": name, "competition": name in COMPETITION, "labeled": name not in self.not_labeled, "thresholds": {
                rule: {"raw": value, "calibrated": self._calibrate(name, value)}
                for rule, value in self.thresholds.get(name, {}).items() if value is not None}}
            for name in self.order
        ]  # fmt: skip

    def _calibrate(self, name: str, raw: float) -> float | None:
        """Return a calibrated probability; None where the observation has no calibration."""
        if self.calibration is None or not self.calibration.levels.get(LEVEL, {}).get(name):
            return None
        return float(run_files.as_written(self.calibration.apply(np.array([[raw]]), [name], LEVEL))[0, 0])

    def _get_set(self, name: str, raw: float) -> str | None:
        if self.sets is None:
            return None
        if name in self.sets.list_missing([name], LEVEL, self.error_rate):
            return None
        return self.sets.apply(np.array([[raw]]), [name], LEVEL, self.error_rate)[name][0]

    def _open_sets(self) -> PredictionSets | None:
        try:
            return open_sets(self.run, self.loaded, self.names, LEVEL, VIEWS, self.error_rate).sets
        except UserError as error:
            if error.code not in NOT_FITTED:
                raise
            self.missing_sets = error.message
            return None

    def _get_fitted(self, read: Any) -> Any:
        """Return what the run has fitted; None where it has none."""
        try:
            return read()
        except UserError as error:
            if error.code not in NOT_FITTED:
                raise
            return None

    def _list_lines(self) -> list[dict[str, str]]:
        """Return what is always shown: each with its kind, ``warning`` or ``note``."""
        history = read_metadata(self.run).get("contamination") or "what they learned from is not recorded"
        lines = [("warning", NOT_A_DEVICE), ("note", f"Weights: {history}")]
        if self.gating.missing:
            lines.append(("note", f"Gate: {self.gating.missing}."))
        if self.thresholds and (warning := warn_of_labels(self.loaded.fitted["thresholds"].get("labels"))):
            lines.append(("note", f"Thresholds: {warning}."))
        return [{"kind": kind, "text": text} for kind, text in lines]


def read_not_labeled(run: Path) -> list[str]:
    """Return the observations without a label in the training data of a run, or of the file of a checkpoint."""
    found = read_metadata(run).get("not_labeled")
    if found is None and run.is_dir():
        splits = read_mapping_or_empty(run / run_files.DATA).get("splits") or {}
        found = (splits.get("train") or {}).get("not_labeled")
    return list(found or [])
