"""A view to be explained, with all that is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from chexpert.console import log
from chexpert.data import Preprocessing, ViewDataset, read_gray
from chexpert.data.preprocessing import LEAST_SIDE
from chexpert.errors import Code, UserError
from chexpert.explain.geometry import carry_back
from chexpert.explain.masks import OTHERS
from chexpert.metrics import Segmentations
from chexpert.metrics.localization.mask_sizes import check_size, resize_matrix
from chexpert.runs import files as run_files

IMAGE = "give the JPEG, PNG, TIFF or DICOM of a radiograph"


@dataclass(frozen=True)
class View:
    """One image.

    Attributes:
        path: as the CSV has it, or of the image file.
        image: (1, h, w) uint8, what the model sees.
        original: (H, W) uint8, every pixel of its file, turned as its EXIF says.
        matrix: (3, 3) affine from image coordinates to the model's.
        truth: 1 or 0 by observation; one that is blank or uncertain is not in it.
        masks: bool by observation, where a finding was outlined; over the whole image, at any resolution.
    """

    path: str
    image: torch.Tensor
    original: np.ndarray
    matrix: np.ndarray
    truth: Mapping[str, int] = field(default_factory=dict)
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """patient64541_study1_view1_frontal, as CheXlocalize spells it."""
        return run_files.view_name(self.path)

    def matrix_of(self, shape: Sequence[int]) -> np.ndarray:
        """Return the affine (3, 3) to the model's coordinates from those of a mask (rows, columns) over the image."""
        return self.matrix @ resize_matrix(*shape, *self.original.shape)

    def carry_back(self, maps: np.ndarray, shape: Sequence[int] | None = None) -> np.ndarray:
        """Resample maps (..., h, w) in model coordinates to the image.

        Args:
            maps: the maps.
            shape: rows and columns of the result, such as those of a mask; by default the image's.

        Returns:
            (..., rows, columns), over the whole image.
        """
        return carry_back(maps, self.matrix_of(shape or self.original.shape), *(shape or self.original.shape))


def open_view(path: str, file: str | Path, preprocessing: Preprocessing) -> View:
    """Open the view in an image file, without labels and masks.

    A note is printed for a suspicious image, such as one without contrast.

    Args:
        path: name of the view in the explanations.
        file: path of the image file.
        preprocessing: preprocessing of the model.

    Returns:
        The view.

    Raises:
        UserError: the file is missing, cannot be read as an image, or is too small for a radiograph.
    """
    try:
        gray, notes = replace(preprocessing, least=LEAST_SIDE).read_noted(file)
        original = read_gray(file)
    except UserError as error:
        if error.code == "not-installed":
            raise
        code: Code = "missing-file" if error.code == "missing-image" else "input-kind"
        raise UserError(error.message, code=code, where=error.where, hint=IMAGE) from error
    for note in notes:
        log.info(f"flagged: {file}: {note}")
    return View(path, torch.from_numpy(gray)[None], original, preprocessing.matrix(*original.shape))


def make_view(path: str, original: np.ndarray, preprocessing: Preprocessing) -> View:
    """Make the view of an image (H, W) uint8, without labels and masks; ``path`` names it."""
    image = torch.from_numpy(preprocessing.apply(original))[None]
    return View(path, image, original, preprocessing.matrix(*original.shape))


def find_view(
    dataset: ViewDataset, row: int, observations: Sequence[str], masks: Segmentations | None = None
) -> View | None:
    """Read the view in a row of a data set, with labels and masks; None where it cannot be read and may be skipped.

    Raises:
        UserError: a mask has other proportions than the image.
    """
    batch = dataset[(0, row)]
    if not batch.paths:
        return None
    original = read_gray(dataset.files[row])
    labels, known = batch.targets[0].tolist(), batch.mask[0].tolist()
    truth = {name: int(labels[c]) for c, name in enumerate(observations) if known[c]}
    path = batch.paths[0]
    view = View(path, batch.images[0], original, dataset.preprocessing.matrix(*original.shape), truth)
    if masks is None:
        return view
    check_size(masks, view.name, original.shape, path, OTHERS)
    return replace(view, masks=masks.masks(view.name))
