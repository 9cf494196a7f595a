"""Explain images while they are predicted: pictures, masks and regions beside the table, in bounded memory."""

import csv
import shlex
import shutil
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
from chexpert.explain import Explainer, Explanation, Failures, View
from chexpert.explain.attribution import Attribution
from chexpert.explain.explained_views import explain_batches
from chexpert.explain.export import export_picture
from chexpert.explain.plots import find_scale
from chexpert.explain.regions import HEADER, list_rows, write_regions
from chexpert.explain.session import choose_outputs, describe_view
from chexpert.inference.explain_settings import check_layers, compose_settings, resolve_observations
from chexpert.inference.inputs import InputImage
from chexpert.inference.output_table import escape_name
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping_or_empty

FOLDER = "-explanations"
"""At the end of the name of the folder, after that of the table without its ending."""


@dataclass(frozen=True)
class ExplainRequest:
    """What is explained of each predicted image.

    Attributes:
        explainers: names of files in conf/explainer; where the run had that explainer, it keeps its settings.
        top: number of the most probable observations of an image.
        observations: explain these of every image instead.
        settings: explainer.<name>.<setting>=<value>.
    """

    explainers: Sequence[str]
    top: int = 1
    observations: Sequence[str] | None = None
    settings: Sequence[str] = ()

    @property
    def options(self) -> dict[str, Any]:
        """What a stopped command must have in common with the one that resumes it."""
        options = {"explain": [*self.explainers], "top": self.top, "explain_observations": self.observations}
        return options | ({"explain_settings": [*self.settings]} if self.settings else {})


def find_explanations(output: Path, inputs: Sequence[Path]) -> Path:
    """Return the folder of explanations beside the table of predictions.

    Raises:
        UserError: it lies below a folder of the input, whose images are then not those of the next call.
    """
    folder = output.with_name(output.stem + FOLDER)
    for path in inputs:
        if path.is_dir() and folder.resolve().is_relative_to(path.resolve()):
            outside = run_files.shorten(str(path.resolve().parent / output.name))
            message, hint = f"pictures would be among the images of {path}", "give an output outside it, as in"
            hint = f"{hint} {shlex.quote(str(outside))}"
            raise UserError(message, code="conflict", where=str(folder), hint=hint)
    return folder


