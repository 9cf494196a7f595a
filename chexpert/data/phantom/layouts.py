"""How the files of a copy of CheXpert lie: one same phantom can be written as any of these.

A *place* is `<split>/<patient>/<study>/<view>`, e.g. `train/patient00001/study1/view1_frontal`, in every layout.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

BATCHES = ((21513, "CheXpert-v1.0 batch 2 (train 1)"), (43017, "CheXpert-v1.0 batch 3 (train 2)"))
LAST_BATCH = "CheXpert-v1.0 batch 4 (train 3)"
FIRST_BATCH = "CheXpert-v1.0 batch 1 (validate & csv)"
"""AIMI's folders; the numbers are the last patients of batch 2 and 3."""

_NAMES = {"train": "train.csv", "valid": "valid.csv", "test": "test_labels.csv"}


@dataclass(frozen=True)
class PhantomLayout:
    """Where a phantom's files lie under its root.

    `file` gives the image of a place, `prefix` stands before the place in a CSV file's Path, `tables` are the label
    tables of the splits that the layout has, `labelers` the folder of train_cheXbert.csv.
    """

    file: Callable[[str], str]
    prefix: str
    tables: Mapping[str, str]
    labelers: str = ""

    def csv_path(self, place: str) -> str:
        """Return the Path of a view as the tables spell it; the test split's own tables always have CheXpert-v1.0."""
        return f"{'CheXpert-v1.0/' if place.startswith('test/') else self.prefix}{place}.jpg"


def _in(folder: str, prefix: str) -> PhantomLayout:
    tables = {split: f"{folder}{name}" for split, name in _NAMES.items()}
    return PhantomLayout(lambda place: f"{folder}{place}.jpg", prefix, tables, folder)


def _file_aimi(place: str) -> str:
    split, patient, rest = place.split("/", 2)
    if split != "train":
        return f"{FIRST_BATCH}/{place}.jpg"
    number = int(patient.removeprefix("patient"))
    batch = next((name for last, name in BATCHES if number <= last), LAST_BATCH)
    return f"{batch}/{patient}/{rest}.jpg"


def _file_chexlocalize(place: str) -> str:
    return f"CheXpert/{place.replace('valid/', 'val/', 1)}.jpg"


LAYOUTS = {
    "small": _in("CheXpert-v1.0-small/", "CheXpert-v1.0-small/"),
    "full": _in("CheXpert-v1.0/", "CheXpert-v1.0/"),
    "mlmip": _in("chexpert/v1.0-small/", "CheXpert-v1.0-small/"),
    "aimi": PhantomLayout(
        _file_aimi, "CheXpert-v1.0/", {split: f"{FIRST_BATCH}/{name}" for split, name in _NAMES.items()}, ""
    ),
    "bare": _in("", "CheXpert-v1.0-small/"),
    "flat": PhantomLayout(
        lambda place: f"images/{place.split('/', 1)[1].replace('/', '_')}.jpg", "CheXpert-v1.0-small/", _NAMES, ""
    ),
    "chexlocalize": PhantomLayout(
        _file_chexlocalize,
        "CheXpert-v1.0/",
        {"valid": "CheXpert/val_labels.csv", "test": "CheXpert/test_labels.csv"},
        "",
    ),
    "plus": PhantomLayout(
        lambda place: f"PNG/{place}.png",
        "",
        {"train": "df_chexpert_plus_240401.csv", "valid": "df_chexpert_plus_240401.csv"},
        "",
    ),
}
"""v1.0-small, v1.0, ooodmt/MLMIP's folders, AIMI's four batches, a copy without the top folder, one folder of images,
CheXlocalize's download, and CheXpert Plus."""
