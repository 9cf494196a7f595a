"""Counterfactual images of a finished run's model: train or read the autoencoder, make the images, write them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from chexpert.checkpoints import Loaded, get_local_path, load
from chexpert.console import NOTE, log, show_progress
from chexpert.data import CheXpertDataModule, ViewDataset
from chexpert.errors import UserError
from chexpert.explain import View, find_masks, find_views, hide_names
from chexpert.explain.counterfactual.autoencoder import Shape, resize
from chexpert.explain.counterfactual.autoencoder_file import StoredAutoencoder, read_autoencoder, write_autoencoder
from chexpert.explain.counterfactual.export import export_counterfactual
from chexpert.explain.counterfactual.fit import fit_autoencoder, measure_psnr, to_gray
from chexpert.explain.counterfactual.latent_shift import ShiftSettings, make_counterfactual
from chexpert.explain.counterfactual.reconstruction import measure_reconstruction
from chexpert.explain.session import stack_images
from chexpert.inference.choices import check_count, hides_names
from chexpert.inference.explain import hides_own, open_views
from chexpert.inference.explain_settings import resolve_observations
from chexpert.inference.opened_run import open_data
from chexpert.inference.output_folder import find_folder, find_home, try_folder
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import HASH_NOTE, is_hash, read_salt
from chexpert.runs.synthetic import TRAINED

AUTOENCODER = "autoencoder.safetensors"
READ = 32  # images that are read together
MEASURED = 200
"""Validation images on which the reconstruction is measured."""
GONE = "restore them, or give an autoencoder of such images and images: chexpert counterfactual --help"


@dataclass(frozen=True)
class Training:
    """How the autoencoder is trained.

    Attributes:
        images: training images, sampled where there are more.
        epochs: passes over them.
    """

    images: int = 5000
    epochs: int = 30


TRAINING, SETTINGS = Training(), ShiftSettings()


def make_counterfactuals(
    run: Path,
    images: Sequence[str],
    observation: str,
    *,
    out: Path | None = None,
    autoencoder: Path | None = None,
    count: int = 4,
    training: Training = TRAINING,
    settings: ShiftSettings = SETTINGS,
    device: str | None = None,
    ids: str = "hash",
) -> tuple[Path, dict[str, Any]]:
    """Lower and raise the logit of an observation in images, by the run's best weights.

    Args:
        run: the run folder, or a checkpoint.
        images: image files; none for validation views that show the observation.
        observation: an output of the model.
        out: a new folder; by default RUN/counterfactuals.
        autoencoder: file of a trained one; by default one is trained on the run's training images, and written to
            the folder.
        count: validation views.
        training: of the autoencoder.
        settings: how far the logit is moved.
        device: of torch; by default the GPU, if there is one.
        ids: ``hash``: image files other than CheXpert's own are called by salted hashes, and so are validation views of
            an external data set where ``out`` is no part of the run folder; ``path``: by their names.

    Returns:
        The folder, and the content of its manifest.

    Raises:
        UserError: something the user can fix.
    """
    hashed = hides_names(ids)
    for name, value in (("count", count), ("train-images", training.images), ("epochs", training.epochs)):
        check_count(f"--{name}", value, 1)
    place = choose_device(device)
    folder = find_folder(run, out, run_files.COUNTERFACTUALS)
    run = get_local_path(run)
    loaded = load(run)
    if loaded.synthetic:
        log.log(NOTE, f"the model was {TRAINED}")
    resolve_observations([observation], loaded.observations, "--observation")
    stored = read_autoencoder(autoencoder) if autoencoder else None
    if stored:
        stored.check(loaded.preprocessing, str(autoencoder))
    data = open_data(loaded, hint=GONE, learned=not stored) if not (images and stored) else None
    own = None if images else data
    salt = read_salt(find_home(run)) if hashed and (images or hides_own(own, run, folder)) else None
    views = (
        open_views(images, loaded, salt)
        if images
        else hide_names(choose_positives(data, loaded, observation, count), salt)  # type: ignore[arg-type]
    )
    try_folder(folder)
    model = loaded.model.to(place)
    if not stored:
        stored = train_autoencoder(data, loaded, training, place)  # type: ignore[arg-type]
        write_autoencoder(folder / AUTOENCODER, stored)
    network = stored.network.to(place)
    measured = (
        read_images(data.datasets["valid"], MEASURED, loaded.config["seed"]) if data else stack_images(model, views)
    )
    reconstruction = measure_reconstruction(model, network, measured, loaded.observations)
    output = loaded.observations.index(observation)
    entries = []
    for view, image in zip(views, stack_images(model, views), strict=True):
        found = make_counterfactual(model, network, image, output, settings)
        entries.append(export_counterfactual(folder, view, observation, loaded.observations, found))
    content = {
        "observation": observation,
        "synthetic": loaded.synthetic,
        "autoencoder": {"file": str(autoencoder or folder / AUTOENCODER), **stored.card},
        "settings": asdict(settings),
        "reconstruction": reconstruction,
        "views": entries,
    }
    run_files.write_json(folder / run_files.MANIFEST, content)
    if salt and any(is_hash(view.path) for view in views):
        run_files.write_text(folder / run_files.IDS, f"{HASH_NOTE}\n")
    return folder, content


def choose_device(name: str | None) -> torch.device:
    """Return the device of this name; by default the GPU, if there is one.

    Raises:
        UserError: torch has no such device.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        message = f"no such device: {str(error).partition(chr(10))[0]}"
        raise UserError(message, code="device", where="--device", hint="--device cpu") from error
    return device


