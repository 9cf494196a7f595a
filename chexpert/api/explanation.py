"""Explain an image by a run, in memory."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from chexpert.api.arguments import check_text, naming_arguments, read_path, read_texts
from chexpert.api.arrays import read_images
from chexpert.api.trained_model import TrainedModel
from chexpert.conf_folder import find_conf
from chexpert.errors import UserError
from chexpert.explain import Explanation, View, hide_names, make_view
from chexpert.inference.choices import hides_names
from chexpert.inference.explain import choose_views, explain_image, open_views
from chexpert.report.names import find_salt
from chexpert.runs.anonymize import find_public
from chexpert.runs.identifiers import ORIGIN


@naming_arguments()
def explain(
    model: TrainedModel,
    image: str | Path | ArrayLike,
    explainer: str,
    *,
    observation: str | None,
    settings: str | Sequence[str],
    ids: str,
) -> Explanation:
    """Explain an image; see :meth:`chexpert.api.Run.explain`."""
    check_text("explainer", explainer)
    if observation is not None:
        check_text("observation", observation)
    overrides, hashed = read_texts("settings", settings), hides_names(ids)
    view = open_path(model, image, hashed=hashed) if isinstance(image, str | os.PathLike) else open_array(model, image)
    return explain_image(model.loaded, view, explainer, find_conf(), observation=observation, overrides=overrides)


def open_path(model: TrainedModel, image: str | os.PathLike[str], *, hashed: bool) -> View:
    """Open the view in an image file; or a validation view of the run, with its label and masks."""
    path, name = read_path("image", image), Path(image).as_posix()
    if not path.exists() and find_public(name):
        choice = {"views": [name], "count": 1, "masks": model.loaded.config["explain"]["masks"]}
        salt = find_salt(model.folder) if hashed and ORIGIN.search(name) else None
        return hide_names(choose_views(model.data, model.loaded, choice), salt)[0]
    return open_views([os.fspath(path)], model.loaded, find_salt(model.folder) if hashed else None)[0]


def open_array(model: TrainedModel, image: ArrayLike) -> View:
    """Make the view of one image (h, w)."""
    images = read_images(image)
    if np.ndim(image) != 2:
        hint = "explain one image at a time: array[0]"
        raise UserError("several images", code="input-kind", where="the array", hint=hint)
    return make_view("array", images[0], model.loaded.preprocessing)
