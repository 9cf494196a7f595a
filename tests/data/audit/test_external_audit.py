"""The audit of external data sets, against their published counts."""

import time

import pytest
from helpers.external_trees import write_nih, write_whole_nih

from chexpert.data.audit import audit_copy
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
