"""Labels of each image against torchxrayvision's loaders, on the published tables that its package holds.

Install it apart, since it is no dependency: ``pip install --no-deps --target DIR torchxrayvision``, ``PYTHONPATH=DIR``.
"""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.external_trees import write_lines

from chexpert.data.sources.external import SETS
from chexpert.runs.identifiers import is_public

pytestmark = pytest.mark.slow
NO_VIEWS = {"COSTAL", "EXCLUDE", "UNK"}
THEIRS = {"Effusion": "Pleural Effusion", "Pleural_Thickening": "Pleural Other"}
EXPLAINED = {
    "Effusion": {"pericardial effusion", "empyema"},  # a part of a name is enough for theirs; empyema is of the pleura
    "Consolidation": {"air bronchogram"},  # a sign, which CheXpert's labeler does not list
    "Pleural_Thickening": {"pleural plaques", "calcified pleural plaques"},  # Pleural Other has them
}
"""PadChest's names on which the two differ on purpose."""


@pytest.fixture(scope="module")
def loaders():
    reason = "torchxrayvision is not installed: its tables and loaders are the reference"
    return pytest.importorskip("torchxrayvision", reason=reason).datasets


def read(variant, root):
    data_set = SETS[variant]
    rows = data_set.read(root, data_set.find_tables(root))
    assert rows.frame["path"].map(is_public).all()
    return data_set, rows


def unpack(loaders, name, root):
    path = root / name
    path.write_bytes(gzip.decompress((Path(loaders.datapath) / f"{name}.gz").read_bytes()))
    return path


def test_nih_has_the_published_counts_and_the_loaders_labels(loaders, tmp_path):
    names = pd.read_csv(unpack(loaders, "Data_Entry_2017_v2020.csv", tmp_path))["Image Index"]
    unpack(loaders, "BBox_List_2017.csv", tmp_path)
    (tmp_path / "train_val_list.txt").write_text("\n".join(names))  # the package has no lists of the splits
    (tmp_path / "test_list.txt").write_text("")
    data_set, rows = read("nih", tmp_path)
    frame, published = rows.frame, data_set.published
    assert (len(frame), frame["patient"].nunique()) == (published["images"], published["patients"])
    assert {name: int(own.sum()) for name, own in rows.labels.items()} == published["labels"]
    assert frame["sex"].value_counts().to_dict() == published["sex"]
    assert frame["projection"].value_counts().to_dict() == published["views"]
    theirs = loaders.NIH_Dataset(str(tmp_path), views=["PA", "AP"], unique_patients=False)
    assert list(theirs.csv["Image Index"]) == list(frame["place"])
    ours = np.stack([rows.labels[name] for name in theirs.pathologies], 1)
    assert (theirs.labels == ours).all()
    boxes = data_set.read_boxes(tmp_path, data_set.find_tables(tmp_path), frame)
    assert (len(boxes), len({box.path for box in boxes})) == (984, 880)
    assert len({box.path for box in boxes}) == theirs.csv["has_masks"].sum()


def test_rsna_has_the_published_counts_and_the_loaders_labels(loaders, tmp_path):
    with zipfile.ZipFile(Path(loaders.datapath) / "kaggle_stage_2_train_labels.csv.zip") as archive:
        archive.extract("stage_2_train_labels.csv", tmp_path)
    theirs = loaders.RSNA_Pneumonia_Dataset(str(tmp_path), views=["PA", "AP"])
    target = dict(zip(theirs.csv["patientId"], theirs.labels[:, 0], strict=True))
    classes = [(name, "Lung Opacity" if own else "Normal") for name, own in target.items()]
    write_lines(tmp_path / "stage_2_detailed_class_info.csv", "patientId,class", classes)  # not in the package
    data_set, rows = read("rsna", tmp_path)
    published = data_set.published
    assert (len(rows.frame), int(rows.labels["Target"].sum())) == (published["images"], published["labels"]["Target"])
    assert dict(zip(rows.frame["patient"], rows.labels["Target"], strict=True)) == target
    boxes = data_set.read_boxes(tmp_path, data_set.find_tables(tmp_path), rows.frame)
    assert len({box.path for box in boxes}) == theirs.csv["has_masks"].sum()


@pytest.mark.filterwarnings(
    "ignore:.*to_datetime:DeprecationWarning", "ignore:Parsing integer or float"
)  # of the loader
def test_padchest_has_the_published_counts_and_differs_from_the_loader_on_named_labels_alone(loaders, tmp_path):
    name = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
    cells = pd.read_csv(unpack(loaders, name, tmp_path), usecols=["ImageID", "Labels"], dtype=str)
    data_set, rows = read("padchest", tmp_path)
    frame = rows.frame.assign(image=rows.frame["place"].str.partition("/")[2])
    assert (len(frame), frame["patient"].nunique()) == (data_set.published["images"], data_set.published["patients"])
    views = ["PA", "L", "AP", "AP Supine", *NO_VIEWS]
    theirs = loaders.PC_Dataset(str(tmp_path), views=views, unique_patients=False)
    observations = pd.DataFrame(data_set.table.translate(rows.labels, len(frame))).set_index(frame["image"])
    found = observations.loc[theirs.csv["ImageID"]]
    texts = cells.set_index("ImageID")["Labels"].loc[theirs.csv["ImageID"]]
    names = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Fracture", "Pleural_Thickening",
             "Pneumonia", "Pneumothorax")  # fmt: skip
    for label in names:
        ours = found[THEIRS.get(label, label)].to_numpy()
        known = ~np.isnan(ours)
        differ = known & (ours != theirs.labels[:, theirs.pathologies.index(label)])
        explained = np.array([any(f"{own}'" in text for own in EXPLAINED.get(label, ())) for text in texts[differ]])
        print(label, f"{differ.sum():,} of {known.sum():,} differ; positives {np.nansum(ours):,.0f}")
        assert explained.all()
        assert bool(differ.sum()) == (label in EXPLAINED)
