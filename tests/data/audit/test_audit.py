"""The audit of whole datasets on disk."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.errors import raises
from PIL import Image

from chexpert.data.audit import audit_copy
from chexpert.data.phantom import write_phantom
from chexpert.data.summary import fingerprint

FOLDER = "CheXpert-v1.0-small"


@pytest.fixture
def dataset(write_chexpert, make_row):
    """Two training images of two patients and one validation image, without a defect."""
    train = [make_row({"Edema": "1.0"}), make_row({"Edema": "0.0"}, patient=2)]
    return write_chexpert(train, [make_row({"Edema": "1.0"}, split="valid")])


def list_defects(audit, kind):
    return [(defect.where, defect.severity) for defect in audit.defects if defect.kind == kind]


def view(patient, split="train"):
    return f"{split}/patient{patient:05d}/study1/view1_frontal"


def test_dataset_without_defects_passes(dataset):
    audit = audit_copy(dataset, workers=1)
    assert audit.passed
    assert list_defects(audit, "counts") == [("train", "warning"), ("valid", "warning")]  # not the whole CheXpert
    assert list_defects(audit, "no_table") == []  # of test, which a training does not need


def test_json_has_layout_counts_and_defects(dataset):
    content = json.loads(json.dumps(audit_copy(dataset, decode=False).to_json()))
    assert set(content) == {"layout", "train", "valid", "defects"}
    assert [content["train"][key] for key in ("images", "studies", "patients")] == [2, 2, 2]
    assert content["train"]["labels"]["Edema"] == {"positive": 1, "uncertain": 0, "negative": 1, "blank": 0}
    assert set(content["defects"][0]) == {"kind", "where", "message", "hint", "severity"}
    assert content["layout"]["folder"] == str(dataset / FOLDER)


def test_counts_have_the_fingerprint_of_the_split(dataset):
    audit = audit_copy(dataset, decode=False)
    assert audit.counts["valid"]["fingerprint"] == fingerprint(audit.frames["valid"])


def test_missing_truncated_and_unlisted_images_are_found(dataset):
    first, second = (dataset / FOLDER / f"{view(patient)}.jpg" for patient in (1, 2))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-100])
    Image.fromarray(np.zeros((40, 32), np.uint8)).save(second.with_name("view2_frontal.jpg"))
    audit = audit_copy(dataset, workers=1)
    assert list_defects(audit, "missing") == [(view(1), "error")]
    assert list_defects(audit, "unreadable") == [(view(2), "error")]
    assert list_defects(audit, "not_listed") == [("train/patient00002/study1/view2_frontal.jpg", "warning")]
    assert not audit.passed


def test_audit_without_decoding_ignores_images(dataset):
    (dataset / FOLDER / f"{view(1)}.jpg").unlink()
    audit = audit_copy(dataset, decode=False)
    assert audit.passed
    assert audit.images is None


def test_image_in_two_splits_is_an_error(dataset):
    (dataset / FOLDER / f"{view(64541, 'valid')}.jpg").write_bytes((dataset / FOLDER / f"{view(1)}.jpg").read_bytes())
    assert list_defects(audit_copy(dataset, workers=1), "shared_image") == [(view(1), "error")]


def test_patient_in_two_splits_is_an_error(write_chexpert, make_row):
    root = write_chexpert([make_row(patient=64541)], [make_row(split="valid")])
    (defect,) = (defect for defect in audit_copy(root, decode=False).defects if defect.kind == "shared_patient")
    assert (defect.where, defect.severity) == ("patient64541", "error")
    assert {"train", "valid"} <= set(defect.message.split())


def test_damaged_table_is_an_error_with_its_line(dataset):
    table = dataset / FOLDER / "train.csv"
    table.write_text(table.read_text().replace("0.0", "2.0"))
    audit = audit_copy(dataset, decode=False)
    assert list_defects(audit, "table") == [(f"{table}, line 3, column Edema", "error")]
    assert set(audit.counts) == {"valid"}


def test_table_without_rows_is_an_error(dataset):
    table = dataset / FOLDER / "train.csv"
    table.write_text(table.read_text().partition("\n")[0] + "\n")
    audit = audit_copy(dataset, workers=1)
    assert list_defects(audit, "table") == [(str(table), "error")]
    assert set(audit.counts) == {"valid"}


def test_chexpert_plus_without_train_passes(tmp_path):
    audit = audit_copy(write_phantom(tmp_path / "plus", patients=0, valid=1, size=32, layout="plus"), workers=1)
    assert set(audit.counts) == {"valid"}
    ((where, severity),) = list_defects(audit, "table")
    assert (Path(where).name, severity) == ("df_chexpert_plus_240401.csv", "warning")
    assert audit.passed


def test_folder_without_a_dataset_is_an_error(tmp_path):
    with raises("missing-dataset", "") as caught:
        audit_copy(tmp_path)
    assert str(tmp_path) in caught.value.message


def test_two_datasets_are_a_defect(tmp_path):
    for folder in ("one", "two"):
        write_phantom(tmp_path / folder, patients=1, valid=1, size=32)
    audit = audit_copy(tmp_path, decode=False)
    assert [(defect.kind, defect.where) for defect in audit.defects] == [("layout", str(tmp_path))]
    assert audit.to_json()["layout"] is None


def test_link_out_of_the_root_is_an_error(dataset, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "image.jpg"
    image = dataset / FOLDER / f"{view(1)}.jpg"
    image.rename(elsewhere)
    image.symlink_to(elsewhere)
    audit = audit_copy(dataset, workers=1)
    assert list_defects(audit, "layout") == [(str(image), "error")]
    assert list_defects(audit, "not_listed") == [("train", "warning")]


def test_hashes_cover_tables_and_images(dataset):
    hashes = audit_copy(dataset, workers=1).hashes
    assert set(hashes) == {
        "train.csv",
        "valid.csv",
        *(f"{key}.jpg" for key in (view(1), view(2), view(64541, "valid"))),
    }


@pytest.mark.parametrize("changed", ["train.csv", f"{view(1)}.jpg"])
def test_changed_byte_differs_from_the_manifest(dataset, changed):
    known = audit_copy(dataset, workers=1).hashes
    assert audit_copy(dataset, workers=1, known=known).passed
    file = dataset / FOLDER / changed
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    assert list_defects(audit_copy(dataset, workers=1, known=known), "manifest") == [(changed, "error")]


def test_every_file_of_the_manifest_is_checked(dataset):
    (dataset / FOLDER / "notes.txt").write_text("ours\n")
    known = audit_copy(dataset, workers=1).hashes | {"notes.txt": hashlib.sha256(b"ours\n").hexdigest()}
    assert list_defects(audit_copy(dataset, workers=1, known=known), "manifest") == []
    (dataset / FOLDER / "notes.txt").write_text("others\n")
    assert list_defects(audit_copy(dataset, workers=1, known=known), "manifest") == [("notes.txt", "error")]


def test_labels_of_other_labelers_are_counted(dataset, make_row, write_table):
    rows = [make_row({"Edema": "1.0"}), make_row({"Edema": "1.0"}, patient=2)]
    write_table(dataset / FOLDER / "train_visualCheXbert.csv", rows)
    labels = audit_copy(dataset, decode=False).counts["train"]["labels_by_labeler"]
    assert labels["visualchexbert"]["Edema"] == {"positive": 2, "uncertain": 0, "negative": 0, "blank": 0}


def test_labels_of_other_labelers_are_checked(write_chexpert, make_row, write_table):
    views = ("view1_frontal", "view2_frontal")
    root = write_chexpert([make_row({"Edema": "1.0"}, view=view) for view in views])
    cells = ({"Edema": "1.0", "Lung Opacity": "0.0"}, {"Edema": "-1.0", "Lung Opacity": "0.0"})
    rows = [make_row(labels, view=view) for labels, view in zip(cells, views, strict=True)]
    write_table(root / FOLDER / "train_cheXbert.csv", rows)
    audit = audit_copy(root, decode=False)
    assert list_defects(audit, "label_conflict") == [("chexbert: train/patient00001/study1", "error")]
    assert list_defects(audit, "hierarchy") == [(f"chexbert: {view(1)}", "warning")]


def test_chexpert_plus_sections_are_counted_once(tmp_path):
    audit = audit_copy(write_phantom(tmp_path / "plus", patients=2, valid=1, size=32, layout="plus"), decode=False)
    assert set(audit.counts["train"]["labels_by_labeler"]) == {"findings", "report"}


def test_hierarchy_is_checked_in_every_split(write_chexpert, make_row):
    labels = {"Edema": "1.0", "Lung Opacity": "0.0"}
    root = write_chexpert([make_row()], [make_row(labels, split="valid")])
    assert list_defects(audit_copy(root, decode=False), "hierarchy") == [(view(64541, "valid"), "warning")]


def test_aimi_batches_are_audited(dataset):
    source, train, valid = dataset / FOLDER, "CheXpert-v1.0 batch 2 (train 1)", "CheXpert-v1.0 batch 1 (validate & csv)"
    for old, new in (("train", train), ("valid", f"{valid}/valid"), ("train.csv", f"{valid}/train.csv")):
        (dataset / new).parent.mkdir(exist_ok=True)
        (source / old).rename(dataset / new)
    (source / "valid.csv").rename(dataset / valid / "valid.csv")
    (dataset / train / "patient00001/study1/view9_frontal.jpg").touch()
    audit = audit_copy(dataset, workers=1)
    assert audit.passed
    assert list_defects(audit, "not_listed") == [(f"{train}/patient00001/study1/view9_frontal.jpg", "warning")]
    assert f"{train}/patient00002/study1/view1_frontal.jpg" in audit.hashes
    assert f"{valid}/train.csv" in audit.hashes


def test_flat_dataset_is_audited(dataset):
    source = dataset / FOLDER
    (source / "images").mkdir()
    for file in sorted(source.glob("*/patient*/study1/*.jpg")):
        file.rename(source / "images" / "_".join(file.parts[-3:]))
    (source / "images/patient00001_study9_view1_frontal.jpg").touch()
    audit = audit_copy(dataset, workers=1)
    assert audit.passed
    assert list_defects(audit, "not_listed") == [("images/patient00001_study9_view1_frontal.jpg", "warning")]
