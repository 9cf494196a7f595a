"""MIMIC-CXR-JPG, VinDr-CXR, RSNA Pneumonia, PadChest and CheXpert-v1.0-512, each on a tree of its own."""

import shutil

import numpy as np
import pytest
from helpers.errors import raises
from helpers.external_trees import (
    name_rsna,
    write_mimic,
    write_padchest,
    write_rsna,
    write_vindr,
)

from chexpert.data import CheXpertDataModule, LabelPolicy
from chexpert.data.audit import audit_copy
from chexpert.data.sources.detect_layout import find_layout
from chexpert.data.sources.external import SETS
from chexpert.data.sources.external.export import export_split
from chexpert.data.sources.frame import select_views
from chexpert.data.sources.splits import check_patients
from chexpert.inference.inputs import InputImage
from chexpert.metrics import Segmentations, find_patient, find_study
from chexpert.observations import OBSERVATIONS
from chexpert.runs.identifiers import is_public

WRITERS = {"mimic": write_mimic, "vindr": write_vindr, "rsna": write_rsna, "padchest": write_padchest}
SPLITS = ("train", "valid", "test")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module", params=WRITERS)
def layout(request, tmp_path_factory):
    return find_layout(WRITERS[request.param](tmp_path_factory.mktemp(request.param)))


def test_images_are_found_patients_are_together_and_names_are_public(layout):
    frames = {split: layout.read(split) for split in SPLITS}
    assert all(len(frame) for frame in frames.values())
    check_patients(frames, layout.folder)
    for frame in frames.values():
        assert layout.find(frame)[1].all()
        assert all(map(is_public, frame["path"]))
        studies = frame.groupby(["patient", "study"]).ngroup()
        assert list(studies) == list(frame.groupby(frame["path"].map(find_study)).ngroup())
        assert list(frame.groupby(frame["path"].map(find_patient)).ngroup()) == list(frame.groupby("patient").ngroup())
        name = frame["path"].iloc[0]
        assert InputImage(name, None).study == find_study(name)
    paths = [path for frame in frames.values() for path in frame["path"]]
    assert layout.locate_names(paths).keys() == {*paths}


def test_what_is_not_labeled_is_blank_throughout_and_the_rest_is_not(layout):
    frame = layout.read("train")
    blank = frame[list(OBSERVATIONS)].isna().all()
    assert [name for name in layout.absent if not blank[name]] == []
    if layout.variant != "mimic":
        assert [name for name in OBSERVATIONS if blank[name]] == list(layout.absent)


def test_audit_passes_and_counts(layout):
    audit = audit_copy(layout.folder, workers=1)
    assert [defect for defect in audit.defects if defect.severity == "error"] == []
    counts = audit.to_json()["layout"]["external"]["counts"]
    assert counts["images"] == sum(len(layout.read(split)) for split in SPLITS)


def test_training_data_are_read(layout):
    options = {"image_size": 16, "batch_size": 4, "num_workers": 0, "test": True}
    data = CheXpertDataModule(layout.folder, list(OBSERVATIONS), LabelPolicy("ones", blank="ones"), **options)
    data.setup("fit")
    for views in data.datasets.values():
        assert not views.mask.numpy()[:, np.isin(OBSERVATIONS, layout.absent)].any()
    assert next(iter(data.train_dataloader())).images.shape[1:] == (1, 16, 16)


def test_mimic_has_the_official_split_and_chexperts_labels(tmp_path):
    layout = find_layout(write_mimic(tmp_path, 6))
    assert [len(layout.read(split)) for split in SPLITS] == [8, 2, 2]
    first = layout.read("train").iloc[1]
    assert first[["patient", "study", "projection"]].tolist() == ["p10000000", "s50000000", "lateral"]
    assert first[["Cardiomegaly", "Consolidation", "Edema", "Support Devices"]].tolist() == [1, -1, 0, 1]
    assert np.isnan(first["Atelectasis"])
    assert layout.read("train").iloc[2][list(OBSERVATIONS)].isna().all()  # a study without labels
    assert layout.read("train", "negbio").iloc[0]["Atelectasis"] == 1
    assert select_views(layout.read("train"), "frontal")["projection"].unique().tolist() == ["frontal_pa"]
    packed = find_layout(write_mimic(tmp_path / "packed", 6, packed=True))
    assert packed.read("test").equals(layout.read("test"))


def test_mimic_blanks_are_evaluated_as_negative(tmp_path):
    root = write_mimic(tmp_path, 6)
    split = export_split(find_layout(root), "test", "frontal", tmp_path / "out", None)
    assert split.files == [tmp_path / "out" / "labels.csv"]
    header, row = (line.split(",") for line in split.files[0].read_text().splitlines())
    labels = dict(zip(header, row, strict=True))
    assert (labels["Atelectasis"], labels["Cardiomegaly"], labels["Consolidation"]) == ("0.0", "1.0", "")


