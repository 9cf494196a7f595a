import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from chexpert.data.phantom import write_phantom
from chexpert.data.phantom.layouts import LAYOUTS
from chexpert.observations import OBSERVATIONS

OPTIONS = {"patients": 6, "valid": 3, "size": 48, "labelers": True}
PLACE = "train/patient21514/study1/view1_frontal"


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("layouts")
    return {
        name: write_phantom(folder / name, workers=1, layout=name, test=0 if name == "plus" else 2, **OPTIONS)
        for name in LAYOUTS
    }


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def labels(rows: list[dict[str, str]]) -> list[list[str]]:
    return [[row[name] for name in OBSERVATIONS] for row in rows]


@pytest.mark.parametrize(
    ("layout", "table", "path", "image"),
    [
        ("small", "CheXpert-v1.0-small/train.csv", "CheXpert-v1.0-small/", f"CheXpert-v1.0-small/{PLACE}.jpg"),
        ("full", "CheXpert-v1.0/train.csv", "CheXpert-v1.0/", f"CheXpert-v1.0/{PLACE}.jpg"),
        ("mlmip", "chexpert/v1.0-small/train.csv", "CheXpert-v1.0-small/", f"chexpert/v1.0-small/{PLACE}.jpg"),
        (
            "aimi",
            "CheXpert-v1.0 batch 1 (validate & csv)/train.csv",
            "CheXpert-v1.0/",
            "CheXpert-v1.0 batch 3 (train 2)/patient21514/study1/view1_frontal.jpg",
        ),
        ("bare", "train.csv", "CheXpert-v1.0-small/", f"{PLACE}.jpg"),
        ("flat", "train.csv", "CheXpert-v1.0-small/", "images/patient21514_study1_view1_frontal.jpg"),
        ("plus", "df_chexpert_plus_240401.csv", "", f"PNG/{PLACE}.png"),
    ],
)
def test_layout_places_the_table_its_paths_and_images(
    phantoms: dict[str, Path], layout: str, table: str, path: str, image: str
) -> None:
    rows = read(phantoms[layout] / table)
    column = "path_to_image" if layout == "plus" else "Path"
    assert f"{path}{PLACE}.jpg" in [row[column] for row in rows]
    assert (phantoms[layout] / image).is_file()


def test_aimi_and_chexlocalize_place_the_held_out_splits(phantoms: dict[str, Path]) -> None:
    aimi = phantoms["aimi"] / "CheXpert-v1.0 batch 1 (validate & csv)"
    for name in ("valid/patient64541/study1/view1_frontal.jpg", "test/patient64741/study1/view1_frontal.jpg"):
        assert (aimi / name).is_file()
    assert (phantoms["aimi"] / "train_cheXbert.csv").is_file()
    localize = phantoms["chexlocalize"] / "CheXpert"
    assert read(localize / "val_labels.csv")[0]["Path"].startswith("CheXpert-v1.0/valid/patient64541/")
    assert (localize / "val/patient64541/study1/view1_frontal.jpg").is_file()
    assert (localize / "test/patient64741/study1/view1_frontal.jpg").is_file()
    assert not list(localize.rglob("train*"))


def test_aimi_batch_depends_on_the_patient_number() -> None:
    last = {21513: "batch 2 (train 1)", 43017: "batch 3 (train 2)", 64540: "batch 4 (train 3)"}
    for number, batch in last.items():
        assert (
            LAYOUTS["aimi"].file(f"train/patient{number:05}/study1/view1_frontal").startswith(f"CheXpert-v1.0 {batch}")
        )
    assert "batch 3" in LAYOUTS["aimi"].file("train/patient21514/study1/view1_frontal")


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"small"}))
def test_layouts_have_the_same_images(phantoms: dict[str, Path], layout: str) -> None:
    small, other = phantoms["small"], phantoms[layout]
    rows = read(small / "phantom/truth.csv")
    places = [row["Path"].removesuffix(".jpg") for row in rows]
    places = [place for place in places if place.split("/")[0] in LAYOUTS[layout].tables]
    assert len(places) >= 5
    for place in places:
        image = (small / LAYOUTS["small"].file(place)).read_bytes()
        found = (other / LAYOUTS[layout].file(place)).read_bytes()
        if layout == "plus":
            one, two = (cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) for data in (image, found))
            np.testing.assert_array_equal(one, two)
        else:
            assert image == found
    assert len(places) == len([path for path in other.rglob("*") if path.suffix in (".jpg", ".png")])


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"small", "plus"}))
def test_layouts_have_the_same_labels(phantoms: dict[str, Path], layout: str) -> None:
    for split, table in LAYOUTS[layout].tables.items():
        same = read(phantoms["small"] / LAYOUTS["small"].tables[split])
        assert labels(read(phantoms[layout] / table)) == labels(same)


def test_chexpert_plus_tables_have_the_same_values(phantoms: dict[str, Path]) -> None:
    same = [row for split in ("train", "valid") for row in read(phantoms["small"] / f"CheXpert-v1.0-small/{split}.csv")]
    rows = read(phantoms["plus"] / "df_chexpert_plus_240401.csv")
    assert [row["path_to_image"] for row in rows] == [row["Path"].split("/", 1)[1] for row in same]
    assert [(row["sex"], row["ap_pa"], row["frontal_lateral"], float(row["age"])) for row in rows] == [
        (row["Sex"], row["AP/PA"], row["Frontal/Lateral"], float(row["Age"])) for row in same
    ]
    assert {row["split"] for row in rows} == {"train", "valid"}
    assert any("\n" in row["report"] and "," in row["report"] for row in rows)
    patients = {row["deid_patient_id"]: (row["race"], row["ethnicity"], row["insurance_type"]) for row in rows}
    assert all(
        patients[row["deid_patient_id"]] == (row["race"], row["ethnicity"], row["insurance_type"]) for row in rows
    )
    assert all(len(set(values)) > 1 for values in zip(*patients.values(), strict=True))
    lines = (phantoms["plus"] / "chexbert_labels/report_fixed.json").read_text().splitlines()
    for line, row in zip(lines, same, strict=True):
        found = json.loads(line)
        assert found.pop("path_to_image") == row["Path"].split("/", 1)[1]
        assert found == {name: float(row[name]) if row[name] else None for name in OBSERVATIONS}


def test_layouts_have_the_same_masks(phantoms: dict[str, Path]) -> None:
    same = (phantoms["small"] / "gt_segmentations_valid.json").read_text()
    for phantom in phantoms.values():
        assert (phantom / "gt_segmentations_valid.json").read_text() == same
