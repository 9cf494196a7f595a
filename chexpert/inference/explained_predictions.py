"""Explain images while they are predicted: pictures, masks and regions beside the table, in bounded memory."""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded
from chexpert.conf_folder import find_conf
from chexpert.config import build
from chexpert.data import read_gray
from chexpert.errors import UserError
from chexpert.explain import Explainer, Explanation, View
from chexpert.explain.explained_views import explain_batches
from chexpert.explain.export import export_picture
from chexpert.explain.plots import find_scale
from chexpert.explain.regions import HEADER, list_rows, write_regions
from chexpert.explain.session import choose_outputs, describe_view
from chexpert.inference.explain_settings import check_layers, compose_settings, resolve_observations
from chexpert.inference.inputs import InputImage
from chexpert.inference.output_table import escape_name
from chexpert.runs import files as run_files

FOLDER = "-explanations"
"""At the end of the name of the folder, after that of the table without its ending."""


@dataclass(frozen=True)
class ExplainRequest:
    """What is explained of each predicted image.

    Attributes:
        explainers: names of files in conf/explainer; where the run had that explainer, it keeps its settings.
        top: number of the most probable observations of an image.
        observations: explain these of every image instead.
    """

    explainers: Sequence[str]
    top: int = 1
    observations: Sequence[str] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What a stopped command must have in common with the one that resumes it."""
        return {"explain": [*self.explainers], "top": self.top, "explain_observations": self.observations}


class ExplainedPredictions:
    """Writes explanations of predicted images, a batch at a time.

    Args:
        loaded: the run's model.
        request: what is explained.
        output: the table of predictions, beside which the folder of explanations lies.

    Raises:
        UserError: an unknown explainer or observation, or an explainer that the model is not made for.
    """

    def __init__(self, loaded: Loaded, request: ExplainRequest, output: Path) -> None:
        self.loaded, self.request = loaded, request
        self.folder = output.with_name(output.stem + FOLDER)
        if "explainer" not in loaded.config:
            hint = "give the run folder, or best.ckpt"
            raise UserError("exported weights have no settings", code="missing-run", where="--explain", hint=hint)
        nodes, _ = compose_settings(loaded.config, request.explainers, find_conf(), (), "--explain")
        self.only = resolve_observations(request.observations, loaded.observations, "--explain-observations")
        built = {name: build(nodes[name], f"explainer.{name}") for name in request.explainers}
        check_layers(built, loaded.model)
        self.explainers: dict[str, Explainer] = built
        self.names: Mapping[int, str] = {}

    def start(self, images: Sequence[InputImage], names: Mapping[str, str], done: Collection[int]) -> None:
        """Check the folder; where a stopped command left one, keep the rows of the images that it had predicted.

        Args:
            images: the input.
            names: how each image is called in what is written, by its name in the input.
            done: numbers of the images that were predicted before.

        Raises:
            UserError: the folder has files of another command, or two images have one name in it.
        """
        self.names = {number: escape_name(names[image.name]) for number, image in enumerate(images)}
        for path in map(self._unfinished, self.explainers):
            if done and (whole := path.with_name(run_files.REGIONS)).is_file():
                whole.replace(path)  # stopped while it wrote the table
        stopped = [path for path in map(self._unfinished, self.explainers) if path.is_file()]
        if not stopped and self.folder.exists() and not (self.folder.is_dir() and not any(self.folder.iterdir())):
            message, hint = "it is there already, and nothing is overwritten", "give another output file"
            raise UserError(message, code="not-empty", where=str(self.folder), hint=hint)
        first: dict[str, str] = {}
        for name in self.names.values():
            if (other := first.setdefault(run_files.view_name(name), name)) != name:
                hint = "leave out --ids path: hashes differ"
                raise UserError(f"of one name: {other} and {name}", code="repeated", where="the images", hint=hint)
        kept = {self.names[number] for number in done}
        for path in stopped:
            write_regions(path, [row for row in _read_rows(path) if row[0] in kept])

    def add(self, images: Sequence[InputImage], rows: Mapping[int, Sequence[float]], seen: torch.Tensor) -> None:
        """Explain a batch.

        Args:
            images: the input.
            rows: the C probabilities of each image of the batch, by its number.
            seen: (B, 1, H, W) uint8, what the model saw of them.
        """
        model, known = self.loaded.model, self.loaded.observations
        probabilities = [np.array(row) for row in rows.values()]
        outputs = [choose_outputs(row, known, self.only, self.request.top) for row in probabilities]
        seen = seen.to(next(model.parameters()).device)
        for name, explainer in self.explainers.items():
            attributions = explain_batches(model, explainer, seen, outputs)
            written = []
            for number, image, row, own, maps in zip(rows, seen, probabilities, outputs, attributions, strict=True):
                # one image of full size at a time
                view = self._open(images[number], self.names[number], image)
                written += self._write(name, describe_view(view, row, own, maps, known, name))
            _append_rows(self._unfinished(name), written)

    def finish(self) -> None:
        """Give the tables their names, once all images are predicted."""
        for path in map(self._unfinished, self.explainers):
            path.replace(path.with_name(run_files.REGIONS))

    def _unfinished(self, explainer: str) -> Path:
        return self.folder / explainer / f"{run_files.REGIONS}{run_files.PART}"

    def _open(self, image: InputImage, name: str, seen: torch.Tensor) -> View:
        original = read_gray(str(image.file))
        return View(name, seen.cpu(), original, self.loaded.preprocessing.matrix(*original.shape))

    def _write(self, name: str, explanations: Sequence[Explanation]) -> list[list[str]]:
        """Write the pictures and masks of a view; return its rows."""
        scale = find_scale(explanations)
        rows: list[list[str]] = []
        for explanation in explanations:
            region = explanation.segment()
            export_picture(self.folder, name, explanation, scale, region, boxed=True)
            rows += list_rows(explanation.view.path, explanation.observation, explanation.probability, region)
        return rows


def _read_rows(path: Path) -> list[list[str]]:
    """The rows that a stopped command wrote; a last line that was cut off is left out."""
    with path.open(newline="", encoding="utf-8", errors=run_files.ESCAPE) as file:
        return [row for row in csv.reader(file) if len(row) == len(HEADER) and row[0] != HEADER[0]]


def _append_rows(path: Path, rows: Sequence[Sequence[str]]) -> None:
    if not path.exists():
        write_regions(path, [])
    with path.open("a", newline="", encoding="utf-8", errors=run_files.ESCAPE) as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
