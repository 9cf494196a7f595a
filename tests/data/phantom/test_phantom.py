import csv
import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle

from chexpert.data.casebook import PREVALENCE, UNCERTAIN, draw_margins, label_report, label_truth, plan_films
from chexpert.data.film import DRAWN, VISIBLE, Film, add_grain, draw_film, draw_masks
from chexpert.data.phantom import find_phantom, write_phantom
from chexpert.observations import COMPETITION

HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("a") / "phantom", train=20, valid=12, size=96, seed=3, workers=1)


def read(phantom: Path, split: str) -> list[dict[str, str]]:
    with (phantom / "CheXpert-v1.0-small" / f"{split}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@cache
def film_with(*names: str) -> Film:
    return Film(1, "valid", 64541, 1, 1, "Male", "AP", dict.fromkeys(names, 0.5))


def test_header_is_chexperts(phantom: Path) -> None:
    for split in ("train", "valid"):
        assert (phantom / "CheXpert-v1.0-small" / f"{split}.csv").read_text().splitlines()[0] == HEADER


def test_csv_lists_exactly_the_films_that_lie_there(phantom: Path) -> None:
    listed = [row["Path"] for split in ("train", "valid") for row in read(phantom, split)]
    assert sorted(listed) == sorted(str(path.relative_to(phantom)) for path in phantom.rglob("*.jpg"))
    assert len(listed) == 32
    assert listed[0] == "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg"
    assert listed[20] == "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg"


def test_films_are_gray_jpegs_with_the_size_as_short_side(phantom: Path) -> None:
    for path in phantom.rglob("*.jpg"):
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert image.ndim == 2
        assert min(image.shape) == 96
        assert max(image.shape) <= 118  # 96 * 1.22 = 117.1


def test_same_seed_writes_the_same_bytes_with_any_number_of_workers(phantom: Path, tmp_path: Path) -> None:
    again = write_phantom(tmp_path / "again", train=20, valid=12, size=96, seed=3, workers=2)
    assert contents(again) == contents(phantom)


def test_fewer_films_are_the_first_of_more(phantom: Path, tmp_path: Path) -> None:
    few = contents(write_phantom(tmp_path / "few", train=2, valid=1, size=96, seed=3, workers=1))
    name = "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg"
    assert few[name] == contents(phantom)[name]


def test_another_seed_draws_other_films() -> None:
    one, two = (Film(seed, "train", 1, 1, 1, "Male", "PA", {}) for seed in (0, 1))
    assert draw_film(one, 64).shape != draw_film(two, 64).shape or np.any(draw_film(one, 64) != draw_film(two, 64))


def test_splits_share_no_patient(phantom: Path) -> None:
    train, valid = ({row["Path"].split("/")[2] for row in read(phantom, split)} for split in ("train", "valid"))
    assert not train & valid
    assert len(valid) == 12  # one study each


def test_train_labels_are_spelled_as_in_chexpert(phantom: Path) -> None:
    for row in read(phantom, "train"):
        assert set(list(row.values())[5:]) <= {"1.0", "0.0", "-1.0", ""}
        assert row["No Finding"] in ("1.0", "")


def test_valid_labels_are_the_truth_and_never_blank_or_uncertain(phantom: Path) -> None:
    for row in read(phantom, "valid"):
        assert set(list(row.values())[5:]) <= {"1.0", "0.0"}


def test_labels_that_follow_from_the_definition() -> None:
    absent = dict.fromkeys(DRAWN, -0.5)
    assert [name for name, label in label_truth(absent).items() if label == "1.0"] == ["No Finding"]
    wet = label_truth(absent | {"Edema": 0.1, "Cardiomegaly": 0.2})
    positive = ["Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Edema"]
    assert [name for name, label in wet.items() if label == "1.0"] == positive
    assert label_truth(absent | {"Support Devices": 1.0})["No Finding"] == "1.0"


def test_prevalence_in_valid_is_as_stated() -> None:
    margins = [draw_margins(0, "valid", patient, 1) for patient in range(2000)]
    for name in DRAWN:
        share = np.mean([one[name] > 0 for one in margins])
        assert share == pytest.approx(PREVALENCE[name], abs=0.04)  # 3.6 standard errors of 2,000 draws


def test_report_is_uncertain_as_often_as_chexperts() -> None:
    rng = np.random.default_rng(0)
    labels = [label_report(draw_margins(0, "train", patient, 1), rng) for patient in range(2000)]
    for name in COMPETITION:
        assert np.mean([one[name] == "-1.0" for one in labels]) == pytest.approx(UNCERTAIN[name], abs=0.03)


def test_report_leaves_no_clear_positive_blank_but_for_errors() -> None:
    rng = np.random.default_rng(0)
    clear = dict.fromkeys(DRAWN, 0.95)
    labels = [label_report(clear, rng)["Edema"] for _ in range(400)]
    assert labels.count("1.0") / 400 == pytest.approx(0.975, abs=0.03)


def test_studies_of_a_patient_share_sex_and_age_and_count_from_one() -> None:
    films = [entry.film for entry in plan_films("train", 60, 0)]
    for patient in {film.patient for film in films[:-3]}:
        own = [film for film in films if film.patient == patient]
        assert [film.study for film in own] == list(range(1, len(own) + 1))
        assert len({film.sex for film in own}) == 1
    assert max(film.study for film in films) > 1


@pytest.mark.parametrize("name", DRAWN)
def test_a_finding_changes_the_film_inside_its_mask_only(name: str) -> None:
    film = film_with(*DRAWN)
    change = np.abs(draw_film(film, 128) - draw_film(film, 128, without=[name]))
    mask = draw_masks(film, 128)[name]
    assert change[~mask].max() <= VISIBLE
    assert (change[mask] ** 2).sum() >= 0.95 * (change**2).sum()
    assert 0.005 < mask.mean() < 0.30


@pytest.mark.parametrize("name", DRAWN)
def test_switching_off_equals_never_having_had_it(name: str) -> None:
    others = tuple(other for other in DRAWN if other != name)
    off = draw_film(film_with(*DRAWN), 96, without=[name])
    np.testing.assert_array_equal(off, draw_film(film_with(*others), 96))


def test_the_faintest_findings_still_have_a_mask() -> None:
    for entry in plan_films("valid", 6, 5):
        faint = Film(5, "valid", entry.film.patient, 1, 1, "Female", "PA", dict.fromkeys(DRAWN, 1e-6))
        assert all(mask.any() for mask in draw_masks(faint, 96).values())


def test_the_mask_of_cardiomegaly_holds_the_middle_of_the_heart() -> None:
    mask = draw_masks(film_with("Cardiomegaly"), 128)["Cardiomegaly"]
    rows, columns = np.nonzero(mask)
    assert mask[round(rows.mean()), round(columns.mean())]
    assert mask.sum() > 0.6 * np.ptp(rows) * np.ptp(columns)  # an ellipse fills pi/4 of its box


def test_a_film_is_the_same_scene_at_every_size() -> None:
    small, large = (draw_film(film_with(*DRAWN), size) for size in (96, 192))
    shrunk = cv2.resize(large, small.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk - small).mean() < 0.02


def test_drawn_films_stay_in_range_and_keep_their_shape_with_grain() -> None:
    image = draw_film(film_with(*DRAWN), 96)
    assert 0 <= image.min() <= image.max() <= 1
    grained = add_grain(film_with(*DRAWN), image)
    assert (grained.shape, grained.dtype) == (image.shape, np.uint8)
    assert np.abs(grained / 255 - image).mean() < 0.02


def test_masks_decode_to_their_films_and_name_what_is_positive(phantom: Path) -> None:
    masks = json.loads((phantom / "gt_segmentations_valid.json").read_text())
    spelled = {"Lung Opacity": "Airspace Opacity"}
    for row in read(phantom, "valid"):
        key = row["Path"].removeprefix("CheXpert-v1.0-small/valid/").removesuffix(".jpg").replace("/", "_")
        positive = {spelled.get(name, name) for name in list(row)[5:] if row[name] == "1.0"} - {"No Finding"}
        assert set(masks.get(key, {})) == positive
        film = cv2.imread(str(phantom / row["Path"]), cv2.IMREAD_UNCHANGED)
        for mask in masks.get(key, {}).values():
            assert rle.decode(mask).shape == film.shape
            assert rle.decode(mask).any()


def test_a_film_without_findings_has_no_key(phantom: Path) -> None:
    masks = json.loads((phantom / "gt_segmentations_valid.json").read_text())
    bare = [row for row in read(phantom, "valid") if row["No Finding"] == "1.0" and row["Support Devices"] == "0.0"]
    assert bare
    assert len(masks) == 12 - len(bare)


def test_a_failed_run_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(cv2.error):
        write_phantom(tmp_path / "phantom", train=1, valid=1, size=0, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_find_writes_once_and_then_finds(tmp_path: Path) -> None:
    arguments = {"train": 2, "valid": 1, "size": 64, "workers": 1}
    folder = find_phantom(tmp_path, **arguments)
    before = (folder / "gt_segmentations_valid.json").stat().st_mtime_ns
    assert find_phantom(tmp_path, **arguments) == folder
    assert (folder / "gt_segmentations_valid.json").stat().st_mtime_ns == before
    assert find_phantom(tmp_path, seed=1, **arguments) != folder