def choose_positives(data: CheXpertDataModule, loaded: Loaded, observation: str, count: int) -> list[View]:
    """Sample validation views that show an observation, with labels and masks.

    Raises:
        UserError: none shows it.
    """
    dataset, column = data.datasets["valid"], loaded.observations.index(observation)
    shown = np.flatnonzero((dataset.targets[:, column] == 1) & dataset.mask[:, column])
    rows = np.random.default_rng(loaded.config["seed"]).permutation(shown)[:count].tolist()
    masks = find_masks(loaded.config.get("explain", {}).get("masks"), data.layout.folder)
    views = find_views(dataset, rows, loaded.observations, masks)
    if not views:
        message, hint = f"no validation view shows {observation}", "give images: chexpert counterfactual RUN IMAGE"
        raise UserError(message, code="too-few", where="--observation", hint=hint)
    return views


def train_autoencoder(
    data: CheXpertDataModule, loaded: Loaded, training: Training, device: torch.device
) -> StoredAutoencoder:
    """Train an autoencoder on a sample of the training images of a run, and measure it on validation images."""
    if "train" not in data.datasets:
        raise UserError("no training images", code="missing-split", where=str(data.root), hint="--autoencoder FILE")
    shape, seed = Shape.of(loaded.preprocessing.size), loaded.config["seed"]
    images = read_images(data.datasets["train"], training.images, seed, shape)
    network = fit_autoencoder(images, shape, training.epochs, seed, device)
    psnr = measure_psnr(network, read_images(data.datasets["valid"], MEASURED, seed))
    card = {"images": len(images), "epochs": training.epochs, "seed": seed, "psnr": psnr, "synthetic": loaded.synthetic}
    return StoredAutoencoder(network, loaded.preprocessing, card)


def read_images(dataset: ViewDataset, most: int, seed: int, shape: Shape | None = None) -> torch.Tensor:
    """Read a sample of the images of a split, without augmentation: (N, 1, H, W) uint8, or at the size of a network."""
    rows = np.random.default_rng(seed).permutation(len(dataset))[:most].tolist()
    parts = []
    for start in show_progress(range(0, len(rows), READ), "reading images", len(rows), each=READ):
        images = dataset.read([(0, row) for row in rows[start : start + READ]]).images
        if shape:
            images = (255 * resize(to_gray(images), (shape.height, shape.width))).round().to(torch.uint8)
        parts.append(images)
    return torch.cat(parts)
