"""Defects of tables that are missing or were cut."""

import re
import shutil

import pytest

from chexpert.data.audit import audit_copy

FOLDER = "CheXpert-v1.0-small"
VALID = "valid/patient64541/study1/view1_frontal.jpg"


@pytest.fixture
def dataset(write_chexpert, make_row):
    """Three training images of three patients and one validation image, without a defect."""
    train = [make_row({"Edema": "1.0"}, patient=patient) for patient in (1, 2, 3)]
    return write_chexpert(train, [make_row({"Edema": "1.0"}, split="valid")]) / FOLDER


def list_defects(audit, kind):
    return [(defect.where, defect.severity) for defect in audit.defects if defect.kind == kind]


@pytest.mark.parametrize("folder", ["valid", "val"])
def test_missing_table_beside_its_images_is_an_error(dataset, folder):
    (dataset / "valid.csv").unlink()
    (dataset / "valid").rename(dataset / folder)
    audit = audit_copy(dataset, workers=1)
    assert list_defects(audit, "no_table") == [("valid", "error")]
    assert list_defects(audit, "not_listed") == [(VALID.replace("valid", folder), "warning")]
    assert list_defects(audit, "cut_table") == []  # one defect for one cause
    assert list_defects(audit_copy(dataset, decode=False), "no_table") == [("valid", "error")]


def test_missing_table_without_its_images_is_a_warning(dataset):
    (dataset / "valid.csv").unlink()
    shutil.rmtree(dataset / "valid")
    audit = audit_copy(dataset, workers=1)
    assert list_defects(audit, "no_table") == [("valid", "warning")]
    assert audit.passed


def test_test_images_without_a_table_are_an_error(dataset):
    (dataset / "test/patient64741/study1").mkdir(parents=True)
    assert list_defects(audit_copy(dataset, workers=1), "no_table") == [("test", "error")]


@pytest.mark.parametrize("rows", [1, 2])
def test_images_of_patients_without_a_row_are_an_error(dataset, rows):
    table = dataset / "train.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[: 1 + rows]))
    audit = audit_copy(dataset, workers=1)
    assert list_defects(audit, "cut_table") == [("train", "error")]
    (message,) = (defect.message for defect in audit.defects if defect.kind == "cut_table")
    assert re.findall(r"\d+", message) == [str(3 - rows)] * 2  # images, patients


def test_cut_table_of_aimi_names_the_batch(dataset):
    second, first = "CheXpert-v1.0 batch 2 (train 1)", "CheXpert-v1.0 batch 1 (validate & csv)"
    (dataset / first).mkdir()
    for old, new in (("train", second), ("valid", f"{first}/valid"), ("valid.csv", f"{first}/valid.csv")):
        (dataset / old).rename(dataset / new)
    table = dataset / "train.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    table.rename(dataset / first / "train.csv")
    assert list_defects(audit_copy(dataset, workers=1), "cut_table") == [(second, "error")]
    (dataset / first / "train.csv").unlink()
    assert list_defects(audit_copy(dataset, workers=1), "no_table") == [("train", "error")]


def test_unlisted_image_of_a_listed_patient_passes(dataset):
    image = dataset / "train/patient00001/study1/view1_frontal.jpg"
    image.with_name("view2_frontal.jpg").write_bytes(image.read_bytes())
    audit = audit_copy(dataset, workers=1)
    assert list_defects(audit, "cut_table") == []
    assert audit.passed


def test_unreadable_table_hides_unlisted_images(dataset):
    (dataset / "train.csv").write_text("Path\nnonsense\n")
    audit = audit_copy(dataset, workers=1)
    assert list_defects(audit, "not_listed") == [("train", "warning")]
    assert list_defects(audit, "cut_table") == []
    assert "train/patient00001/study1/view1_frontal.jpg" in audit.hashes  # the manifest still has them


def test_linked_folder_is_not_searched_for_unlisted_images(dataset, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "image.jpg").touch()
    (dataset / "test").symlink_to(elsewhere)
    assert list_defects(audit_copy(dataset, workers=1), "not_listed") == []