class ExplainedPredictions:
    """Writes explanations of predicted images, a batch at a time.

    Args:
        loaded: the run's model.
        request: what is explained.
        folder: of the explanations.

    Raises:
        UserError: an unknown explainer, setting or observation, or an explainer that the model is not made for.
    """

    def __init__(self, loaded: Loaded, request: ExplainRequest, folder: Path) -> None:
        self.loaded, self.request, self.folder = loaded, request, folder
        if "explainer" not in loaded.config:
            hint = "give the run folder, or best.ckpt"
            raise UserError("exported weights have no settings", code="missing-run", where="--explain", hint=hint)
        if other := next((word for word in request.settings if word.startswith("explain.")), None):
            hint = "leave it out; --top and --explain-observations choose what is explained"
            raise UserError("it has no effect here", code="unused-setting", where=other, hint=hint)
        nodes, _ = compose_settings(loaded.config, request.explainers, find_conf(), request.settings, "--explain")
        self.only = resolve_observations(request.observations, loaded.observations, "--explain-observations")
        built = {name: build(nodes[name], f"explainer.{name}") for name in request.explainers}
        check_layers(built, loaded.model)
        self.explainers: dict[str, Explainer] = built
        """Those that have not failed."""
        self.failures = Failures(folder)
        self.names: Mapping[int, str] = {}
        self.begun = False
        """Whether a batch is explained."""

    def start(
        self, images: Sequence[InputImage], names: Mapping[str, str], done: Collection[int], journal: Path
    ) -> None:
        """Check the folder; where a stopped command left one, keep the rows of the images that it had predicted.

        Args:
            images: the input.
            names: how each image is called in what is written, by its name in the input.
            done: numbers of the images that were predicted before.
            journal: the file of the predictions so far.

        Raises:
            UserError: the folder has files of another command or lacks those of a stopped one, or two images have one
                name in it.
        """
        self.names = {number: escape_name(names[image.name]) for number, image in enumerate(images)}
        first: dict[str, str] = {}
        for name in self.names.values():
            if (other := first.setdefault(run_files.view_name(name), name)) != name:
                hint = "leave out --ids path: hashes differ"
                raise UserError(f"of one name: {other} and {name}", code="repeated", where="the images", hint=hint)
        self.begun = bool(done)
        if self.begun:
            self._resume({self.names[number] for number in done}, journal)
        elif self.folder.exists() and not (self.folder.is_dir() and not any(self.folder.iterdir())):
            message, hint = "it is there already, and nothing is overwritten", "remove it, or give another output file"
            raise UserError(message, code="not-empty", where=str(self.folder), hint=hint)

    def add(self, images: Sequence[InputImage], rows: Mapping[int, Sequence[float]], seen: torch.Tensor) -> None:
        """Explain a batch; an explainer that fails is left out from there on.

        Args:
            images: the input.
            rows: the C probabilities of each image of the batch, by its number.
            seen: (B, 1, H, W) uint8, what the model saw of them.
        """
        try:
            self._explain(images, rows, seen)
        except BaseException:
            if not self.begun:  # nothing is predicted: nothing is left that would stand in the way of the next call
                shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.begun = True

    def finish(self) -> None:
        """Give the tables their names, once all images are predicted; that of a failed explainer stays as it is."""
        for path in map(self._unfinished, self.explainers):
            path.replace(path.with_name(run_files.REGIONS))

    def _resume(self, kept: Collection[str], journal: Path) -> None:
        """Keep the rows of these images, whose files must all be there."""
        for name, entry in read_mapping_or_empty(self.folder / run_files.FAILED).items():
            self.failures[name], self.failures.details[name] = entry["why"], entry
            self.explainers.pop(name, None)
        for name, path in [(name, self._unfinished(name)) for name in self.explainers]:
            if (whole := path.with_name(run_files.REGIONS)).is_file():
                whole.replace(path)  # stopped while it wrote the table
            rows = [row for row in _read_rows(path) if row[0] in kept] if path.is_file() else []
            pictures = (run_files.picture(self.folder, name, image, observation) for image, observation, *_ in rows)
            if {row[0] for row in rows} != {*kept} or not all(picture.is_file() for picture in pictures):
                left = [journal, *([self.folder] if self.folder.exists() else [])]
                hint = f"to begin anew, remove {shlex.join(map(str, left))}"
                raise UserError("its explanations are gone", code="missing-file", where=str(path.parent), hint=hint)
            write_regions(path, rows)

    def _explain(self, images: Sequence[InputImage], rows: Mapping[int, Sequence[float]], seen: torch.Tensor) -> None:
        model, known = self.loaded.model, self.loaded.observations
        probabilities = [np.array(row) for row in rows.values()]
        outputs = [choose_outputs(row, known, self.only, self.request.top) for row in probabilities]
        seen = seen.to(next(model.parameters()).device)
        found: dict[str, list[list[Attribution]]] = {}
        for name, explainer in self.explainers.items():
            with self.failures.catching(name):
                found[name] = explain_batches(model, explainer, seen, outputs)
        written: dict[str, list[list[str]]] = {name: [] for name in found}
        for at, (number, row) in enumerate(zip(rows, probabilities, strict=True)):
            view = self._open(images[number], self.names[number], seen[at])  # one image of full size at a time
            for name in found.keys() - self.failures.keys():
                with self.failures.catching(name):
                    explanations = describe_view(view, row, outputs[at], found[name][at], known, name)
                    written[name] += self._write(name, explanations)
        for name in found:
            if name not in self.failures:
                _append_rows(self._unfinished(name), written[name])
        if failed := self.explainers.keys() & self.failures.keys():
            self.explainers = {name: one for name, one in self.explainers.items() if name not in failed}
            self.failures.write()

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