@pytest.mark.parametrize(
    ("name", "old", "new", "code", "where"),
    [
        ("metadata", "ViewPosition", "View", "missing-column", "line 1"),
        ("metadata", ",PA,", ",UPSIDE,", "cell", "line 2, column ViewPosition"),
        ("split", "test", "exam", "cell", "line 8, column split"),
        ("chexpert", "-1.0", "2.0", "cell", "line 2, column Consolidation"),
        ("chexpert", "50000002", "50000000", "repeated", "line 3, column study_id"),
    ],
)
def test_mimic_bad_table(tmp_path, name, old, new, code, where):
    root = write_mimic(tmp_path)
    path = root / f"mimic-cxr-2.0.0-{name}.csv"
    edit(path, old, new)
    with raises(code, f"{path}, {where}"):
        find_layout(root).read("train")


def test_mimic_divided_patient_and_missing_tables(tmp_path):
    root = write_mimic(tmp_path)
    split = root / "mimic-cxr-2.0.0-split.csv"
    edit(split, ",train", ",test")
    with raises("shared-patients", str(split)):
        find_layout(root).read("train")
    (root / "mimic-cxr-2.0.0-negbio.csv").unlink()
    with raises("missing-table", "data.labeler"):
        find_layout(root).read("train", "negbio")
    (root / "mimic-cxr-2.0.0-chexpert.csv").unlink()
    with raises("missing-table", str(root)):
        find_layout(root).read("train")


def test_vindr_majority_of_readers_is_positive_and_one_alone_uncertain(tmp_path):
    layout = find_layout(write_vindr(tmp_path, 12, 4))
    train = [layout.read(split) for split in ("train", "valid")]
    hearts = {row.view: row.Cardiomegaly for frame in train for row in frame.itertuples()}
    assert [hearts[f"{number:032x}"] for number in range(4)] == [0, -1, 1, 1]
    assert layout.read("test")["Cardiomegaly"].tolist() == [1, 0, 1, 0]
    assert layout.read("test")["No Finding"].tolist() == [0, 1, 0, 1]


def test_vindr_boxes_lie_in_the_dicom_images(tmp_path):
    root = write_vindr(tmp_path, 12, 4)
    export_split(find_layout(root), "test", "all", tmp_path / "out", None)
    masks = Segmentations.read(tmp_path / "out" / "masks.json")
    assert len(masks) == 2
    mask = masks.masks(f"VinDr-CXR_test_{1000:032x}")["Cardiomegaly"]
    assert mask.shape == (80, 64)
    assert mask.sum() == 30 * 40
    table = root / "annotations" / "annotations_test.csv"
    edit(table, ",40,60", ",90,60")
    with raises("mask-size", f"{table}, line 2"):
        export_split(find_layout(root), "test", "all", tmp_path / "other", None)
    shutil.rmtree(root / "test")
    with raises("missing-image", f"{table}, line 2"):
        export_split(find_layout(root), "test", "all", tmp_path / "other", None)


def test_vindr_scaled_images_have_labels_and_no_boxes(tmp_path):
    split = export_split(find_layout(write_vindr(tmp_path, png=True)), "test", "frontal", tmp_path / "out", None)
    assert split.masks == {}
    assert len(split.frame) == 4


@pytest.mark.parametrize(
    ("old", "new", "code", "where"),
    [
        ("Other disease", "Others", "missing-column", "line 1"),
        (",1,", ",2,", "cell", "line 2, column Cardiomegaly"),
        (f"{1001:032x}", f"{1000:032x}", "repeated", "line 2, column image_id"),
    ],
)
def test_vindr_bad_table(tmp_path, old, new, code, where):
    root = write_vindr(tmp_path)
    path = root / "annotations" / "image_labels_test.csv"
    edit(path, old, new)
    with raises(code, f"{path}, {where}"):
        find_layout(root).read("test")


def test_rsna_classes_and_boxes(tmp_path):
    layout = find_layout(write_rsna(tmp_path, 30))
    frames = {split: layout.read(split).set_index("view") for split in SPLITS}
    for number in range(3):
        frame = next(frame for frame in frames.values() if name_rsna(number) in frame.index)
        own = frame.loc[name_rsna(number), ["Pneumonia", "Lung Opacity", "No Finding"]].tolist()
        assert own == ([1, 1, 0], [0, 0, 1], [0, 0, 0])[number]
    export_split(layout, "test", "frontal", tmp_path / "out", None)
    masks = Segmentations.read(tmp_path / "out" / "masks.json")
    view = next(iter(masks))
    assert masks.masks(view)["Lung Opacity"].sum() == 213 * 379 + 256 * 453
    assert (masks.masks(view)["Pneumonia"] == masks.masks(view)["Lung Opacity"]).all()


