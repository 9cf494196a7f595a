"""Whose patients a run's are, and names of patients with their hospital."""

import pytest
from helpers.errors import raises

from chexpert.evaluation.predictions import read_labels
from chexpert.evaluation.recalibrate import check_patients
from chexpert.evaluation.selective.labeled import check_apart
from chexpert.metrics.study_aggregation import list_patients
from chexpert.runs import files as run_files
from chexpert.runs.anonymize import SALT, hash_name
from chexpert.runs.data_origin import read_folder

HERE = "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg"
ELSEWHERE = "ChestX-ray14/patient00001/study1/00000001_000.png"
THIRD = "PadChest/patient00001/study1-2/2168401113669640_0.png"
BARE = "patient00001/study1"
UUID = "0004cfab-14fd-4e49-80ba-63a80b6bddd6"
HEX = "000434271f63a053c4128a0ba6352c7f"
RSNA = f"RSNA-Pneumonia/{UUID}.dcm"


@pytest.mark.parametrize(
    ("names", "origin", "expected"),
    [
        ([HERE, ELSEWHERE, THIRD], "", {"patient00001", "ChestX-ray14/patient00001", "PadChest/patient00001"}),
        ([HERE, ELSEWHERE], "ChestX-ray14", {"patient00001", "ChestX-ray14/patient00001"}),
        ([BARE], "", {"patient00001"}),
        ([BARE], "ChestX-ray14", {"ChestX-ray14/patient00001"}),
        (["valid/patient00001/study1"], "PadChest", {"PadChest/patient00001"}),
        (["ward/a.png", "s1"], "PadChest", {"ward/a.png", "s1"}),
        (["MIMIC-CXR/p10/p10000032/s50414267/a.jpg"], "", {"MIMIC-CXR/p10000032", "s50414267"}),
        (["s50414267"], "MIMIC-CXR", {"s50414267"}),
        ([RSNA, f"stage_2_train_images/{UUID}.dcm", f"{UUID}.dcm", UUID], "RSNA-Pneumonia", {f"RSNA-Pneumonia/{UUID}"}),
        ([RSNA, f"{UUID}.dcm"], "", {f"RSNA-Pneumonia/{UUID}", f"{UUID}.dcm"}),
        ([f"VinDr-CXR/test/{HEX}.dicom", f"test/{HEX}.png", HEX], "VinDr-CXR", {f"VinDr-CXR/{HEX}"}),
        ([f"{UUID}.dcm", "ward/a.png"], "VinDr-CXR", {f"{UUID}.dcm", "ward/a.png"}),
    ],
)
def test_same_number_elsewhere_is_another_patient(names, origin, expected):
    assert list_patients(names, origin) == expected


@pytest.mark.parametrize(
    ("layout", "folder"),
    [("NIH ChestX-ray14", "ChestX-ray14"), ("MIMIC-CXR-JPG", "MIMIC-CXR"), ("VinDr-CXR", "VinDr-CXR"),
     ("RSNA Pneumonia", "RSNA-Pneumonia"), ("PadChest", "PadChest"), ("CheXpert-v1.0-small", ""), ("phantom", "")],
)  # fmt: skip
def test_data_json_says_whose_the_training_images_are(layout, folder, tmp_path):
    run_files.write_json(tmp_path / run_files.DATA, {"splits": {"train": {"layout": layout}}})
    assert read_folder(tmp_path) == folder
    assert read_folder(tmp_path / "gone") == ""


def write_names(path, names):
    path.write_text("Path,Edema\n" + "".join(f"{name},1\n" for name in names))
    return read_labels(path)


@pytest.mark.parametrize("layout", ["CheXpert-v1.0-small", "NIH ChestX-ray14"])
def test_labels_of_the_same_hospital_alone_are_refused_for_recalibration(layout, tmp_path):
    own, other = (ELSEWHERE, HERE) if layout.startswith("NIH") else (HERE, ELSEWHERE)
    run_files.write_json(tmp_path / run_files.DATA, {"splits": {"train": {"layout": layout}}})
    run_files.labels(tmp_path, "dev").parent.mkdir()
    write_names(run_files.labels(tmp_path, "dev"), [own])
    for name in (own, BARE):
        truth = write_names(tmp_path / "l.csv", [name])
        with raises("shared-patients"):
            check_patients(tmp_path, "dev", truth)
    for name in (other, THIRD):
        check_patients(tmp_path, "dev", write_names(tmp_path / "l.csv", [name]))


def test_another_study_of_a_patient_of_mimic_is_of_that_patient(tmp_path):
    run_files.labels(tmp_path, "dev").parent.mkdir()
    write_names(run_files.labels(tmp_path, "dev"), ["MIMIC-CXR/p10/p10000032/s50414267/a.jpg"])
    for name in ("MIMIC-CXR/p10/p10000032/s50414999/b.jpg", "s50414267"):
        with raises("shared-patients"):
            check_patients(tmp_path, "dev", write_names(tmp_path / "l.csv", [name]))
    check_patients(tmp_path, "dev", write_names(tmp_path / "l.csv", ["MIMIC-CXR/p10/p10000033/s50414268/b.jpg"]))


def test_cutoff_is_not_chosen_on_patients_of_the_same_hospital():
    with raises("shared-patients", "patient00001"):
        check_apart([HERE], [BARE])
    with raises("shared-patients", "PadChest/patient00001"):
        check_apart([BARE], [THIRD], "PadChest")
    check_apart([ELSEWHERE, THIRD], [HERE])
    with raises("shared-patients", f"RSNA-Pneumonia/{UUID}"):
        check_apart([f"{UUID}.dcm"], [RSNA], "RSNA-Pneumonia")


@pytest.mark.parametrize("hashed", [ELSEWHERE, ELSEWHERE.rpartition("/")[0]])
def test_cutoff_is_not_chosen_on_studies_that_are_hashed_in_the_other_file(tmp_path, hashed):
    (tmp_path / SALT).write_text("secret")
    names = [hash_name(THIRD, "secret"), hash_name(hashed, "secret")]
    with raises("shared-patients", "ChestX-ray14/patient00001"):
        check_apart(names, [ELSEWHERE], "ChestX-ray14", hashed_by=[tmp_path])
    check_apart(names[:1], [ELSEWHERE], "ChestX-ray14", hashed_by=[tmp_path])
