import csv
import errno
import json
import os
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers.errors import raises
from pycocotools import mask as rle

from chexpert.data.phantom import Options, find_phantom, write_phantom, writer
from chexpert.data.phantom.tables.cohort import plan_split
from chexpert.errors import UserError
from chexpert.observations import OBSERVATIONS

HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
SMALL = {"patients": 8, "valid": 14, "test": 3, "size": 64, "seed": 3}


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = SMALL | {"labelers": True, "shortcut": 0.9, "counterfactuals": ["Edema"]}
    return write_phantom(tmp_path_factory.mktemp("a") / "phantom", workers=1, **options)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_split(phantom: Path, split: str) -> list[dict[str, str]]:
    return read(phantom / "CheXpert-v1.0-small" / f"{split}.csv")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pixels(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image


def test_tables_have_the_header_and_values_of_chexpert(phantom: Path) -> None:
    for name in ("train", "valid", "train_cheXbert", "train_visualCheXbert"):
        path = phantom / "CheXpert-v1.0-small" / f"{name}.csv"
        assert path.read_text().splitlines()[0] == HEADER
        found = {row[observation] for row in read(path) for observation in OBSERVATIONS}
        assert found <= ({"1.0", "0.0"} if name in ("valid", "train_visualCheXbert") else {"1.0", "0.0", "-1.0", ""})


def test_tables_list_exactly_the_written_images(phantom: Path) -> None:
    listed = [row["Path"] for split in ("train", "valid") for row in read_split(phantom, split)]
    listed += [row["Path"].replace("v1.0/", "v1.0-small/") for row in read_split(phantom, "test_labels")]
    written = (phantom / "CheXpert-v1.0-small").rglob("*.jpg")
    assert sorted(listed) == sorted(str(path.relative_to(phantom)) for path in written)


def test_labeler_tables_differ_on_the_same_images(phantom: Path) -> None:
    table, other, visual = (read_split(phantom, name) for name in ("train", "train_cheXbert", "train_visualCheXbert"))
    assert [row["Path"] for row in table] == [row["Path"] for row in other] == [row["Path"] for row in visual]
    assert table != other != visual


def test_images_are_gray_jpegs_of_the_given_short_side(phantom: Path) -> None:
    for path in phantom.rglob("*.jpg"):
        image = pixels(path)
        assert image.ndim == 2
        assert min(image.shape) == 64


def test_test_split_has_two_tables(phantom: Path) -> None:
    rows = read_split(phantom, "test_labels")
    assert list(rows[0]) == ["Path", *OBSERVATIONS]
    assert rows[0]["Path"] == "CheXpert-v1.0/test/patient64741/study1/view1_frontal.jpg"
    text = (phantom / "CheXpert-v1.0-small/groundtruth.csv").read_text()
    assert not text.endswith("\n")
    studies = read(phantom / "CheXpert-v1.0-small/groundtruth.csv")
    assert [row["Study"] for row in studies] == [f"CheXpert-v1.0/test/patient{n}/study1" for n in (64741, 64742, 64743)]
    assert {row["Edema"] for row in studies} <= {"0.0", "1.0"}


def test_truth_of_train_is_in_a_separate_table(phantom: Path) -> None:
    truth = {row["Path"]: row for row in read(phantom / "phantom/truth.csv")}
    entries = plan_split("train", Options(**SMALL, shortcut=0.9))
    for entry in entries:
        present = {name for name, severity in entry.radiograph.severity.items() if severity > 0}
        row = truth[f"{entry.place}.jpg"]
        assert {name for name in present if row[name] != "1"} == set()
    assert len(truth) == len(entries) + len(read_split(phantom, "valid")) + len(read_split(phantom, "test_labels"))


@pytest.mark.parametrize("split", ["valid", "test"])
def test_masks_match_image_sizes_and_positive_labels(phantom: Path, split: str) -> None:
    masks = json.loads((phantom / f"gt_segmentations_{split}.json").read_text())
    spelled = {"Lung Opacity": "Airspace Opacity"}
    seen = set()
    for row in read_split(phantom, {"valid": "valid", "test": "test_labels"}[split]):
        place = row["Path"].split("/", 2)[2].removesuffix(".jpg")
        key = place.replace("/", "_")
        positive = {spelled.get(name, name) for name in OBSERVATIONS if row[name] == "1.0"} - {"No Finding"}
        if key.endswith("lateral") or not positive:
            assert key not in masks
            continue
        assert set(masks[key]) == positive
        radiograph = pixels(phantom / f"CheXpert-v1.0-small/{split}/{place}.jpg")
        for mask in masks[key].values():
            assert rle.decode(mask).shape == radiograph.shape
            assert rle.decode(mask).any()
        seen.add(key)
    assert set(masks) == seen


def test_parent_mask_contains_the_masks_of_its_children(phantom: Path) -> None:
    masks = json.loads((phantom / "gt_segmentations_valid.json").read_text())
    parents = {"Airspace Opacity": ("Edema", "Consolidation", "Atelectasis", "Lung Lesion")}
    parents |= {"Enlarged Cardiomediastinum": ("Cardiomegaly",), "Consolidation": ("Pneumonia",)}
    checked = 0
    for found in masks.values():
        decoded = {name: rle.decode(mask).astype(bool) for name, mask in found.items()}
        for parent, children in parents.items():
            for child in set(children) & set(decoded):
                assert not np.any(decoded[child] & ~decoded[parent])
                checked += 1
    assert checked > 10


def test_shortcut_trees_differ_in_devices_only(phantom: Path) -> None:
    matched = read_split(phantom, "valid")
    for tree in ("independent", "reversed"):
        rows = read_split(phantom / tree, "valid")
        changed = 0
        for one, two in zip(matched, rows, strict=True):
            differ = {name for name in one if one[name] != two[name]}
            assert differ <= {"Support Devices"}
            same = np.array_equal(pixels(phantom / one["Path"]), pixels(phantom / tree / two["Path"]))
            assert same == (not differ)
            changed += bool(differ)
        assert changed > 0
        assert not (phantom / tree / "CheXpert-v1.0-small/train.csv").exists()
        assert (phantom / tree / "CheXpert-v1.0-small/test_labels.csv").is_file()


def test_counterfactual_tree_removes_the_finding_only(phantom: Path) -> None:
    shown = [row for row in read_split(phantom, "valid") if row["Edema"] == "1.0"]
    off = read_split(phantom / "counterfactual/Edema", "valid")
    assert [row["Path"] for row in off] == [row["Path"] for row in shown]
    masks = json.loads((phantom / "gt_segmentations_valid.json").read_text())
    for before, after in zip(shown, off, strict=True):
        assert after["Edema"] == "0.0"
        assert {name for name in before if before[name] != after[name]} <= {"Edema", "Lung Opacity", "No Finding"}
        one, two = pixels(phantom / before["Path"]), pixels(phantom / "counterfactual/Edema" / after["Path"])
        if after["Frontal/Lateral"] == "Frontal":
            key = after["Path"].split("/", 2)[2].removesuffix(".jpg").replace("/", "_")
            mask = rle.decode(masks[key]["Edema"])
            near = cv2.dilate(mask, np.ones((17, 17), np.uint8))  # JPEG spreads a change over its blocks
            change = np.abs(one.astype(int) - two)
            assert change[near == 0].mean() < 1 < 4 < change[mask > 0].mean()


def test_number_of_workers_does_not_change_the_files(phantom: Path, tmp_path: Path) -> None:
    options = SMALL | {"labelers": True, "shortcut": 0.9, "counterfactuals": ["Edema"]}
    again = write_phantom(tmp_path / "again", workers=2, **options)
    assert contents(again) == contents(phantom)


def test_smaller_phantom_has_the_first_images_of_a_larger_one(phantom: Path, tmp_path: Path) -> None:
    options = SMALL | {"patients": 3, "valid": 1, "test": 0}
    few = write_phantom(tmp_path / "few", workers=1, shortcut=0.9, **options)
    for path in (few / "CheXpert-v1.0-small").rglob("*.jpg"):
        assert path.read_bytes() == (phantom / path.relative_to(few)).read_bytes()
    rows = read_split(few, "train")
    assert rows == read_split(phantom, "train")[: len(rows)]


def test_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("chexpert.data.phantom.writer.write_truth", fail)
    with pytest.raises(OSError, match="disk full"):
        write_phantom(tmp_path / "phantom", patients=1, valid=1, size=32, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_counterfactual_of_an_absent_finding_is_an_error(tmp_path: Path) -> None:
    with raises("too-few", "counterfactuals") as caught:
        write_phantom(tmp_path / "phantom", patients=0, valid=1, size=32, workers=1, counterfactuals=["Fracture"])
    assert "Fracture" in caught.value.message


def test_find_phantom_writes_only_once(tmp_path: Path) -> None:
    folder = find_phantom(tmp_path, patients=2, valid=1, size=32, workers=1)
    before = (folder / "phantom/options.json").stat().st_mtime_ns
    assert find_phantom(tmp_path, patients=2, valid=1, size=32, workers=2) == folder
    assert (folder / "phantom/options.json").stat().st_mtime_ns == before


def end_process(*_: object) -> None:
    os._exit(1)


@pytest.mark.timeout(30)
def test_killed_worker_is_an_error_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chexpert.data.phantom.writer._write_image", end_process)
    with raises("dead-process"):
        write_phantom(tmp_path / "phantom", patients=0, valid=20, size=32, workers=2)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that writes images."""
    monkeypatch.setattr("chexpert.data.phantom.writer._write_images", lambda *_: pytest.fail("images were written"))


TINY = {"patients": 1, "valid": 1, "size": 32, "workers": 1}


def test_other_phantom_in_the_folder_is_an_error_and_stays(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = write_phantom(tmp_path / "phantom", **TINY)
    before = contents(tmp_path)
    request.getfixturevalue("no_images")
    with raises("not-empty", folder):
        write_phantom(folder, **TINY, seed=1)
    assert contents(tmp_path) == before


def test_equal_phantom_is_not_written_again(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    options = TINY | {"strength": {"Edema": 0.5, "Fracture": 2}, "counterfactuals": ()}
    folder = write_phantom(tmp_path / "phantom", **options)
    request.getfixturevalue("no_images")
    other_order = options | {"strength": {"Fracture": 2.0, "Edema": 0.5}, "counterfactuals": []}
    assert write_phantom(folder, **other_order) == folder


@pytest.mark.parametrize(("stored", "equal"), [(None, True), ({"seed": 1}, False)])
def test_faster_of_two_concurrent_writers_keeps_its_phantom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: dict[str, int] | None, equal: bool
) -> None:
    folder = tmp_path / "phantom"
    write_images = writer._write_images

    def write_later(*arguments: object) -> None:
        monkeypatch.setattr(writer, "_write_images", write_images)
        write_phantom(folder, **TINY, **(stored or {}))
        os.utime(folder, (1, 1))
        write_images(*arguments)

    monkeypatch.setattr(writer, "_write_images", write_later)
    monkeypatch.setattr(os, "getpid", iter(range(1, 9)).__next__)  # the other writer is another process
    with nullcontext() if equal else raises("not-empty", folder):
        write_phantom(folder, **TINY)
    assert folder.stat().st_mtime == 1
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.usefixtures("no_images")
@pytest.mark.parametrize("out", ["file", "full"])
def test_place_with_other_content_is_an_error(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").touch()
    with raises("not-empty", tmp_path / out):
        write_phantom(tmp_path / out, **TINY)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full", "notes.txt"]


@pytest.mark.usefixtures("no_images")
@pytest.mark.parametrize(
    ("out", "number"),
    [
        ("file/phantom", errno.ENOTDIR),
        (f"{'x' * 300}/phantom", errno.ENAMETOOLONG),
        ("x" * 300, errno.ENAMETOOLONG),
        ("..", None),
        ("", None),
    ],
)
def test_place_without_a_possible_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, number: int | None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as caught:
        write_phantom(Path(out), **TINY)
    assert caught.value.where == str(Path(out))
    assert getattr(caught.value.__cause__, "errno", None) == number
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "phantom").mkdir()
    assert (write_phantom(tmp_path / "phantom", **TINY) / "phantom/options.json").is_file()


@pytest.mark.usefixtures("no_images")
def test_defect_that_needs_more_images_is_an_error(tmp_path: Path) -> None:
    with raises("too-few", "defects") as caught:
        write_phantom(tmp_path / "phantom", **TINY | {"patients": 0}, defects=["truncated"])
    assert "truncated" in caught.value.message
