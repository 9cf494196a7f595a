"""The file of a trained autoencoder: weights as safetensors, and a JSON of the same name with all else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from chexpert.data import Preprocessing
from chexpert.errors import UserError, find_write_code
from chexpert.explain.counterfactual.autoencoder import Autoencoder, Shape
from chexpert.runs import files as run_files
from chexpert.runs.read import read_mapping

FORMAT = 1
"""Of the JSON; files of a newer one are refused."""
LARGEST = 4096
"""Of each number of a shape: a file must not decide how much memory is taken."""
HINT = "chexpert counterfactual RUN --observation NAME --out FOLDER trains one: FOLDER/autoencoder.safetensors"


@dataclass(frozen=True)
class StoredAutoencoder:
    """A trained autoencoder.

    Attributes:
        network: on the CPU, or where it was moved to.
        preprocessing: of its training images.
        card: all that its JSON has: of the training, and its reconstruction error.
    """

    network: Autoencoder
    preprocessing: Preprocessing
    card: Mapping[str, Any]

    def check(self, preprocessing: Preprocessing, where: str) -> None:
        """Check that a model's images are prepared as the training images were.

        Raises:
            UserError: they are not.
        """
        if (self.preprocessing.size, self.preprocessing.fit) != (preprocessing.size, preprocessing.fit):
            message = f"the autoencoder is of images of {self.preprocessing}, the model of {preprocessing}"
            hint = "leave --autoencoder out to train another"
            raise UserError(message, code="other-preprocessing", where=where, hint=hint)


def write_autoencoder(path: Path, stored: StoredAutoencoder) -> None:
    """Write a new file of weights and its JSON.

    Raises:
        UserError: one of them is there already, or cannot be written.
    """
    described = path.with_suffix(".json")
    if there := [file for file in (path, described) if file.exists()]:
        hint = "give a new folder: --out FOLDER"
        raise UserError("an autoencoder is never overwritten", code="not-empty", where=str(there[0]), hint=hint)
    card = {
        **stored.card,
        "format": FORMAT,
        "kind": "autoencoder",
        "shape": stored.network.shape.record(),
        "preprocessing": {"size": stored.preprocessing.size.plain, "fit": stored.preprocessing.fit},
    }
    part = path.with_name(path.name + run_files.PART)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(save({name: own.contiguous().cpu() for name, own in stored.network.state_dict().items()}))
        part.replace(path)
        run_files.write_json(described, card)
    except OSError as error:
        message = f"the autoencoder cannot be written: {error.strerror}"
        raise UserError(
            message, code=find_write_code(error), where=str(path), hint="give another: --out FOLDER"
        ) from error


def read_autoencoder(path: str | Path) -> StoredAutoencoder:
    """Read an autoencoder, without running code from its file.

    Args:
        path: of the .safetensors file; its .json lies beside it.

    Returns:
        The autoencoder on the CPU; its weights take no gradients.

    Raises:
        UserError: a file is missing, damaged or of a newer version, or the two do not fit together.
    """
    path = Path(path)
    card = read_mapping(path.with_suffix(".json"), HINT, required=True)
    if not path.is_file():
        raise UserError("missing", code="missing-file", where=str(path), hint=HINT)
    if isinstance(card.get("format"), int) and card["format"] > FORMAT:
        message = f"a newer version of chexpert wrote this autoencoder (format {card['format']})"
        raise UserError(message, code="newer-version", where=str(path), hint="update chexpert")
    try:
        network = Autoencoder(_read_shape(card["shape"]))
        network.load_state_dict(load_file(path))
        preprocessing = Preprocessing(**card["preprocessing"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        message = f"no autoencoder of this project: {reason}"
        raise UserError(message, code="damaged-file", where=str(path), hint=HINT) from error
    return StoredAutoencoder(network.requires_grad_(False), preprocessing, card)


def _read_shape(record: Mapping[str, Any]) -> Shape:
    """The shape in a JSON; ValueError where its numbers are none of an autoencoder."""
    shape = Shape(**record)
    numbers = shape.record().values()
    if not all(type(number) is int and 1 <= number <= LARGEST for number in numbers):
        raise ValueError(f"not possible: {record}")
    return shape
