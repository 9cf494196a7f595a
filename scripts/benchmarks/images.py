"""Images for the benchmarks, made at the first call and kept in outputs/bench."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from chexpert.data import Augmentation, CheXpertDataModule, LabelPolicy, find_phantom, read_gray
from chexpert.observations import COMPETITION

FOLDER = Path("outputs/bench")
CACHE = FOLDER / "cache"


def list_images(count: int) -> list[Path]:
    """Phantom images with a short side of 320 px, as in CheXpert-v1.0-small."""
    images = find_phantom(FOLDER, patients=count // 3, valid=1, size=320).glob("*/train/*/*/*.jpg")  # 3.8 a patient
    return sorted(images)[:count]


def enlarge(files: Sequence[Path]) -> list[Path]:
    """These images at the size of CheXpert-v1.0, 2,300 x 2,800, with grain: JPEGs of about 2 MB, as Stanford's are."""
    large = [FOLDER / "v1.0-size" / f"{number}.jpg" for number in range(len(files))]
    for number, (file, path) in enumerate(zip(files, large, strict=True)):
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            gray = cv2.resize(read_gray(file), (2300, 2800), interpolation=cv2.INTER_CUBIC)
            grain = np.random.default_rng(number).normal(0, 4, gray.shape)
            Image.fromarray((gray + grain).clip(0, 255).astype(np.uint8)).save(path, quality=95)
    return large


def make_data(images: int, size: int, batch: int, workers: int) -> CheXpertDataModule:
    """Phantom images from the cache, augmented as a run augments them."""
    root = find_phantom(FOLDER, patients=images // 3, valid=1, size=320)  # as find_images paints them
    labels = LabelPolicy((0.55, 0.85))
    data = CheXpertDataModule(
        root,
        COMPETITION,
        labels,
        cache=CACHE,
        augmentation=Augmentation(),
        image_size=size,
        batch_size=batch,
        num_workers=workers,
    )
    data.setup("fit")
    return data
