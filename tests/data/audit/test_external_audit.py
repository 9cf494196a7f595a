"""The audit of external data sets, against their published counts."""

import time

import pytest
from helpers.external_trees import paint, write_nih, write_padchest, write_rsna, write_vindr, write_whole_nih

from chexpert.data.audit import audit_copy
from chexpert.data.audit.external import check_external
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.external import SETS
from chexpert.report import describe_audit


def test_part_of_nih_is_counted_and_passes(tmp_path):
    audit = audit_copy(write_nih(tmp_path), workers=1)
    assert audit.passed
    external = audit.to_json()["layout"]["external"]
    assert external["counts"]["images"] == 24
    assert external["counts"]["labels"]["Effusion"] == 4
    assert external["boxes"] == {"boxes": 5, "images": 3}
    assert external["published"] is None
    assert "Infiltration" in external["without_counterpart"]
    assert "Fracture" in external["not_labeled"]
    assert {defect.kind for defect in audit.defects if defect.where == "Fracture"} == set()
    assert "observations without a label" in describe_audit(audit.to_json())


def test_stray_and_missing_images_are_found(tmp_path):
    root = write_nih(tmp_path)
    folder = root / "images_001" / "images"
    (folder / "00000002_000.png").rename(folder / "00000099_000.png")
    audit = audit_copy(root, workers=1)
    assert {defect.kind for defect in audit.defects} >= {"missing", "not_listed"}
    assert not audit.passed


@pytest.mark.slow
def test_whole_table_of_nih_has_its_published_counts(tmp_path):
    published = SETS["nih"].published
    root = write_whole_nih(tmp_path, published)
    began = time.process_time()
    audit = audit_copy(root, decode=False)
    print(f"{time.process_time() - began:.1f} s of CPU")
    external = audit.to_json()["layout"]["external"]
    assert external["published"] == published
    counts = external["counts"]
    assert (counts["images"], counts["patients"]) == (112_120, 30_805)
    assert counts["labels"] == published["labels"]
    assert {key: counts[key] for key in ("sex", "views")} == {key: published[key] for key in ("sex", "views")}
    assert not [defect for defect in audit.defects if defect.kind == "counts"]
    splits = {split: set(find_layout(root).read(split)["patient"]) for split in ("train", "valid", "test")}
    assert not splits["train"] & splits["valid"]
    assert not (splits["train"] | splits["valid"]) & splits["test"]
    table = root / "Data_Entry_2017_v2020.csv"
    table.write_text(table.read_text().replace("|Mass,", ",", 1))
    kinds = [defect for defect in audit_copy(root, decode=False).defects if defect.kind == "counts"]
    assert [defect.severity for defect in kinds] == ["error"]


def test_hints_name_the_distributor_and_rules_of_chexperts_labeler_are_not_applied(tmp_path):
    for number, write in enumerate((write_nih, write_padchest, write_vindr, write_rsna)):
        audit = audit_copy(write(tmp_path / str(number)), decode=False)
        hints = " ".join(defect.hint for defect in audit.defects)
        assert "Stanford" not in hints
        assert "labels.blank" not in hints
        assert not {"hierarchy", "no_finding"} & {defect.kind for defect in audit.defects}


def test_images_in_a_folder_of_which_no_row_is_left_are_listed(tmp_path):
    root = write_nih(tmp_path / "nih")
    paint(root / "images_012" / "images" / "00030805_000.png", 5)
    paint(root / "previews" / "00030805_000.png", 6)
    listed = [defect.where for defect in audit_copy(root, workers=1).defects if defect.kind == "not_listed"]
    assert listed == ["images_012/images/00030805_000.png"]
    root = write_padchest(tmp_path / "padchest")
    paint(root / "54" / "1_2.png", 5)
    listed = [defect.where for defect in audit_copy(root, workers=1).defects if defect.kind == "not_listed"]
    assert listed == ["54/1_2.png"]


@pytest.mark.parametrize(("count", "severities"), [(160_861, []), (160_868, ["warning"]), (160_869, ["error"])])
def test_counts_of_padchest_on_which_publications_differ_are_a_warning(count, severities, tmp_path, monkeypatch):
    counts = {"images": count, "patients": 67_625}
    monkeypatch.setattr("chexpert.data.audit.external.count_rows", lambda rows: counts)
    found = list(check_external(find_layout(write_padchest(tmp_path)), {}))
    assert [defect.severity for defect in found] == severities