@pytest.mark.parametrize(
    ("name", "old", "new", "code", "where"),
    [
        ("stage_2_train_labels.csv", "width", "w", "missing-column", "line 1"),
        ("stage_2_train_labels.csv", "379,1", "379,0", "cell", "line 2, column Target"),
        ("stage_2_detailed_class_info.csv", "Normal", "Fine", "cell", "line 4, column class"),
        ("stage_2_detailed_class_info.csv", f"{name_rsna(1)},", "x,", "cell", "line 4, column patientId"),
    ],
)
def test_rsna_bad_table(tmp_path, name, old, new, code, where):
    root = write_rsna(tmp_path)
    edit(root / name, old, new)
    path = root / ("stage_2_train_labels.csv" if "patientId" in where else name)
    with raises(code, f"{path}, {where}"):
        find_layout(root).read("train")


def test_padchest_lists_of_labels(tmp_path, caplog):
    layout = find_layout(write_padchest(tmp_path, 24))
    rows = {row["patient"]: row for split in SPLITS for _, row in layout.read(split).iterrows()}
    columns = ["No Finding", "Cardiomegaly", "Pleural Effusion", "Lung Lesion", "Support Devices"]
    own = [rows[f"patient88{number:06d}"][columns].astype(float).tolist() for number in range(6)]
    assert own[:2] == [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0]]
    assert np.isnan(own[2:5]).all()  # unchanged, blank, exclude
    assert own[5] == [0, 0, 0, 1, 1]
    first = rows["patient88000000"]
    assert first[["sex", "age", "projection"]].tolist() == ["Male", 76, "lateral"]
    packed = find_layout(write_padchest(tmp_path / "packed", 24, packed=True))
    assert packed.read("train").equals(layout.read("train"))
    assert any("aortic elongation" in record.getMessage() for record in caplog.records)
    export_split(layout, "train", "all", tmp_path / "out", None)
    assert (tmp_path / "out/other_labels.csv").read_text() == "Label,Images\naortic elongation,8\n"


def test_long_list_of_padchests_labels_is_counted_in_one_line(tmp_path, caplog):
    root = write_padchest(tmp_path / "root", 12)
    edit(root / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv", "aortic elongation", "a', 'b', 'c', 'd', 'e")
    export_split(find_layout(root), "train", "all", tmp_path / "out", None)
    (note,) = [record.getMessage() for record in caplog.records if "no counterpart" in record.getMessage()]
    assert "6 names" in note
    assert "on 4 of 24 images" in note
    assert "other_labels.csv" in note
    assert note.count("(") == 3
    rows = (tmp_path / "out/other_labels.csv").read_text().splitlines()
    assert sorted(rows[1:]) == ["a,1", "aortic elongation,3", "b,1", "c,1", "d,1", "e,1"]


@pytest.mark.parametrize(
    ("old", "new", "code", "where"),
    [
        ("Projection", "View", "missing-column", "line 1"),
        ("['normal']", "normal", "cell", "line 2, column Labels"),
        (",PA,", ",XX,", "cell", "line 2, column Projection"),
    ],
)
def test_padchest_bad_table(tmp_path, old, new, code, where):
    root = write_padchest(tmp_path)
    path = root / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
    edit(path, old, new)
    with raises(code, f"{path}, {where}"):
        find_layout(root).read("train")


def test_images_of_chexpert_512_lie_below_images(write_chexpert, make_row, tmp_path):
    rows = [make_row({"Edema": "1.0"}, patient=number) for number in (1, 2)]
    small = write_chexpert(rows) / "CheXpert-v1.0-small"
    folder = tmp_path / "hub" / "CheXpert-v1.0-512"
    shutil.copytree(small, folder / "images")
    for name in ("train", "valid"):
        text = (
            (folder / "images" / f"{name}.csv").read_text().replace("CheXpert-v1.0-small/", "CheXpert-v1.0-512/images/")
        )
        (folder / f"{name}.csv").write_text(text)
        (folder / "images" / f"{name}.csv").unlink()
    for root in (folder, folder.parent):
        layout = find_layout(root, "chexpert_512")
        assert layout.absent == ()
        frame = layout.read("train")
        assert layout.find(frame)[1].all()
        assert frame["key"].iloc[0] == "train/patient00001/study1/view1_frontal"


def test_every_label_has_a_counterpart_or_none_and_every_observation_is_labeled_or_absent():
    for data_set in SETS.values():
        table = data_set.table
        known = [own.observation for own in table.counterparts.values()]
        assert {name for name in known if name} <= {*OBSERVATIONS}
        assert sorted([*table.observations, *table.absent]) == sorted(OBSERVATIONS)
        assert {*table.reasons} <= {*table.absent}
        assert {*data_set.published.get("labels", table.counterparts)} == {*table.counterparts}
