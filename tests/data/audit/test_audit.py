"""The audit of whole copies on disk."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chexpert.data.audit import audit_copy
from chexpert.data.phantom import write_phantom
from chexpert.data.summary import fingerprint

FOLDER = "CheXpert-v1.0-small"


@pytest.fixture
def copy(write_chexpert, make_row):
    """Two training images of two patients and one validation image, without a defect."""
    train = [make_row({"Edema": "1.0"}), make_row({"Edema": "0.0"}, patient=2)]
    return write_chexpert(train, [make_row({"Edema": "1.0"}, split="valid")])


def find(audit, kind):
    return [(defect.where, defect.severity) for defect in audit.defects if defect.kind == kind]


def view(patient, split="train"):
    return f"{split}/patient{patient:05d}/study1/view1_frontal"


def test_a_sound_copy_passes(copy):
    audit = audit_copy(copy, workers=1)
    assert audit.passed
    assert {defect.severity for defect in audit.defects} == {"warning"}  # not the whole CheXpert


def test_the_json_has_counts_by_split_and_problems(copy):
    content = json.loads(json.dumps(audit_copy(copy, decode=False).to_json()))
    assert set(content) == {"layout", "train", "valid", "defects"}
    assert {key: content["train"][key] for key in ("images", "studies", "patients")} == dict.fromkeys(
        ("images", "studies", "patients"), 2
    )
    assert content["train"]["labels"]["Edema"] == {"positive": 1, "uncertain": 0, "negative": 1, "blank": 0}
    assert set(content["defects"][0]) == {"kind", "where", "message", "hint", "severity"}
    assert content["layout"]["folder"] == str(copy / FOLDER)


def test_every_split_has_its_fingerprint(copy):
    audit = audit_copy(copy, decode=False)
    assert audit.counts["valid"]["fingerprint"] == fingerprint(audit.frames["valid"])


def test_a_missing_a_truncated_and_an_unlisted_image_are_found(copy):
    first, second = (copy / FOLDER / f"{view(patient)}.jpg" for patient in (1, 2))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-100])
    Image.fromarray(np.zeros((40, 32), np.uint8)).save(second.with_name("view2_frontal.jpg"))
    audit = audit_copy(copy, workers=1)
    assert find(audit, "missing") == [(view(1), "error")]
    assert find(audit, "unreadable") == [(view(2), "error")]
    assert find(audit, "not_listed") == [("train/patient00002/study1/view2_frontal.jpg", "warning")]
    assert not audit.passed


def test_without_images_none_is_looked_at(copy):
    (copy / FOLDER / f"{view(1)}.jpg").unlink()
    audit = audit_copy(copy, decode=False)
    assert audit.passed
    assert audit.images is None


def test_an_image_in_two_splits_is_found(copy):
    (copy / FOLDER / f"{view(64541, 'valid')}.jpg").write_bytes((copy / FOLDER / f"{view(1)}.jpg").read_bytes())
    assert find(audit_copy(copy, workers=1), "shared_image") == [(view(1), "error")]


def test_a_patient_in_two_splits_is_found(write_chexpert, make_row):
    root = write_chexpert([make_row(patient=64541)], [make_row(split="valid")])
    assert find(audit_copy(root, decode=False), "shared_patient") == [("patient64541", "error")]


def test_a_broken_table_is_told_with_its_line_and_the_other_is_audited(copy):
    table = copy / FOLDER / "train.csv"
    table.write_text(table.read_text().replace("0.0", "2.0"))
    audit = audit_copy(copy, decode=False)
    ((where, severity),) = find(audit, "table")
    assert "train.csv, line 3" in where
    assert severity == "error"
    assert set(audit.counts) == {"valid"}


def test_a_table_without_a_row_is_an_error_and_the_other_is_audited(copy):
    table = copy / FOLDER / "train.csv"
    table.write_text(table.read_text().partition("\n")[0] + "\n")
    audit = audit_copy(copy, workers=1)
    assert find(audit, "table") == [(str(table), "error")]
    assert set(audit.counts) == {"valid"}


def test_a_chexpert_plus_with_one_split_alone_is_audited(tmp_path):
    audit = audit_copy(write_phantom(tmp_path / "plus", patients=0, valid=1, size=32, layout="plus"), workers=1)
    assert set(audit.counts) == {"valid"}
    ((where, severity),) = find(audit, "table")
    assert (Path(where).name, severity) == ("df_chexpert_plus_240401.csv", "warning")
    assert audit.passed


def test_no_copy_is_an_error(tmp_path):
    audit = audit_copy(tmp_path)
    assert [defect.kind for defect in audit.defects] == ["layout"]
    assert audit.to_json()["layout"] is None


def test_a_link_that_leaves_the_root_is_an_error(copy, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "film.jpg"
    image = copy / FOLDER / f"{view(1)}.jpg"
    image.rename(elsewhere)
    image.symlink_to(elsewhere)
    audit = audit_copy(copy, workers=1)
    assert find(audit, "layout") == [(str(image), "error")]
    assert find(audit, "not_listed") == [("train", "warning")]


def test_hashes_cover_tables_and_images(copy):
    hashes = audit_copy(copy, workers=1).hashes
    assert set(hashes) == {
        "train.csv",
        "valid.csv",
        *(f"{key}.jpg" for key in (view(1), view(2), view(64541, "valid"))),
    }


@pytest.mark.parametrize("changed", ["train.csv", f"{view(1)}.jpg"])
def test_a_changed_byte_is_found_by_the_manifest(copy, changed):
    known = audit_copy(copy, workers=1).hashes
    assert audit_copy(copy, workers=1, known=known).passed
    file = copy / FOLDER / changed
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    assert find(audit_copy(copy, workers=1, known=known), "manifest") == [(changed, "error")]


def test_whatever_a_manifest_names_in_the_copy_is_checked(copy):
    (copy / FOLDER / "notes.txt").write_text("ours\n")
    known = audit_copy(copy, workers=1).hashes | {"notes.txt": hashlib.sha256(b"ours\n").hexdigest()}
    assert find(audit_copy(copy, workers=1, known=known), "manifest") == []
    (copy / FOLDER / "notes.txt").write_text("others\n")
    assert find(audit_copy(copy, workers=1, known=known), "manifest") == [("notes.txt", "error")]


def test_another_labelers_labels_are_counted(copy, make_row, write_table):
    rows = [make_row({"Edema": "1.0"}), make_row({"Edema": "1.0"}, patient=2)]
    write_table(copy / FOLDER / "train_visualCheXbert.csv", rows)
    labels = audit_copy(copy, decode=False).counts["train"]["labels_by_labeler"]
    assert labels["visualchexbert"]["Edema"] == {"positive": 2, "uncertain": 0, "negative": 0, "blank": 0}


def test_another_labelers_table_is_checked_as_the_first(write_chexpert, make_row, write_table):
    views = ("view1_frontal", "view2_frontal")
    root = write_chexpert([make_row({"Edema": "1.0"}, view=view) for view in views])
    cells = ({"Edema": "1.0", "Lung Opacity": "0.0"}, {"Edema": "-1.0", "Lung Opacity": "0.0"})
    rows = [make_row(labels, view=view) for labels, view in zip(cells, views, strict=True)]
    write_table(root / FOLDER / "train_cheXbert.csv", rows)
    audit = audit_copy(root, decode=False)
    assert find(audit, "label_conflict") == [("chexbert: train/patient00001/study1", "error")]
    assert find(audit, "hierarchy") == [(f"chexbert: {view(1)}", "warning")]


def test_sections_of_chexpert_plus_are_checked_but_the_first_once(tmp_path):
    audit = audit_copy(write_phantom(tmp_path / "plus", patients=2, valid=1, size=32, layout="plus"), decode=False)
    assert set(audit.counts["train"]["labels_by_labeler"]) == {"findings", "report"}


def test_the_hierarchy_is_checked_in_every_split(write_chexpert, make_row):
    labels = {"Edema": "1.0", "Lung Opacity": "0.0"}
    root = write_chexpert([make_row()], [make_row(labels, split="valid")])
    assert find(audit_copy(root, decode=False), "hierarchy") == [(view(64541, "valid"), "warning")]


def test_aimis_batches_are_audited_where_they_lie(copy):
    source, train, valid = copy / FOLDER, "CheXpert-v1.0 batch 2 (train 1)", "CheXpert-v1.0 batch 1 (validate & csv)"
    for old, new in (("train", train), ("valid", f"{valid}/valid"), ("train.csv", f"{valid}/train.csv")):
        (copy / new).parent.mkdir(exist_ok=True)
        (source / old).rename(copy / new)
    (source / "valid.csv").rename(copy / valid / "valid.csv")
    (copy / train / "patient00001/study1/view9_frontal.jpg").touch()
    audit = audit_copy(copy, workers=1)
    assert audit.passed
    assert find(audit, "not_listed") == [(f"{train}/patient00001/study1/view9_frontal.jpg", "warning")]
    assert f"{train}/patient00002/study1/view1_frontal.jpg" in audit.hashes
    assert f"{valid}/train.csv" in audit.hashes


def test_a_flat_copy_is_audited(copy):
    source = copy / FOLDER
    (source / "images").mkdir()
    for file in sorted(source.glob("*/patient*/study1/*.jpg")):
        file.rename(source / "images" / "_".join(file.parts[-3:]))
    (source / "images/patient00001_study9_view1_frontal.jpg").touch()
    audit = audit_copy(copy, workers=1)
    assert audit.passed
    assert find(audit, "not_listed") == [("images/patient00001_study9_view1_frontal.jpg", "warning")]
