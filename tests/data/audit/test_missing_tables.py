"""What the audit says of tables that are not there, or were cut."""

import re
import shutil

import pytest

from chexpert.data.audit import audit_copy

FOLDER = "CheXpert-v1.0-small"
VALID = "valid/patient64541/study1/view1_frontal.jpg"


@pytest.fixture
def copy(write_chexpert, make_row):
    """Three training images of three patients and one validation image, without a defect."""
    train = [make_row({"Edema": "1.0"}, patient=patient) for patient in (1, 2, 3)]
    return write_chexpert(train, [make_row({"Edema": "1.0"}, split="valid")]) / FOLDER


def find(audit, kind):
    return [(defect.where, defect.severity) for defect in audit.defects if defect.kind == kind]


@pytest.mark.parametrize("folder", ["valid", "val"])
def test_a_table_lost_beside_its_films_is_an_error(copy, folder):
    (copy / "valid.csv").unlink()
    (copy / "valid").rename(copy / folder)
    audit = audit_copy(copy, workers=1)
    assert find(audit, "no_table") == [("valid", "error")]
    assert find(audit, "not_listed") == [(VALID.replace("valid", folder), "warning")]
    assert find(audit, "cut_table") == []  # told already


def test_the_tables_alone_tell_that_too(copy):
    (copy / "valid.csv").unlink()
    assert find(audit_copy(copy, decode=False), "no_table") == [("valid", "error")]


def test_a_table_lost_without_its_films_is_a_warning(copy):
    (copy / "valid.csv").unlink()
    shutil.rmtree(copy / "valid")
    audit = audit_copy(copy, workers=1)
    assert find(audit, "no_table") == [("valid", "warning")]
    assert audit.passed


def test_a_copy_without_test_set_is_whole(copy):
    assert find(audit_copy(copy, workers=1), "no_table") == []


def test_test_films_without_a_table_are_an_error(copy):
    (copy / "test/patient64741/study1").mkdir(parents=True)
    assert find(audit_copy(copy, workers=1), "no_table") == [("test", "error")]


@pytest.mark.parametrize("rows", [1, 2])
def test_a_cut_table_is_told_by_the_films_of_patients_without_a_row(copy, rows):
    table = copy / "train.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[: 1 + rows]))
    audit = audit_copy(copy, workers=1)
    assert find(audit, "cut_table") == [("train", "error")]
    (message,) = (defect.message for defect in audit.defects if defect.kind == "cut_table")
    assert re.match(rf"{3 - rows} images of {3 - rows} patients", message)


def test_a_cut_table_of_aimis_batches_is_told_by_batch(copy):
    second, first = "CheXpert-v1.0 batch 2 (train 1)", "CheXpert-v1.0 batch 1 (validate & csv)"
    (copy / first).mkdir()
    for old, new in (("train", second), ("valid", f"{first}/valid"), ("valid.csv", f"{first}/valid.csv")):
        (copy / old).rename(copy / new)
    table = copy / "train.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    table.rename(copy / first / "train.csv")
    assert find(audit_copy(copy, workers=1), "cut_table") == [(second, "error")]
    (copy / first / "train.csv").unlink()
    assert find(audit_copy(copy, workers=1), "no_table") == [("train", "error")]


def test_a_further_film_of_a_listed_patient_is_no_cut_table(copy):
    image = copy / "train/patient00001/study1/view1_frontal.jpg"
    image.with_name("view2_frontal.jpg").write_bytes(image.read_bytes())
    audit = audit_copy(copy, workers=1)
    assert find(audit, "cut_table") == []
    assert audit.passed


def test_unlisted_films_are_not_told_where_a_table_could_not_be_read(copy):
    (copy / "train.csv").write_text("Path\nnonsense\n")
    audit = audit_copy(copy, workers=1)
    assert find(audit, "not_listed") == [("train", "warning")]
    assert find(audit, "cut_table") == []
    assert "train/patient00001/study1/view1_frontal.jpg" in audit.hashes  # a manifest covers them all the same


def test_a_link_to_elsewhere_is_not_searched_for_unlisted_films(copy, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "film.jpg").touch()
    (copy / "test").symlink_to(elsewhere)
    assert find(audit_copy(copy, workers=1), "not_listed") == []
