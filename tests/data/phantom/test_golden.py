"""The content of a phantom by seed: a change here changes every result on it, so raise `VERSION` with it.

Tables are exact. Images and masks come from floats that another libm or OpenCV rounds differently: with a tolerance.
"""

from hashlib import sha256
from pathlib import Path

import pytest

from chexpert.data.phantom import Options, write_phantom
from chexpert.data.phantom.images.radiograph import Painting
from chexpert.data.phantom.options import VERSION
from chexpert.data.phantom.tables.cohort import plan_split

TABLES = {
    "groundtruth.csv": "d50106c4ba398751",
    "test_labels.csv": "5b4398c66b3face3",
    "train.csv": "d839384bdc778b12",
    "train_cheXbert.csv": "9ad6badb2547f95f",
    "train_visualCheXbert.csv": "4e353aac8593cf2f",
    "valid.csv": "c94c301556e3b9af",
    "truth.csv": "8e2a444e362d9e00",
}
IMAGES: dict[str, tuple[float, float, dict[str, int]]] = {
    "patient64541_study1_view1_frontal": (
        171.62,
        62.75,
        {"Cardiomegaly": 2241, "Atelectasis": 1061, "Pleural Effusion": 870, "Support Devices": 1106},
    ),
    "patient64542_study1_view1_frontal": (
        136.34,
        64.87,
        {"Atelectasis": 910, "Pleural Effusion": 262, "Support Devices": 748},
    ),
    "patient64543_study1_view1_frontal": (151.84, 58.68, {"Support Devices": 1311}),
    "patient64544_study1_view1_frontal": (152.05, 67.51, {}),
    "patient64545_study1_view1_frontal": (
        167.57,
        61.16,
        {"Consolidation": 814, "Pleural Effusion": 1320, "Support Devices": 1410},
    ),
    "patient64546_study1_view1_frontal": (
        155.38,
        58.2,
        {"Cardiomegaly": 2377, "Consolidation": 839, "Pneumothorax": 738},
    ),
    "patient64547_study1_view1_frontal": (156.17, 50.04, {"Cardiomegaly": 2174, "Atelectasis": 1222, "Edema": 2456}),
    "patient64548_study1_view1_frontal": (
        157.6,
        61.4,
        {"Consolidation": 701, "Edema": 2258, "Pleural Effusion": 521, "Support Devices": 1696},
    ),
    "patient64549_study1_view1_frontal": (162.96, 56.08, {"Atelectasis": 1169, "Pleural Effusion": 346}),
    "patient64550_study1_view1_frontal": (144.41, 53.6, {"Atelectasis": 1414, "Pneumothorax": 651}),
    "patient64550_study1_view2_lateral": (110.98, 71.22, {}),
    "patient64551_study1_view1_frontal": (
        152.6,
        66.45,
        {"Cardiomegaly": 2378, "Atelectasis": 1256, "Pleural Effusion": 636, "Support Devices": 605},
    ),
}


def test_tables_match_version_4(tmp_path: Path) -> None:
    folder = write_phantom(tmp_path / "phantom", patients=12, valid=4, test=2, size=16, labelers=True, workers=1)
    found = {path.name: sha256(path.read_bytes()).hexdigest()[:16] for path in folder.rglob("*.csv")}
    assert (VERSION, found) == (4, TABLES)


@pytest.mark.parametrize("key", IMAGES)
def test_images_and_masks_match_version_4(key: str) -> None:
    entry = next(entry for entry in plan_split("valid", Options(valid=12)) if entry.key == key)
    painting = Painting(entry.radiograph, 128)
    mean, spread, areas = IMAGES[key]
    image = painting.develop()
    assert (image.mean(), image.std()) == pytest.approx(
        (mean, spread), abs=1.5
    )  # of 255; OpenCV 4 and 5 have other fonts
    found = {} if entry.radiograph.lateral else {name: int(mask.sum()) for name, mask in painting.masks().items()}
    assert found == pytest.approx(areas, rel=0.005, abs=3)  # pixels
