"""Predict files and arrays by a run, as a table in memory."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from chexpert.api.arguments import naming_arguments, read_path
from chexpert.api.arrays import read_images, write_images
from chexpert.api.tables import read_prediction_table
from chexpert.api.trained_model import TrainedModel
from chexpert.console import NOTE, log, show_progress
from chexpert.errors import UserError
from chexpert.inference.choices import check_options, parse_tta
from chexpert.inference.predict import predict

SHOWN = 3
"""Images that a warning names."""


@naming_arguments()
def predict_images(
    model: TrainedModel,
    images: str | Path | Sequence[str | Path] | ArrayLike,
    *,
    root: str | Path | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Predict files or an array; see :meth:`chexpert.api.Run.predict`.

    The images go through the command's own code, arrays as files without loss: there is one way from an image to a
    probability.
    """
    options["tta"] = parse_tta(options["tta"])
    check_options(**options)
    options["root"] = root if root is None else read_path("root", root)
    paths = list_paths(images)
    with TemporaryDirectory(prefix="chexpert-") as name:
        folder = Path(name)
        if paths is not None:
            return predict_files(model, paths, folder, **options)
        if options["level"] != "image":
            raise UserError("an array has no studies", code="level", where="level", hint="level='image'")
        arrays = read_images(images)  # type: ignore[arg-type]  # paths are none
        table = predict_files(model, write_images(arrays, folder), folder, **options | {"ids": "path"})
        numbered = table.set_axis(pd.RangeIndex(len(table), name="image"))
        numbered.attrs["flagged"] = {int(Path(name).stem): why for name, why in table.attrs["flagged"].items()}
        numbered.attrs["refused"] = [int(Path(name).stem) for name in table.attrs["refused"]]
        return numbered


def list_paths(images: Any) -> list[Path] | None:
    """Return paths as a list; None for an array.

    Raises:
        UserError: an empty list.
    """
    if isinstance(images, str | os.PathLike):
        return [read_path("images", images)]
    if not isinstance(images, Sequence):
        return None
    if not len(images):
        raise UserError("no image", code="input-kind", where="images", hint="give image files, a folder or an array")
    if all(isinstance(image, str | os.PathLike) for image in images):
        return [read_path("images", image) for image in images]
    return None


def predict_files(model: TrainedModel, paths: Sequence[Path], folder: Path, **options: Any) -> pd.DataFrame:
    """Predict image files, a folder or a table; a temporary folder takes the command's output."""
    watch = partial(show_progress, title="batches")
    outcome = predict(model.folder, paths, folder / "predictions.csv", loaded=model.loaded, watch=watch, **options)
    table = read_prediction_table(outcome.output)
    table.attrs |= {"failed": dict(outcome.failed), "flagged": dict(outcome.flagged), "refused": [*outcome.refused]}
    if outcome.ungated:
        log.log(NOTE, outcome.ungated)
    if outcome.failed:
        names = ", ".join(list(outcome.failed)[:SHOWN])
        log.warning(f"{len(outcome.failed)} images could not be read, see attrs['failed']: {names}")
    return table
